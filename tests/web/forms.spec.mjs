// Making an account, and a password that was forgotten: the whole way in Chromium, with a real letter.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { launch, open, pictures, until } from './support.mjs';
import { mailSink, ownServer } from './server.mjs';

let browser, sink, server;

const settings = (mail) => `
[auth]
strategies = ["local"]
registration = "invite"
[notices]
smtp_url = "smtp://127.0.0.1:${mail}"
mail_from = "range@ctf.example"
plain_loopback = true
[rates]
factor = 1000
`;

before(async () => {
  sink = await mailSink();
  server = await ownServer(settings(sink.port));
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await sink?.stop();
});

async function admin(method, path, body) {
  const response = await fetch(`${server.site}/api/v1${path}`, {
    method, headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
  });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.json();
}

async function looksRight(page, name) {
  await page.screenshot({ path: join(pictures, `${name}.png`) });
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa']).analyze();
  assert.deepEqual(violations.map((one) => `${name}: ${one.id} ${one.nodes.map((node) => node.target)}`), []);
}

/** The link in a letter, whose body is base64 (RFC 2045, 6.8). */
const linkIn = (letter) => Buffer.from(letter.slice(letter.indexOf('\n\n')), 'base64').toString('utf8').match(/http\S+\/reset#\S+/)?.[0];

test('R7.1 an invitation makes an account once, by keyboard alone', async () => {
  const { code } = await admin('POST', '/admin/invitations', { role: 'player', uses: 1 });
  const page = await open(browser);
  await page.goto(`${server.site}/signin`);
  await page.getByRole('link', { name: 'Make an account' }).click();
  assert.equal(new URL(page.url()).pathname, '/register');
  await looksRight(page, 'register');

  // The focus starts in the first field; Tab goes on, Enter sends.
  await page.keyboard.type('newcomer');
  await page.keyboard.press('Tab');
  await page.keyboard.type('a-long-enough-password');
  await page.keyboard.press('Tab');
  await page.keyboard.type('newcomer@ctf.example');
  await page.keyboard.press('Tab');
  await page.keyboard.type('aaaaa-bbbbb-ccccc-ddddd');
  await page.keyboard.press('Enter');
  const alert = page.getByRole('alert');
  await alert.waitFor();
  assert.match(await alert.innerText(), /invitation|code/i);
  assert.equal(await page.getByLabel('Name').inputValue(), 'newcomer', 'what was typed stays');

  await page.getByLabel('Invitation code').fill(code);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Catalogue' }).waitFor();
  await page.getByRole('link', { name: 'newcomer' }).waitFor();
  assert.deepEqual(page.faults, []);
  await page.context().close();

  const second = await open(browser);
  await second.goto(`${server.site}/register`);
  await second.getByLabel('Name').fill('too-late');
  await second.getByLabel('Password', { exact: true }).fill('a-long-enough-password');
  await second.getByLabel('Invitation code').fill(code);
  await second.getByRole('button', { name: 'Make the account' }).click();
  await second.getByRole('alert').waitFor();
  assert.equal(new URL(second.url()).pathname, '/register', 'a used invitation lets nobody in');
  await second.context().close();
});

test('R7.1 a forgotten password is replaced by way of a letter, once', async () => {
  await admin('POST', '/admin/users', { name: 'forgetful', role: 'player', password: 'the-old-password', email: 'forgetful@ctf.example' });
  const page = await open(browser);
  await page.goto(`${server.site}/signin`);
  await page.getByRole('link', { name: 'Forgot the password?' }).click();
  await looksRight(page, 'forgot');
  await page.keyboard.type('forgetful@ctf.example');
  await page.keyboard.press('Enter');
  const sent = page.getByRole('status').filter({ hasText: 'a letter is on its way' });
  await sent.waitFor();
  const letter = await until('the letter', () => sink.letters.find((one) => one.includes('forgetful@ctf.example')), 20_000);
  const link = linkIn(letter);
  assert.ok(link?.startsWith(`${server.site}/reset#`), letter);

  // An address that nobody has is answered in the same words, so that the page is no way to ask who has an account.
  await page.goto(`${server.site}/forgot`);
  await page.getByLabel('Your e-mail address').fill('nobody@ctf.example');
  await page.getByRole('button', { name: 'Send a link' }).click();
  await page.getByText('If an account has the address nobody@ctf.example, a letter is on its way to it.').waitFor();

  await page.goto(link);
  await page.getByLabel('New password').waitFor();
  assert.equal(new URL(page.url()).hash, '', 'the token leaves the address bar');
  await looksRight(page, 'reset');
  await page.getByLabel('New password').fill('the-new-password');
  await page.keyboard.press('Enter');
  await page.getByText('Your password is changed').waitFor();
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.getByLabel('Name').fill('forgetful');
  await page.getByLabel('Password').fill('the-old-password');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Password').fill('the-new-password');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Catalogue' }).waitFor();
  assert.deepEqual(page.faults, []);
  await page.context().close();

  const second = await open(browser);
  await second.goto(link);
  await second.getByLabel('New password').fill('another-new-password');
  await second.keyboard.press('Enter');
  await second.getByRole('alert').waitFor();
  await second.goto(`${server.site}/reset`);
  await second.getByText('This address is not complete').waitFor();
  await second.context().close();
});

test('R7.2 who has been signed in for a while shows once more who it is, and what was asked for goes on', async () => {
  const short = await ownServer('[auth]\nproof_for = "6s"\n');
  try {
    const made = await fetch(`${short.site}/api/v1/admin/users`, {
      method: 'POST', headers: { authorization: `Bearer ${short.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'sleepy', role: 'player', password: 'a-long-enough-password' }),
    });
    assert.equal(made.status, 201);
    const enter = async () => {
      const page = await open(browser);
      await page.goto(`${short.site}/signin`);
      await page.getByLabel('Name').fill('sleepy');
      await page.getByLabel('Password').fill('a-long-enough-password');
      await page.keyboard.press('Enter');
      await page.getByRole('link', { name: 'sleepy' }).waitFor();
      return page;
    };
    const [elsewhere, page] = [await enter(), await enter()];
    await page.goto(`${short.site}/account`);
    await page.getByText('(this one)').waitFor();
    await until('the sign-in to be old', () => page.evaluate(async () => {
      const me = await (await fetch('/api/v1/me')).json();
      return Date.parse(me.proof.until) < Date.now();
    }));
    const dialog = page.getByRole('dialog', { name: 'Is it still you?' });
    const ask = () => page.getByRole('button', { name: 'Sign out everywhere else' }).click();

    await ask();
    await dialog.waitFor();
    await looksRight(page, 'proof');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('alert').getByText('You have been signed in for a while.').waitFor();
    await elsewhere.reload();
    await elsewhere.getByRole('link', { name: 'sleepy' }).waitFor();

    // The focus is where the password goes; Enter sends.
    await ask();
    await dialog.waitFor();
    await page.keyboard.type('not-the-password');
    await page.keyboard.press('Enter');
    await dialog.getByRole('alert').getByText('That is not right.').waitFor();
    await page.keyboard.type('a-long-enough-password');
    await page.keyboard.press('Enter');
    await page.getByText('You are signed out everywhere else.').waitFor();
    await dialog.waitFor({ state: 'hidden' });
    await elsewhere.reload();
    await elsewhere.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
    assert.deepEqual(page.faults, []);
    await page.context().close();
    await elsewhere.context().close();
  } finally {
    await short.stop();
  }
});
