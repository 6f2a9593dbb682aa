import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { api, launch, open, person, removePeople, signIn, URL_BASE } from './support.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => {
  await removePeople();
  await browser?.close();
});

test('R7.1 a one-time link works once, and offers to set a password', async () => {
  const who = await person('player', null);
  assert.match(who.link ?? '', /\/signin#.+/, 'a user without a password comes with a link');
  const page = await open(browser);
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  const path = new URL(who.link);
  await page.goto(`${URL_BASE}${path.pathname}${path.hash}`);
  await page.getByRole('heading', { name: 'Set a password to come back' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/');
  assert.equal(new URL(page.url()).hash, '');
  assert.ok(asked.every((url) => !url.includes(path.hash.slice(1))), 'the token is in no address that the server sees');

  await page.getByLabel(/^New password/).fill('chosen-by-myself');
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.getByRole('heading', { name: 'Set a password to come back' }).waitFor({ state: 'detached' });

  const second = await open(browser);
  await second.goto(`${URL_BASE}${path.pathname}${path.hash}`);
  await second.getByRole('alert').getByText('used up').waitFor();
  assert.equal(new URL(second.url()).pathname, '/signin');
  await signIn(second, { name: who.name, password: 'chosen-by-myself' });
  assert.deepEqual(page.faults.concat(second.faults), []);
  await page.context().close();
  await second.context().close();
});

test('R7.1 a wrong password is refused in words that give nothing away', async () => {
  const who = await person();
  const page = await open(browser);
  const tell = async (name) => {
    await page.goto(`${URL_BASE}/signin`);
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill('not-the-password');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    return page.getByRole('alert').innerText();
  };
  assert.equal(await tell(who.name), await tell('nobody-of-that-name'));
  await page.context().close();
});

test('R7.1 an API token is shown once, works, and stops working when revoked', async () => {
  const who = await person();
  const page = await open(browser);
  await signIn(page, who);
  await page.getByRole('link', { name: who.name }).click();
  await page.getByLabel('Name').fill('laptop');
  await page.getByRole('button', { name: 'Make a token' }).click();
  const token = await page.locator('.fresh-token code').innerText();
  assert.match(token, /^ty_/);
  const mine = await api('GET', '/me', undefined, token);
  assert.equal(mine.status, 200);
  assert.equal(mine.body.name, who.name);
  await page.reload();
  await page.getByRole('cell', { name: 'laptop', exact: true }).waitFor();
  assert.ok(!(await page.content()).includes(token), 'it is not shown again');
  await page.getByRole('button', { name: 'Revoke laptop' }).click();
  await page.getByText('No tokens yet').waitFor();
  assert.equal((await api('GET', '/me', undefined, token)).status, 401);
  await page.context().close();
});

test('R3.4 an SSH key is added on the account\'s page, shown with its fingerprint, and removed', async () => {
  const who = await person();
  const page = await open(browser);
  await signIn(page, who);
  await page.getByRole('link', { name: who.name }).click();
  await page.getByLabel('Public key').fill('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f desk');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('cell', { name: 'desk', exact: true }).waitFor();
  assert.match(await page.locator('section:has(#keys-title) code').innerText(), /^SHA256:/);
  await page.getByLabel('Public key').fill('nothing of the kind');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByText('A key begins with its kind').waitFor();
  await page.getByRole('button', { name: 'Remove desk' }).click();
  await page.getByText('No keys yet').waitFor();
  await page.context().close();
});

test('R7.1 the password can be changed, and signing out ends the session', async () => {
  const who = await person();
  const page = await open(browser);
  await signIn(page, who);
  const cookies = await page.context().cookies();
  assert.ok(cookies.length > 0 && cookies.every((cookie) => cookie.httpOnly && cookie.sameSite === 'Strict'), JSON.stringify(cookies));
  await page.goto(`${URL_BASE}/account`);
  await page.getByLabel('Old password').fill('not-the-old-one');
  await page.getByLabel('New password').fill('another-good-one');
  await page.getByRole('button', { name: 'Change' }).click();
  await page.getByRole('alert').getByText('The old password is not right.').waitFor();
  await page.getByLabel('Old password').fill(who.password);
  await page.getByRole('button', { name: 'Change' }).click();
  await page.getByText('Your password is changed.').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
  const old = await page.request.get(`${URL_BASE}/api/v1/me`, { headers: { cookie: cookies.map((each) => `${each.name}=${each.value}`).join('; ') } });
  assert.equal(old.status(), 401, 'the old cookie is worth nothing');
  await signIn(page, { name: who.name, password: 'another-good-one' });
  await page.context().close();
});

test('R7.1 a player sees no staff pages, staff do', async () => {
  const player = await open(browser);
  await signIn(player, await person());
  assert.equal(await player.getByRole('link', { name: 'Usage' }).count(), 0);
  await player.goto(`${URL_BASE}/usage`);
  await player.getByText('There is no such page').waitFor();
  await player.context().close();
  const staff = await open(browser);
  await signIn(staff, await person('operator'));
  await staff.getByRole('link', { name: 'Usage' }).click();
  await staff.getByRole('heading', { name: 'Usage' }).waitFor();
  await staff.getByRole('link', { name: 'All machines' }).click();
  await staff.getByRole('heading', { name: 'All machines' }).waitFor();
  assert.deepEqual(staff.faults, []);
  await staff.context().close();
});
