import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { api, card, launch, open, person, pictures, removePeople, signIn, TEMPLATE, until, URL_BASE } from './support.mjs';

let browser;
let who;
let signedIn;

before(async () => {
  browser = await launch();
  who = await person();
  const page = await open(browser);
  await signIn(page, who);
  signedIn = await page.context().storageState();
  await page.context().close();
});
after(async () => {
  await removePeople();
  await browser?.close();
});

/** A page whose list of machines is ours: a start that waits, as far as `line` says. Without events the page asks. */
async function waiting(line, options = {}) {
  const page = await open(browser, { storageState: signedIn, ...options });
  const { body: template } = await api('GET', `/templates/${TEMPLATE}`);
  const created = Date.now() - 6000;
  await page.route('**/socket.io/**', (route) => route.abort());
  await page.routeWebSocket('**/socket.io/**', (socket) => socket.close());
  await page.route((url) => url.pathname === '/api/v1/instances', (route) => {
    if (line.silent) return undefined;
    const instance = {
      id: `${TEMPLATE}-waits-0000`, template: TEMPLATE, template_name: template.name, owner: { id: who.id, name: who.name, team: null },
      state: line.state ?? 'queued', reason: null, created_at: new Date(created).toISOString(), started_at: null, ended_at: null, expires_at: null,
      extendable_at: null, extend_s: 600, queue: line.state ? null : { position: line.position, eta_ms: line.end - Date.now() },
      progress: line.state ? { step: 'machines', done: 2, total: 6, elapsed_ms: 100, expected_ms: 900 } : null,
      endpoints: [], machines: [], credentials: null, timings_ms: { queue_estimate: 30_000 },
    };
    return route.fulfill({ status: 200, contentType: 'application/json', body: JSON.stringify({ items: [instance], next: null }) });
  });
  await page.goto('/');
  await card(page, 'queued').waitFor();
  return page;
}

const bar = (page) => card(page).getByRole('progressbar');
const share = async (page) => Number(await bar(page).getAttribute('aria-valuenow'));

test('R1.7 who waits sees the place and a bar that moves, and the estimate counts down without news', async () => {
  const line = { position: 3, end: Date.now() + 18_000 };
  const page = await waiting(line, { baseURL: URL_BASE });
  await card(page).getByText('3rd in line').waitFor();
  await card(page).getByText('2 ahead of you').waitFor();
  const words = async () => Number((await card(page).locator('.progress-time').innerText()).match(/about (\d+) s/)?.[1]);
  line.silent = true;
  const first = await words();
  assert.ok(first >= 10 && first <= 18, `says ${first} s`);
  const begun = await share(page);
  await until('the estimate to count down by itself', async () => (await words()) <= first - 3);
  assert.ok((await share(page)) > begun, 'the bar moves');
  assert.match(await bar(page).getAttribute('aria-valuetext'), /^3rd in line, about \d+ s$/);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('R1.7 moving up shows by itself, the bar never runs back, and a late estimate says so', async () => {
  const line = { position: 2, end: Date.now() + 8_000 };
  const page = await waiting(line, { baseURL: URL_BASE });
  await card(page).getByText('1 ahead of you').waitFor();
  const before = await share(page);
  line.position = 1;
  line.end = Date.now() + 60_000;  // it takes longer than was thought
  await card(page).getByText('Next in line').waitFor();
  assert.ok((await share(page)) >= before);
  assert.equal(await card(page).getByText('ahead of you').count(), 0);
  line.end = Date.now() - 100;
  await card(page).getByText('any moment now').waitFor();
  line.state = 'starting';
  await card(page, 'starting').waitFor();
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

for (const scheme of ['light', 'dark']) {
  test(`R1.7 the queue holds AA in ${scheme}, wide and narrow`, async () => {
    for (const [name, width] of [['wide', 1280], ['narrow', 360], ['least', 320]]) {
      const line = { position: 23, end: Date.now() + 95_000 };
      const page = await waiting(line, {
        baseURL: URL_BASE, colorScheme: scheme, reducedMotion: 'reduce', viewport: { width, height: 740 },
      });
      await card(page).getByText('23rd in line').waitFor();
      await page.screenshot({ path: join(pictures, `queue-${name}-${scheme}.png`), fullPage: true });
      const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
      assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join(' | ')}`), []);
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, `wider than ${width} px`);
      await page.context().close();
    }
  });
}
