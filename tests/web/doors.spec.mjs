// Whose door it is, in a browser: one's own instance by the page and back, another's, and a link that shares it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ownServer } from './server.mjs';
import { launch, open, START_MS, until } from './support.mjs';

let browser, server;

before(async () => {
  browser = await launch();
  server = await ownServer(`namespace = "web-doors-${process.pid}"
[network]
pool = "10.${200 + process.pid % 50}.0.0/16"
`, {
    'templates/mine/instance.toml': 'name = "Mine"\nexpected_boot = 1\n[[endpoint]]\nport = 8000\nkind = "http"\nowner_only = true\n[ready]\ninterval = 50\n',
    'templates/mine/Dockerfile': 'FROM tiltyard/busybox:1\nRUN mkdir /www && echo "inside" > /www/index.html\nSTOPSIGNAL SIGKILL\nCMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n',
  }, undefined, 'docker');
  await until('the template to be ready', async () => (await api('GET', '/templates/mine')).body?.state === 'ready', START_MS);
});

after(async () => {
  if (server) {
    for (const one of (await api('GET', '/instances?owner=all&state=starting,running')).body.items) await api('DELETE', `/instances/${one.id}`);
    await until('the machines to be gone', async () => (await api('GET', '/instances?owner=all&state=preparing,starting,running,stopping')).body.items.length === 0, START_MS);
  }
  await browser?.close();
  await server?.stop();
});

async function api(method, path, body) {
  const response = await fetch(`${server.site}/api/v1${path}`, {
    method, headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : null };
}

async function person(name) {
  const who = { name, password: 'a-long-enough-password' };
  assert.equal((await api('POST', '/admin/users', { ...who, role: 'player' })).status, 201);
  return who;
}

async function fillIn(page, who) {
  await page.getByLabel('Name').fill(who.name);
  await page.getByLabel('Password').fill(who.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

const isInside = (page) => page.getByText('inside', { exact: true }).waitFor();

test('R2.4 one\'s own instance opens by the page, and nobody else\'s', async () => {
  const page = await open(browser);
  await page.goto(`${server.site}/signin`);
  await fillIn(page, await person('owner'));
  await page.getByRole('button', { name: /^Start Mine/ }).click();
  const card = page.locator('.card[data-state="running"]');
  await card.waitFor({ timeout: START_MS });
  await card.getByText('yours alone').waitFor();
  const [machine] = await Promise.all([page.context().waitForEvent('page'), card.getByRole('link', { name: 'Open' }).click()]);
  await isInside(machine);
  const url = new URL(machine.url());
  assert.equal(url.pathname, '/', 'nothing of the way is left in the address');
  const cookie = (await page.context().cookies(url.origin)).find((one) => one.name === 'tiltyard-door');
  assert.deepEqual([cookie.domain, cookie.httpOnly, cookie.sameSite], [url.hostname, true, 'Lax']);

  // A page of the instance's own leads back to ours without the session's cookie, which is Strict: it gets there all the same.
  await page.context().clearCookies({ name: 'tiltyard-door' });
  await machine.evaluate(() => location.assign('/index.html?again'));
  await machine.waitForURL(`${url.origin}/index.html?again`);
  await isInside(machine);

  // Whoever comes from outside signs in first, and is on the way afterwards.
  const other = await open(browser);
  await other.goto(url.href);
  await fillIn(other, await person('stranger'));
  await other.getByRole('heading', { name: 'This is somebody else\'s' }).waitFor();
  assert.equal(new URL(other.url()).hostname, url.hostname);

  await card.getByRole('button', { name: /^Details/ }).click();
  await card.getByRole('button', { name: 'Make a link' }).click();
  const link = await card.locator('.fresh code').textContent();
  await other.goto(link);
  await isInside(other);
  await card.getByRole('button', { name: 'Take back' }).click();
  await card.getByRole('button', { name: 'Take back' }).waitFor({ state: 'detached' });
  await other.reload();
  await other.getByRole('heading', { name: 'This is somebody else\'s' }).waitFor();
  assert.deepEqual([...page.faults, ...other.faults], []);
});
