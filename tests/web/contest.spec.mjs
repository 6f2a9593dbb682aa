// A contest in the page: a flag is handed in, the board follows, a freeze holds it, and staff look at a flag that was passed on.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { api, instancesOf, launch, open, person, pictures, removePeople, signIn, START_MS, TEMPLATE, URL_BASE } from './support.mjs';

const ID = 'web-spring';
let browser, ann, bob, staff;

const contest = (body) => api('PUT', `/admin/contests/${ID}`, body);

before(async () => {
  browser = await launch();
  [ann, bob, staff] = [await person(), await person(), await person('operator')];
  const made = await contest({ title: 'Spring', about: 'Be **kind** to each other.', starts_at: new Date(Date.now() - 60_000).toISOString(), ends_at: new Date(Date.now() + 3_600_000).toISOString() });
  assert.equal(made.status, 201, JSON.stringify(made.body));
});
after(async () => {
  await api('DELETE', `/admin/contests/${ID}`);
  await removePeople();
  await browser?.close();
});

async function signedIn(who, options = {}) {
  const page = await open(browser, options);
  await signIn(page, who);
  return page;
}
/** The flag that somebody's own machine shows, read in the browser, which knows where names below localhost lead. */
async function flagOf(who, page) {
  const [instance] = await instancesOf(who);
  const { url } = instance.endpoints.find((one) => one.kind === 'http');
  const tab = await page.context().newPage();
  await tab.goto(new URL('/flag.txt', url).href);
  const flag = (await tab.textContent('body')).trim();
  await tab.close();
  assert.match(flag, /^[A-Z]+\{[^}]+\}$/);
  return flag;
}
const handIn = async (page, flag) => {
  await page.getByLabel('Flag', { exact: true }).fill(flag);
  await page.getByRole('button', { name: 'Hand in' }).click();
};

let annFlag;

test('R5.3 a challenge is opened, its machine started, its flag handed in, and the open board follows', async () => {
  const watcher = await signedIn(bob);
  await watcher.goto(`${URL_BASE}/board/${ID}`);
  await watcher.getByText('Nobody has solved anything yet').waitFor();
  const page = await signedIn(ann);
  await page.goto(`${URL_BASE}/contest`);
  await page.getByRole('heading', { name: 'Spring' }).waitFor();
  assert.equal(await page.locator('.prose strong').textContent(), 'kind');
  await page.locator(`a[href="/contest/${ID}/${TEMPLATE}"]`).click();
  await page.getByRole('button', { name: 'Start a machine' }).click();
  await page.locator('.task-machine .mark').filter({ hasText: 'Running' }).waitFor({ timeout: START_MS });
  await handIn(page, 'FLAG{nothing}');
  await page.getByText('That is not it.').first().waitFor();
  annFlag = await flagOf(ann, page);
  await handIn(page, annFlag);
  await page.locator('.notice.good').filter({ hasText: 'Correct: 100 points, and you are the first to solve it.' }).waitFor();
  await page.getByText('Solved', { exact: true }).first().waitFor();
  await page.screenshot({ path: join(pictures, 'contest-challenge.png'), fullPage: true });
  const line = watcher.locator(`tr[data-owner="${ann.name}"]`);
  await line.waitFor();
  assert.match(await line.textContent(), /100/);
  await watcher.screenshot({ path: join(pictures, 'board-light.png') });
  await page.goto(`${URL_BASE}/contest/${ID}`);
  await page.locator('.task-card.solved').waitFor();
  await page.screenshot({ path: join(pictures, 'contest-light.png') });
  assert.deepEqual([page.faults, watcher.faults], [[], []]);
  await page.context().close();
  await watcher.context().close();
});

test('R5.4 staff see a flag that was passed on with what speaks for it, judge it, and take that back', async () => {
  const page = await signedIn(bob);
  await page.goto(`${URL_BASE}/contest/${ID}/${TEMPLATE}`);
  await handIn(page, annFlag);
  await page.getByText('That is not it.').first().waitFor();
  await page.context().close();
  const desk = await signedIn(staff);
  await desk.goto(`${URL_BASE}/contests`);
  await desk.getByRole('link', { name: 'Spring' }).click();
  const one = desk.locator('.case');
  await one.getByText('had never had a machine').waitFor();
  assert.match(await one.textContent(), new RegExp(`${bob.name}.*handed in a flag of.*${ann.name}`));
  await desk.screenshot({ path: join(pictures, 'contests-cases.png') });
  await one.getByRole('button', { name: 'Disqualify' }).click();
  await one.locator('.mark').filter({ hasText: 'Disqualified' }).waitFor();
  await one.getByRole('button', { name: 'Take the verdict back' }).click();
  await one.locator('.mark').waitFor({ state: 'detached' });
  await desk.getByRole('button', { name: 'Handed in' }).click();
  await desk.locator('tbody tr').filter({ hasText: 'Another’s' }).waitFor();
  assert.deepEqual(desk.faults, []);
  await desk.context().close();
});

test('R5.3 staff change a contest, freeze it, thaw it and tell everybody something', async () => {
  const watcher = await signedIn(bob);
  await watcher.goto(`${URL_BASE}/board/${ID}`);
  await watcher.locator(`tr[data-owner="${ann.name}"]`).waitFor();
  const desk = await signedIn(staff);
  await desk.goto(`${URL_BASE}/contests/${ID}?show=settings`);
  await desk.getByLabel('Title').fill('Spring, changed');
  await desk.getByRole('button', { name: 'Save' }).click();
  await watcher.reload();
  await watcher.getByRole('heading', { name: 'Spring, changed' }).waitFor();
  assert.equal((await contest({ freeze_at: new Date().toISOString() })).status, 200);
  await watcher.locator('.mark').filter({ hasText: 'Frozen' }).waitFor();
  await desk.reload();
  await desk.getByRole('button', { name: 'Thaw' }).click();
  await desk.getByRole('button', { name: 'Show everything now?' }).click();
  await watcher.locator('.mark').filter({ hasText: 'Frozen' }).waitFor({ state: 'detached' });
  await desk.getByRole('button', { name: 'Handed in' }).click();
  await desk.getByLabel('Tell everybody').fill('Lunch is at noon.');
  await desk.getByRole('button', { name: 'Announce' }).click();
  await watcher.locator('.notice').filter({ hasText: 'Lunch is at noon.' }).waitFor();
  assert.deepEqual([desk.faults, watcher.faults], [[], []]);
  await desk.context().close();
  await watcher.context().close();
});

for (const scheme of ['light', 'dark']) {
  test(`R11.1 the pages of a contest hold AA in ${scheme} and fit a phone`, async () => {
    const page = await signedIn(ann, { colorScheme: scheme, viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, reducedMotion: 'reduce' });
    for (const [name, path, seen] of [['contest', `/contest/${ID}`, '.task-card'], ['task', `/contest/${ID}/${TEMPLATE}`, '.task-form'], ['board', `/board/${ID}`, 'tbody tr']]) {
      await page.goto(`${URL_BASE}${path}`);
      await page.locator(seen).first().waitFor();
      await page.screenshot({ path: join(pictures, `${name}-phone-${scheme}.png`), fullPage: true });
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390, `${name} is wider than a phone`);
      const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']).analyze();
      assert.deepEqual(found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target).join(' ')}`), [], name);
    }
    await page.context().close();
  });
}
