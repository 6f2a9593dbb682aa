// What is switched off for somebody is not on their page. Over a server of the test's own, because a switch is for all.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ownServer } from './server.mjs';
import { launch, open } from './support.mjs';

const PASSWORD = 'a-long-enough-password';
let browser, server;

const api = (method, path, body) => fetch(`${server.site}/api/v1${path}`, {
  method, headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
});

before(async () => {
  server = await ownServer('[auth]\nstrategies = ["local"]\n[rates]\nfactor = 1000\n');
  browser = await launch();
  for (const [name, role] of [['chief', 'admin'], ['deputy', 'operator']]) assert.equal((await api('POST', '/admin/users', { name, role, password: PASSWORD })).status, 201);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function signedIn(name) {
  const page = await open(browser);
  await page.goto(`${server.site}/signin`);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Catalogue' }).waitFor();
  return page;
}

const links = (page) => page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allInnerTexts();

test('R7.7 a page whose switch is off for somebody is not there for them, and for others it is', async () => {
  const page = await signedIn('chief');
  await page.getByRole('link', { name: 'Jobs' }).waitFor();
  await page.getByRole('link', { name: 'Features' }).click();
  await page.getByRole('heading', { name: 'Features', level: 1 }).waitFor();
  // For admins only, from the page itself.
  if (await page.getByRole('button', { name: 'Change board' }).count()) await page.getByRole('button', { name: 'Change board' }).click();
  else await page.getByRole('button', { name: 'New feature' }).click();
  const form = page.getByRole('form');
  if (await form.getByLabel('Name').count()) await form.getByLabel('Name').fill('board');
  await form.getByLabel('Share in %').fill('0');
  await form.getByLabel('Role and above').selectOption('admin');
  await form.getByRole('button', { name: /^(Make it|Set)$/ }).click();
  await page.locator('.toasts li', { hasText: 'board is on for admins' }).waitFor();
  await page.reload();
  await page.getByRole('link', { name: 'Jobs' }).waitFor();

  const other = await signedIn('deputy');
  await other.getByRole('link', { name: 'Events' }).waitFor();
  assert.deepEqual((await links(other)).filter((word) => /Jobs/.test(word)), []);
  await other.keyboard.press('g');
  await other.keyboard.press('j');
  assert.equal(new URL(other.url()).pathname, '/');
  await other.goto(`${server.site}/jobs`);
  await other.getByText('There is no such page').waitFor();

  assert.ok((await api('PUT', '/admin/features/board', { enabled: true, percent: 100 })).ok);
  await other.reload();
  await other.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor();
  for (const each of [page, other]) {
    assert.deepEqual(each.faults, []);
    await each.context().close();
  }
});

test('R7.7 whose machines are switched off begins with the next page, and nothing looks broken', async () => {
  assert.ok((await api('PUT', '/admin/features/labs', { enabled: false })).ok);
  const page = await open(browser);
  await page.goto(`${server.site}/signin`);
  await page.getByLabel('Name').fill('deputy');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Practice', level: 1 }).waitFor();
  assert.deepEqual((await links(page)).filter((word) => /achines|Usage/.test(word)), []);
  await page.locator('.link.live, .link.late').waitFor();
  assert.equal(await page.locator('.banner').count(), 0);
  assert.ok((await api('PUT', '/admin/features/labs', { enabled: true, percent: 100 })).ok);
  await page.reload();
  await page.getByRole('heading', { name: 'Catalogue' }).waitFor();
  assert.deepEqual(page.faults, []);
  await page.context().close();
});
