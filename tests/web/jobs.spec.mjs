// The board of jobs over a server of the test's own: its real kinds, paused and resumed.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { ownServer } from './server.mjs';
import { launch, open, pictures, until } from './support.mjs';

let browser, server, page;

before(async () => {
  server = await ownServer('[auth]\nstrategies = ["local"]\n[rates]\nfactor = 1000\n');
  const made = await fetch(`${server.site}/api/v1/admin/users`, {
    method: 'POST', headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'chief', role: 'operator', password: 'a-long-enough-password' }),
  });
  assert.equal(made.status, 201);
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
  for (const kind of declared) await page.getByRole('button', { name: kind.name, exact: true }).waitFor();
  for (const name of [/^Lateness/, /^Firings each minute/]) await page.getByRole('img', { name }).waitFor();
  await page.screenshot({ path: join(pictures, 'jobs.png'), fullPage: true });
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
  assert.deepEqual(violations.map((one) => `${one.id} ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`)}`), []);
  assert.deepEqual(page.faults, []);
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
