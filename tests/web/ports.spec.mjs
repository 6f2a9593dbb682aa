// The ports of a machine in the page: which listen, opening one and closing it, by keyboard and on a phone.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { api, card, launch, open, personWithMachine, pictures, removePeople, until, URL_BASE } from './support.mjs';

let browser, signedIn, instance;

before(async () => {
  browser = await launch();
  ({ signedIn, instance } = await personWithMachine(browser));
});
after(async () => {
  await removePeople();
  await browser?.close();
});

const opened = async () => (await api('GET', `/instances/${instance.id}/ports`)).body.open.filter((one) => one.opened);

test('R2.8 a port is opened and closed from the page by keyboard, and is there for the server too', async () => {
  const page = await open(browser, { storageState: signedIn });
  await page.goto(`${URL_BASE}/`);
  await card(page, 'running').getByRole('button', { name: /^Ports of / }).click();
  await page.getByRole('heading', { name: /^Ports of / }).waitFor();
  await page.locator('tbody tr').first().waitFor();
  const number = page.getByLabel('Port of the machine');
  await number.focus();
  await page.keyboard.type('9009');
  await page.keyboard.press('Enter');
  const line = page.locator('tbody tr').filter({ hasText: '9009/tcp' });
  await line.waitFor();
  assert.match(await line.innerText(), /Open, silent/);
  assert.equal((await opened()).length, 1);
  await page.screenshot({ path: join(pictures, 'ports-light.png') });
  await line.getByRole('button', { name: /^Close / }).focus();
  await page.keyboard.press('Enter');
  await line.waitFor({ state: 'detached' });
  assert.equal((await opened()).length, 0);
  await page.getByRole('button', { name: 'A free one' }).click();
  await until('a free port in the form', async () => Number(await number.inputValue()) >= 10000);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

for (const scheme of ['light', 'dark']) {
  test(`R11.1 the page of ports holds AA in ${scheme} and fits a phone`, async () => {
    const page = await open(browser, { storageState: signedIn, colorScheme: scheme, viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, reducedMotion: 'reduce' });
    await page.goto(`${URL_BASE}/ports/${instance.id}`);
    await page.locator('tbody tr').first().waitFor();
    await page.screenshot({ path: join(pictures, `ports-phone-${scheme}.png`), fullPage: true });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390);
    const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
    assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join(' | ')}`), []);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
}
