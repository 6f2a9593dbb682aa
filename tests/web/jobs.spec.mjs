// The board of jobs over a server of the test's own: its real kinds, paused and resumed.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { ownServer } from './server.mjs';
import { launch, open, pictures, until } from './support.mjs';

let browser, server, page;

/** Jobs that no page can make: three for tomorrow and a dead letter, of a kind that the server runs. */
const JOBS = `
import sqlite3, sys, time
now = int(time.time() * 1e6)
with sqlite3.connect(sys.argv[1]) as database:
    for id, due, state, error in ((101, now + 86400 * 10**6, 0, ''), (102, now + 86400 * 10**6, 0, ''), (103, now - 10**6, 1, 'It did not work.')):
        database.execute("INSERT INTO jobs (id, kind, due, priority, payload, made_at, state, attempt, error) VALUES (?, 'jobs', ?, 0, 'prune', ?, ?, ?, ?)",
                         (id, due, now, state, 10 * state, error))
`;

before(async () => {
  server = await ownServer('[auth]\nstrategies = ["local"]\n[rates]\nfactor = 1000\n');
  const made = await fetch(`${server.site}/api/v1/admin/users`, {
    method: 'POST', headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'chief', role: 'operator', password: 'a-long-enough-password' }),
  });
  assert.equal(made.status, 201);
  await server.kill();
  execFileSync('/usr/bin/python3', ['-c', JOBS, join(server.folder, 'data', 'tiltyard.db')]);
  await server.start();
  browser = await launch();
  page = await open(browser);
  await page.goto(`${server.site}/signin`);
  await page.getByLabel('Name').fill('chief');
  await page.getByLabel('Password').fill('a-long-enough-password');
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'Jobs' }).click();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const kinds = async () => (await (await fetch(`${server.site}/api/v1/admin/jobs/kinds`, { headers: { authorization: `Bearer ${server.token}` } })).json()).items;

