// The page of a capability that stands in a folder of its own (tests/house/greetings), in a server and a bundle that have it.
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { BINARY, ownServer } from './server.mjs';
import { launch, open } from './support.mjs';

const PASSWORD = 'a-long-enough-password';
let browser, server;

const api = async (method, path, body) => {
  const response = await fetch(`${server.site}/api/v1${path}`, {
    method, headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
  });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
};

before(async () => {
  const binary = join(dirname(BINARY), 'tests', 'house', 'tiltyard_greeting');
  server = await ownServer('[auth]\nstrategies = ["local"]\n[rates]\nfactor = 1000\n', {}, binary);
  browser = await launch();
  await api('POST', '/admin/users', { name: 'guest', role: 'player', password: PASSWORD });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('R11.1 a capability of one folder has a page: its link, its view, its style, its keys and its room', async () => {
  const page = await open(browser);
  await page.goto(`${server.site}/signin`);
  await page.getByLabel('Name').fill('guest');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'Greetings' }).click();
  await page.getByRole('heading', { name: 'Greetings' }).waitFor();
  await page.getByText('Nobody has said anything').waitFor();
  await api('POST', '/greetings', { text: 'hello' });
  const cell = page.getByText('hello', { exact: true });
  await cell.waitFor();
  assert.equal(await cell.evaluate((node) => getComputedStyle(node).fontStyle), 'italic');
  await page.keyboard.press('?');
  await page.getByText('Go to the greetings').waitFor();
});

test('R7.7 switched off, it is not there', async () => {
  await api('PUT', '/admin/features/greetings', { enabled: false });
  const page = await open(browser);
  await page.goto(`${server.site}/signin`);
  await page.getByLabel('Name').fill('guest');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Catalogue' }).waitFor();
  assert.ok(!(await page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allInnerTexts()).includes('Greetings'));
});
