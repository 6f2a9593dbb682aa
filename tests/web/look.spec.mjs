import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { card, launch, open, person, pictures, removePeople, row, signIn, START_MS, until, URL_BASE } from './support.mjs';

let browser;
let signedIn;

before(async () => {
  browser = await launch();
  const page = await open(browser);
  await signIn(page, await person('operator'));
  await row(page).getByRole('button', { name: /^Start / }).click();
  await card(page, 'running').waitFor({ timeout: START_MS });
  signedIn = await page.context().storageState();
  await page.context().close();
  console.log(`# pictures are in ${pictures}`);
});
after(async () => {
  await removePeople();
  await browser?.close();
});

const VIEWS = [['machines', '/', '.card[data-state=running]'], ['all', '/all', 'tbody tr'], ['usage', '/usage', 'h1'], ['account', '/account', '.line-form'],
  ['people', '/people', 'tbody tr'], ['events', '/events', 'tbody tr'], ['limits', '/limits', 'tbody tr'], ['features', '/features', 'h1'], ['certificates', '/certificates', 'h1']];

test('R11.1 a stylesheet that did not come is asked for once more', async () => {
  const page = await open(browser);
  let asked = 0;
  await page.route(/\/app\.css/, (route) => (asked++ === 0 ? route.abort() : route.continue()));
  await page.goto(`${URL_BASE}/signin`);
  await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
  await until('the page to have its style', () => page.evaluate(() => [...document.styleSheets].some((sheet) => sheet.href?.includes('/app.css'))));
  assert.equal(asked, 2);
  await page.context().close();
});

for (const scheme of ['light', 'dark']) {
  test(`R11.1 contrast and roles hold AA in ${scheme}`, async () => {
    const page = await open(browser, { colorScheme: scheme, storageState: signedIn, reducedMotion: 'reduce' });
    const check = async (name) => {
      await page.screenshot({ path: join(pictures, `${name}-${scheme}.png`), fullPage: true });
      const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
      const found = violations.map((one) => `${name}: ${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join(' | ')}`);
      assert.deepEqual(found, []);
    };
    for (const [name, path, ready] of VIEWS) {
      await page.goto(`${URL_BASE}${path}`);
      await page.locator(ready).first().waitFor();
      await check(name);
    }
    await page.goto(`${URL_BASE}/`);
    await card(page, 'running').waitFor();
    // A slow machine may look longer than a stop can be undone; the machine must survive it for the tests after this one.
    await page.route((url) => /\/instances\/[^/]+$/.test(url.pathname), (route) => (route.request().method() === 'DELETE' ? route.abort() : route.fallback()));
    await card(page).getByRole('button', { name: /^Details of/ }).click();
    await page.keyboard.press('s');
    await page.locator('.toasts li').waitFor();
    await check('stopping');
    await page.keyboard.press('u');
    await page.keyboard.press('?');
    await page.getByRole('dialog').waitFor();
    await check('keys');
    assert.deepEqual(page.faults, []);
    await page.context().close();

    const out = await open(browser, { colorScheme: scheme });
    await out.goto(`${URL_BASE}/signin`);
    await out.getByRole('heading', { level: 1 }).waitFor();
    await out.screenshot({ path: join(pictures, `signin-${scheme}.png`) });
    const { violations } = await new AxeBuilder({ page: out }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa']).analyze();
    assert.deepEqual(violations.map((one) => `${one.id} ${one.nodes.map((node) => node.target)}`), []);
    await out.context().close();
  });
}

test('R11.1 nothing scrolls sideways at 320 px, and fingers hit what they mean', async () => {
  const page = await open(browser, { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2, storageState: signedIn });
  for (const [name, path, ready] of VIEWS) {
    await page.goto(`${URL_BASE}${path}`);
    await page.locator(ready).first().waitFor();
    await page.screenshot({ path: join(pictures, `${name}-phone.png`), fullPage: true });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 320, `${path} is ${width} px wide`);
  }
  await page.goto(`${URL_BASE}/`);
  await card(page, 'running').waitFor();
  const small = await page.evaluate(() => [...document.querySelectorAll('.card button, .card a.button, .row button, .row a.button')]
    .map((each) => ({ text: each.textContent || each.getAttribute('aria-label'), height: each.getBoundingClientRect().height }))
    .filter((each) => each.height < 40));
  assert.deepEqual(small, []);
  await page.context().close();
});

test('R11.1 the page fills a projector and fits a small window', async () => {
  for (const [width, height] of [[3840, 2160], [1920, 1080], [700, 500]]) {
    const page = await open(browser, { viewport: { width, height }, storageState: signedIn });
    await page.goto(`${URL_BASE}/`);
    await card(page, 'running').waitFor();
    await page.screenshot({ path: join(pictures, `machines-${width}.png`) });
    const size = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, font: parseFloat(getComputedStyle(document.body).fontSize) }));
    assert.ok(size.wide <= width);
    assert.ok(size.font >= (width >= 2800 ? 20 : width >= 1900 ? 16 : 14));
    await page.context().close();
  }
});
