// The event log as staff see it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { api, launch, open, person, pictures, removePeople, signIn, until, URL_BASE } from './support.mjs';

let browser;
let staff;
let signedIn;

before(async () => {
  browser = await launch();
  staff = await person('admin');
  const page = await open(browser);
  await signIn(page, staff);
  signedIn = await page.context().storageState();
  await page.context().close();
});
after(async () => {
  await removePeople();
  await browser?.close();
});

const kinds = (page) => page.locator('.fold-button').allTextContents();

test('R9.4 the log grows by itself, and its filters are in the address', async () => {
  const page = await open(browser, { storageState: signedIn });
  await page.goto(`${URL_BASE}/events?kind=user.*`);
  await page.locator('.fold-button').first().waitFor();
  assert.ok((await kinds(page)).every((kind) => kind.startsWith('user.')));
  const before = (await kinds(page)).length;
  await person();
  await until('the new user to appear', async () => (await kinds(page)).length > before);
  assert.equal((await kinds(page))[0], 'user.created');
  await page.getByLabel('Kind').selectOption('login');
  await page.waitForURL(/kind=login$/);
  await until('only sign-ins', async () => (await kinds(page)).length > 0 && (await kinds(page)).every((kind) => kind === 'login'));
  await page.getByLabel('Search events').fill(staff.name);
  await until('only ours', async () => (await page.locator('.events tbody tr').count()) > 0
    && (await page.locator('.events tbody td:nth-child(3)').allTextContents()).every((name) => name === staff.name));
  // A finding is a link.
  const link = page.url();
  const other = await open(browser, { storageState: signedIn });
  await other.goto(link);
  await other.locator('.fold-button').first().waitFor();
  assert.ok((await kinds(other)).every((kind) => kind === 'login'));
  await page.getByRole('button', { name: 'Show all' }).click();
  await until('everything', async () => new Set(await kinds(page)).size > 1);
  assert.deepEqual(page.faults, []);
  await page.context().close();
  await other.context().close();
});

test('R9.4 a row opens by keyboard, leads to its like, and the export has what is shown', async () => {
  const page = await open(browser, { storageState: signedIn });
  await page.goto(`${URL_BASE}/events?kind=login`);
  await page.locator('.fold-button').first().focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await page.locator('.fold-detail').waitFor();
  assert.equal(await page.locator('.fold-button').first().getAttribute('aria-expanded'), 'true');
  await page.getByRole('button', { name: 'Only this person' }).click();
  await page.waitForURL(/user=/);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Export' }).click()]);
  assert.equal(download.suggestedFilename(), 'events.jsonl');
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  const lines = Buffer.concat(chunks).toString().trim().split('\n').map((line) => JSON.parse(line));
  assert.ok(lines.length > 0 && lines.every((line) => line.kind === 'login'));
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('R9.4 nothing found says what to do; players see no log', async () => {
  const page = await open(browser, { storageState: signedIn });
  await page.goto(`${URL_BASE}/events?kind=instance.asked&text=no-such-word-anywhere`);
  await page.getByText('Nothing like this has happened').waitFor();
  await page.context().close();
  const player = await person();
  const { status } = await api('GET', '/admin/events');
  assert.equal(status, 200);
  const theirs = await open(browser);
  await signIn(theirs, player);
  assert.equal(await theirs.getByRole('link', { name: 'Events' }).count(), 0);
  await theirs.context().close();
});

for (const [scheme, width] of [['light', 1280], ['dark', 1280], ['light', 360], ['dark', 360]]) {
  test(`R9.4 the log can be read by everybody: ${scheme}, ${width} px`, async () => {
    const page = await open(browser, { storageState: signedIn, colorScheme: scheme, viewport: { width, height: 800 } });
    await page.goto(`${URL_BASE}/events`);
    await page.locator('.fold-button').first().click();
    await page.locator('.fold-detail').waitFor();
    const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa']).analyze();
    assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes[0]?.html}`), []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is no wider than the window');
    await page.screenshot({ path: join(pictures, `events-${scheme}-${width}.png`) });
    await page.context().close();
  });
}
