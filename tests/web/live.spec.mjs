import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
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