test('R8.4 the board shows every kind with its depth, rate and lateness, and plots', async () => {
  const rows = page.locator('table').first().locator('tbody tr');
  await rows.first().waitFor();
  const declared = await kinds();
  assert.ok(declared.length > 0);
  await until('a row for each kind', async () => (await rows.count()) === declared.length);
  for (const kind of declared) await page.locator('table').first().getByRole('button', { name: kind.name, exact: true }).waitFor();
  for (const name of [/^Lateness/, /^Firings each minute/]) await page.getByRole('img', { name }).waitFor();
  await page.screenshot({ path: join(pictures, 'jobs.png'), fullPage: true });
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
  assert.deepEqual(violations.map((one) => `${one.id} ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`)}`), []);
  assert.deepEqual(page.faults, []);
});

/** Keeps where on which canvas words are written, as [text, left edge, right edge, width of the canvas]. */
function watchWriting() {
  window.written = [];
  const write = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function fillText(text, x, y, ...rest) {
    const width = this.measureText(text).width;
    const at = this.getTransform().transformPoint({ x, y }).x;
    const left = at - width * { center: 0.5, right: 1, end: 1 }[this.textAlign];
    window.written.push([text, left, left + width, this.canvas.width]);
    return write.call(this, text, x, y, ...rest);
  };
}

for (const minutes of [60, 8]) {
  test(`R8.4 no label of a plot over ${minutes} minutes is cut at its edge`, async () => {
    for (const size of [{ width: 1280, height: 860 }, { width: 1920, height: 1080 }, { width: 390, height: 800 }]) {
      const other = await open(browser, { storageState: await page.context().storageState(), viewport: size });
      await other.addInitScript(watchWriting);
      // The last label is wanted at the very end of the axis, where it is in half of the minutes.
      const end = Date.parse('2026-01-31T12:00:00.000Z');
      const items = Array.from({ length: minutes + 1 }, (_, index) => ({
        at: new Date(end - (minutes - index) * 60_000).toISOString(), started: 5, done: 5, errors: 0, p50_ms: 1.2, p99_ms: 4.1, max_ms: 9,
      }));
      await other.route('**/admin/jobs/minutes*', (route) => route.fulfill({ json: { items, next: null } }));
      await other.goto(`${server.site}/jobs`);
      const clock = /^\d\d:\d\d(:\d\d)?$/;
      const labels = await until('a label at the end', async () => {
        const all = await other.evaluate(() => window.written);
        return all.some(([text, left, right, width]) => clock.test(text) && right > width * 0.9) && all;
      });
      assert.deepEqual(labels.filter(([, left, right, width]) => left < 0 || right > width), []);
      assert.deepEqual(other.faults, []);
      await other.context().close();
    }
  });
}

const asked = async (path) => fetch(`${server.site}/api/v1/admin/${path}`, { headers: { authorization: `Bearer ${server.token}` } });
const job = async (id) => (await asked(`jobs/${id}`)).json();
const rowOf = (id) => page.locator(`[data-job="${id}"]`);

test('R8.4 a dead letter is shown with its error and tried again, and is done', async () => {
  await page.getByRole('group', { name: 'State' }).getByRole('button', { name: 'Failed' }).click();
  await rowOf(103).getByText('It did not work.').waitFor();
  await rowOf(103).getByRole('button', { name: /^Try again/ }).click();
  await until('it to be done', async () => (await job(103)).state === 'done');
  await rowOf(103).waitFor({ state: 'detached' });
  assert.deepEqual(page.faults, []);
});

test('R8.4 a job that waits for tomorrow runs now', async () => {
  await page.getByRole('group', { name: 'State' }).getByRole('button', { name: 'Waiting' }).click();
  await rowOf(102).waitFor();
  await rowOf(101).getByRole('button', { name: /^Run now/ }).click();
  await until('it to be done', async () => (await job(101)).state === 'done');
  await rowOf(101).waitFor({ state: 'detached' });
  assert.equal(await rowOf(102).count(), 1);
  assert.deepEqual(page.faults, []);
});

test('R8.4 a job is cancelled', async () => {
  await rowOf(102).getByRole('button', { name: /^Cancel/ }).click();
  await until('it to be gone', async () => (await asked('jobs/102')).status === 404, 30_000);
  await rowOf(102).waitFor({ state: 'detached' });
  assert.deepEqual(page.faults, []);
});

test('R8.4 what staff did on the board is in the event log', async () => {
  const { items } = await (await asked('events?kind=jobs.*')).json();
  assert.deepEqual(items.map((one) => [one.kind, one.subject, one.actor]), [
    ['jobs.cancelled', '102', 'chief'], ['jobs.hurried', '101', 'chief'], ['jobs.retried', '103', 'chief'],
  ]);
});

test('R9.3 the board hears of changes from its room and does not ask', async () => {
  const questions = [];
  page.on('request', (request) => { if (request.url().endsWith('/admin/jobs/kinds')) questions.push(request.method()); });
  const [{ name }] = await kinds();
  const pause = (verb) => fetch(`${server.site}/api/v1/admin/jobs/kinds/${name}/${verb}`, { method: 'POST', headers: { authorization: `Bearer ${server.token}` } });
  const begun = Date.now();
  for (let turn = 0; turn < 4; turn += 1) {
    await pause('pause');
    await page.locator('.mark', { hasText: /^Paused by/ }).waitFor();
    await pause('resume');
    await page.locator('.mark', { hasText: /^Paused by/ }).waitFor({ state: 'detached' });
  }
  // By the clock it would have asked every second; where news comes by itself, every fifteen.
  assert.ok(questions.length <= 1 + (Date.now() - begun) / 10_000, `${questions.length} questions`);
  page.removeAllListeners('request');
});

test('R8.4 a kind is paused and goes on again, and the board says who paused it', async () => {
  const [{ name }] = await kinds();
  await page.getByRole('button', { name: `Pause ${name}` }).click();
  await page.locator('.mark', { hasText: /^Paused by chief/ }).waitFor();
  assert.equal((await kinds()).find((kind) => kind.name === name).paused, true);
  await page.getByRole('button', { name: `Resume ${name}` }).click();
  await until('it to go on', async () => !(await kinds()).find((kind) => kind.name === name).paused);
  assert.deepEqual(page.faults, []);
});
