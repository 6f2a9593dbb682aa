// The snapshots of a machine in the page: taking one, going back to it, its files, and on a phone.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { api, card, launch, open, personWithMachine, pictures, removePeople, START_MS, until, URL_BASE } from './support.mjs';

let browser, signedIn, instance;

before(async () => {
  browser = await launch();
  ({ signedIn, instance } = await personWithMachine(browser));
});
after(async () => {
  await removePeople();
  await browser?.close();
});

const kept = async () => (await api('GET', `/instances/${instance.id}/snapshots`)).body.items;

test('R1.15 a snapshot is taken, gone back to, downloaded and removed from the page', async () => {
  const page = await open(browser, { storageState: signedIn });
  await page.goto(`${URL_BASE}/`);
  await card(page, 'running').getByRole('button', { name: /^Details of/ }).click();
  await card(page, 'running').getByRole('link', { name: /^Keep its files/ }).click();
  await page.getByRole('heading', { name: /^Snapshots of / }).waitFor();
  await page.getByLabel('Name', { exact: true }).fill('before the change');
  await page.keyboard.press('Enter');
  const line = page.locator('tbody tr').filter({ hasText: 'before the change' });
  await line.waitFor({ timeout: START_MS });
  assert.equal((await kept()).length, 1);
  await page.screenshot({ path: join(pictures, 'snapshots-light.png') });
  const coming = page.waitForEvent('download');
  await line.getByRole('link', { name: /^Download the files of / }).click();
  const archive = await readFile(await (await coming).path());
  assert.equal(archive.subarray(257, 262).toString(), 'ustar');
  await line.getByRole('button', { name: 'Roll back' }).click();
  await line.getByRole('button', { name: 'Lose what is there now?' }).click();
  await page.locator('.toasts li').filter({ hasText: 'begins anew' }).waitFor({ timeout: START_MS });
  await until('the machine to begin anew and run', async () => {
    const now = (await api('GET', `/instances/${instance.id}`)).body;
    return now.state === 'running' && now.timings_ms.machines !== undefined;
  });
  await line.getByRole('button', { name: 'Remove' }).click();
  await line.getByRole('button', { name: 'Remove it?' }).click();
  await line.waitFor({ state: 'detached', timeout: START_MS });
  assert.equal((await kept()).length, 0);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

for (const scheme of ['light', 'dark']) {
  test(`R11.1 the page of snapshots holds AA in ${scheme} and fits a phone`, async () => {
    const page = await open(browser, { storageState: signedIn, colorScheme: scheme, viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, reducedMotion: 'reduce' });
    await page.goto(`${URL_BASE}/snapshots/${instance.id}`);
    await page.getByRole('button', { name: 'Take one now' }).click();
    await page.locator('tbody tr').first().waitFor({ timeout: START_MS });
    await page.screenshot({ path: join(pictures, `snapshots-phone-${scheme}.png`), fullPage: true });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390);
    const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
    assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.failureSummary).join(' | ')}`), []);
    await page.context().close();
  });
}
