// The operator's page of the gateway: routes, traffic, and a capture from its beginning to its removal.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { api, card, instancesOf, launch, open, person, pictures, removePeople, row, signIn, START_MS, until, URL_BASE } from './support.mjs';

let browser, page, instance;

before(async () => {
  browser = await launch();
  const who = await person('operator');
  page = await open(browser, { acceptDownloads: true });
  await signIn(page, who);
  await row(page).getByRole('button', { name: /^Start / }).click();
  await card(page, 'running').waitFor({ timeout: START_MS });
  [instance] = await instancesOf(who);
  await page.goto(`${URL_BASE}/gateway`);
});

after(async () => {
  await removePeople();
  await browser?.close();
});

/** A player comes by, through the gateway. */
async function visit() {
  const url = new URL(instance.endpoints.find((one) => one.url).url);
  const answer = await page.context().request.get(`http://127.0.0.1:${url.port}/`, { headers: { host: url.host } });
  assert.equal(answer.status(), 200);
}

const mine = () => page.locator('tbody tr').filter({ has: page.locator(`[title^="${instance.id}:"]`) });
const captures = () => page.getByRole('region', { name: 'Captures' }).locator('tbody tr').filter({ has: page.locator(`[title="${instance.id}"]`) });

test('R2.1 every route is there with its traffic, and plots of all and of one', async () => {
  await mine().waitFor();
  await visit();
  await until('its connections to be counted', async () => Number(await mine().locator('td').nth(5).innerText()) >= 1, START_MS);
  for (const name of [/^Bytes each second/, /^Connections/]) await page.getByRole('img', { name }).waitFor({ timeout: START_MS });
  await mine().getByRole('button', { pressed: false }).first().click();
  await page.getByText(/the last ten minutes/).first().waitFor();
  assert.match(page.url(), new RegExp(`instance=${instance.id}`));
  await until('its own traffic to be plotted', async () => { await visit(); return await page.getByRole('img', { name: /^Bytes each second/ }).count(); }, START_MS);
  await page.getByRole('button', { name: 'Plot all machines again' }).click();
});

test('R2.7 a capture is started, taken out, ended and removed on the page', async () => {
  await mine().getByRole('button', { name: /^Capture packets of/ }).click();
  await page.getByLabel('Only what fits').fill('tcp prot 80');
  await page.getByRole('button', { name: 'Capture', exact: true }).last().click();
  await page.getByText(/The filter is refused/).waitFor();
  await page.getByLabel('Only what fits').fill('tcp');
  await page.getByRole('button', { name: 'Capture', exact: true }).last().click();
  await captures().waitFor();
  await until('packets to be captured', async () => { await visit(); return Number(await captures().locator('td').nth(4).innerText()) > 0; }, START_MS);
  for (const [scheme, width] of [['light', 1280], ['dark', 1280], ['dark', 390]]) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: 860 });
    await page.screenshot({ path: join(pictures, `gateway-${scheme}-${width}.png`), fullPage: true });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= width, `as wide as the window of ${width} px`);
    const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
    assert.deepEqual(violations.map((one) => `${one.id} ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`)}`), []);
  }
  await page.setViewportSize({ width: 1280, height: 860 });
  const [download] = await Promise.all([page.waitForEvent('download'), captures().getByRole('link', { name: /^Download/ }).click()]);
  assert.equal(readFileSync(await download.path()).subarray(0, 4).toString('hex'), '0a0d0d0a');
  await captures().getByRole('button', { name: /^Stop/ }).click();
  await captures().getByText('Ended').waitFor();
  await captures().getByRole('button', { name: 'Remove' }).click();
  await captures().getByRole('button', { name: 'Remove what is kept?' }).click();
  await until('the capture to be gone', async () => (await captures().count()) === 0);
  const { body } = await api('GET', `/admin/captures?instance=${instance.id}`);
  assert.deepEqual(body.items, []);
  assert.deepEqual(page.faults, []);
});
