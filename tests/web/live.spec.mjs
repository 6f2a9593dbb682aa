import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cable, ownServer } from './server.mjs';
import { api, card, instancesOf, launch, open, person, removePeople, row, signIn, START_MS, TEMPLATE, until, URL_BASE } from './support.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => {
  await removePeople();
  await browser?.close();
});

/** Neither transport of the rooms gets through, as behind a proxy that knows only plain requests. */
async function withoutNews(page) {
  await page.route('**/socket.io/**', (route) => route.abort());
  await page.routeWebSocket('**/socket.io/**', (socket) => socket.close());
}

/** A second window of the same person starts and stops; the first one only watches. */
async function watch(streams) {
  const who = await person();
  const acting = await open(browser);
  await signIn(acting, who);
  const watching = await open(browser, { storageState: await acting.context().storageState() });
  if (!streams) await withoutNews(watching);
  await watching.goto(`${URL_BASE}/`);
  await watching.locator(streams ? '.link.live' : '.link.late').waitFor();
  await row(acting).getByRole('button', { name: /^Start / }).click();
  await card(watching, 'running').waitFor({ timeout: START_MS });
  await until('the screen reader to be told', async () => /is running/.test(await watching.locator('[aria-live=polite]').innerText()));
  const [instance] = await instancesOf(who);
  await api('DELETE', `/instances/${instance.id}`);
  await watching.locator(`.ended[data-template="${TEMPLATE}"]`).waitFor({ timeout: START_MS });
  assert.match(await watching.locator('.ended').innerText(), /Stopped by staff/);
  assert.deepEqual(watching.faults, []);
  await acting.context().close();
  await watching.context().close();
}

/** A server without an engine, a player of it, and that player's token for what happens outside of the page. */
async function rangeOfOne() {
  const server = await ownServer('[auth]\nstrategies = ["local", "token"]\n[rates]\nfactor = 1000\n[network]\npool = "127.201.0.0/16"\n', {
    'templates/web/instance.toml': 'name = "Web"\nports = [8000]\ntimeout = 3600\n[ready]\ninterval = 50\n',
    'templates/web/Dockerfile': 'FROM scratch\nCMD ["/serve"]\n',
  });
  const call = async (token, method, path, body, headers = {}) => {
    const response = await fetch(`${server.site}/api/v1${path}`, {
      method, body: body && JSON.stringify(body),
      headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
    return response;
  };
  const who = { name: 'pat', password: 'a-long-enough-password' };
  await call(server.token, 'POST', '/admin/users', { ...who, role: 'player' });
  const cookie = (await call('', 'POST', '/session', { strategy: 'local', ...who })).headers.get('set-cookie').split(';')[0];
  const { token } = await (await call('', 'POST', '/me/tokens', { name: 't' }, { cookie, 'x-tiltyard-csrf': '1', origin: server.site })).json();
  const read = async (as, path) => (await call(as, 'GET', path)).json();
  return {
    server, who,
    start: async () => (await call(token, 'POST', '/instances', { template: 'web' }, { prefer: 'wait=30' })).json(),
    stop: async ({ id }) => {
      await call(token, 'DELETE', `/instances/${id}`);
      await until('it to have stopped', async () => (await read(token, `/instances/${id}`)).state === 'stopped');
    },
    /** What happened to the player's machines, oldest first. */
    log: async () => (await read(server.token, '/admin/events?kind=instance.*&limit=500')).items.reverse(),
  };
}

test('R9.1 a page whose connection was cut, and whose server was killed meanwhile, hears exactly what it missed', async () => {
  const range = await rangeOfOne();
  const line = await cable(range.server.port);
  try {
    const page = await open(browser);
    const frames = [];
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => frames.push(String(payload))));
    await page.route(/socket\.io.*transport=polling/, (route) => route.abort());
    // What has a number is in the log; progress passes.
    const heard = () => frames.filter((one) => one.startsWith('42["instance"')).map((one) => JSON.parse(one.slice(2))[1]).filter((one) => one.seq);
    const sessions = () => frames.filter((one) => one.startsWith('40{')).map((one) => JSON.parse(one.slice(2)).pid);
    await page.goto(`${line.site}/signin`);
    await page.getByLabel('Name').fill(range.who.name);
    await page.getByLabel('Password').fill(range.who.password);
    await page.keyboard.press('Enter');
    await page.locator('.link.live').waitFor();
    const first = await range.start();
    await page.locator('.card[data-state="running"]').waitFor();
    const seen = heard().length;

    await line.cut();
    await page.locator('.link.live').waitFor({ state: 'detached' });
    await range.stop(first);
    await range.server.kill();
    await range.server.start();
    await range.start();
    await line.mend();

    await page.locator('.link.live').waitFor();
    await page.locator('.card[data-state="running"]').waitFor();
    const told = (await range.log()).map((one) => [one.id, one.kind]);
    await until('the last of it to be heard', async () => heard().at(-1)?.seq === told.at(-1)[0]);
    assert.deepEqual(heard().map((one) => [one.seq, one.kind]), told, 'each once and in order, over the cut and the kill');
    assert.ok(heard().length >= seen + 4, 'much of it was missed');
    assert.equal(new Set(sessions()).size, 1, 'it is the session of before');
    assert.ok(sessions().length > 1);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  } finally {
    await line.stop();
    await range.server.stop();
  }
});

test('R11.1 what happens elsewhere shows without a reload, by news', () => watch(true));
test('R11.1 where news does not get through the page asks instead', () => watch(false));

test('R11.1 a refused start says why, offers to try again, and leaves nothing behind', async () => {
  const who = await person();
  const page = await open(browser);
  await signIn(page, who);
  let refuse = true;
  await page.route('**/api/v1/instances', async (route) => {
    if (route.request().method() !== 'POST' || !refuse) return route.fallback();
    return route.fulfill({
      status: 503, contentType: 'application/problem+json', headers: { 'retry-after': '1' },
      body: JSON.stringify({ type: 'urn:tiltyard:error:engine-unavailable', title: 'Engine away', status: 503, detail: 'The container engine does not answer.' }),
    });
  });
  await row(page).getByRole('button', { name: /^Start / }).click();
  await page.locator('.banner').getByText('The container engine does not answer.').waitFor();
  const message = page.locator('.toasts li').filter({ hasText: 'was not started' });
  await message.waitFor();
  assert.equal(await card(page).count(), 0);
  refuse = false;
  await message.getByRole('button', { name: 'Try again' }).click();
  await card(page, 'running').waitFor({ timeout: START_MS });
  // The server was well all the time, so the banner goes by itself.
  await page.locator('.banner').waitFor({ state: 'detached' });
  await page.context().close();
});

test('R11.1 a server that cannot be reached is said, and found again', async () => {
  const who = await person();
  const page = await open(browser);
  await withoutNews(page);
  await signIn(page, who);
  await row(page).waitFor();
  await page.route('**/readyz', (route) => route.abort());
  await page.route('**/api/v1/**', (route) => route.abort());
  await page.locator('.banner').getByText('cannot be reached').waitFor();
  assert.ok(await row(page).isVisible(), 'what was known stays on the page');
  await page.unrouteAll();
  await page.locator('.banner').waitFor({ state: 'detached' });
  await page.context().close();
});

test('R11.1 a session that has ended leads to signing in', async () => {
  const who = await person();
  const page = await open(browser);
  await signIn(page, who);
  await page.context().clearCookies();
  // Whatever asks the server next finds out; it may be the page itself before the button.
  await row(page).getByRole('button', { name: /^Start / }).click({ timeout: 3000 }).catch(() => {});
  await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/signin');
  await page.context().close();
});
