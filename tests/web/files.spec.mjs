// The files of a machine in the page: sent, seen, fetched and taken away; a drop, and a break of the network.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { launch, open, personWithMachine, pictures, removePeople, row, START_MS, URL_BASE } from './support.mjs';

let browser, signedIn, instance;

before(async () => {
  browser = await launch();
  ({ signedIn, instance } = await personWithMachine(browser));
});
after(async () => {
  await removePeople();
  await browser?.close();
});

const at = async (path, options = {}) => {
  const page = await open(browser, { storageState: signedIn, ...options });
  await page.goto(`${URL_BASE}/files/${instance.id}?path=${path}`);
  return page;
};
const named = (page, name) => page.getByRole('row', { name });

test('R3.6 files are sent into a machine, seen, fetched and taken away', async () => {
  const page = await at('/www');
  await named(page, 'flag.txt').waitFor({ timeout: START_MS });
  assert.match(await named(page, 'flag.txt').innerText(), /r--/);
  await page.goto(`${URL_BASE}/files/${instance.id}?path=/dev/shm`);
  await page.getByText('Nothing is in this folder').waitFor({ timeout: START_MS });
  await page.getByLabel('Files to send').setInputFiles([
    { name: 'näme.txt', mimeType: 'text/plain', buffer: Buffer.from('from the page') },
    { name: 'large.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(5 * 1024 * 1024, 7) },
  ]);
  await named(page, 'large.bin').waitFor({ timeout: START_MS });
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByLabel('Fetch näme.txt').click()]);
  assert.equal(download.suggestedFilename(), 'näme.txt');
  assert.equal(readFileSync(await download.path(), 'utf8'), 'from the page');
  await page.screenshot({ path: join(pictures, 'files-light.png') });
  await named(page, 'large.bin').getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('button', { name: 'Remove large.bin' }).click();
  await named(page, 'large.bin').waitFor({ state: 'detached', timeout: START_MS });
  await page.getByRole('textbox', { name: 'New folder' }).fill('made');
  await page.getByRole('button', { name: 'Make' }).click();
  await page.getByRole('button', { name: 'made/' }).click();
  await page.getByText('Nothing is in this folder').waitFor({ timeout: START_MS });
  assert.deepEqual(page.faults, [], 'and the content security policy holds');
  await page.context().close();
});

test('R3.6 what is dropped is sent, and goes on after the network was away', async () => {
  const page = await at('/dev/shm');
  await named(page, 'näme.txt').waitFor({ timeout: START_MS });
  let cut = 0;
  await page.route('**/files/content?**offset=2097152**', (route) => (cut++ === 0 ? route.abort('connectionfailed') : route.continue()));
  const data = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(5 * 1024 * 1024).fill(9)], 'dropped.bin'));
    return transfer;
  });
  await page.locator('.files-page').dispatchEvent('drop', { dataTransfer: data });
  await named(page, 'dropped.bin').waitFor({ timeout: START_MS });
  assert.equal(cut, 2, 'the piece that was cut was sent again, and no other was');
  const sent = await page.evaluate(async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer()).filter((byte) => byte === 9).length,
    `/api/v1/instances/${instance.id}/files/content?path=/dev/shm/dropped.bin`);
  assert.equal(sent, 5 * 1024 * 1024);
  await page.context().close();
});

for (const scheme of ['light', 'dark']) {
  test(`R11.1 the page of files holds AA in ${scheme} and fits a phone`, async () => {
    const page = await at('/dev/shm', { colorScheme: scheme, viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, reducedMotion: 'reduce' });
    await named(page, 'näme.txt').waitFor({ timeout: START_MS });
    await page.screenshot({ path: join(pictures, `files-phone-${scheme}.png`), fullPage: true });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390);
    const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
    assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join(' | ')}`), []);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
}
