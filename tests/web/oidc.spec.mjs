// Sign-in through a real OpenID provider (npm oidc-provider) in Chromium. The server here is one of the test's own, whose
// settings name the provider; it runs no machines.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Provider from 'oidc-provider';
import { freePort, ownServer } from './server.mjs';
import { launch, open, pictures, until } from './support.mjs';

const PEOPLE = {
  ada: { preferred_username: 'ada', groups: ['range-staff'], team: 'Red' },
  bob: { preferred_username: 'bob', groups: [], team: 'Blue' },
};
let browser, server, provider, site, issuer;

function key(id, algorithm) {
  const made = algorithm === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...made.privateKey.export({ format: 'jwk' }), kid: id, alg: algorithm, use: 'sig' };
}

/** The provider, on a port of its own, signing with one key. */
function provide(port, algorithm, id) {
  const made = new Provider(issuer, {
    clients: [{
      client_id: 'range', client_secret: 'a-secret-of-the-range', redirect_uris: [`${site}/api/v1/auth/oidc/school/callback`],
      id_token_signed_response_alg: algorithm,
    }],
    jwks: { keys: [key(id, algorithm), ...(algorithm === 'RS256' ? [] : [key(`${id}-rsa`, 'RS256')])] },
    cookies: { keys: ['a-cookie-key-for-a-test'] },
    pkce: { required: () => true },
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups', 'team'] },
    scopes: ['openid', 'profile'],
    features: { devInteractions: { enabled: true } },
    findAccount: (_, sub) => (PEOPLE[sub] ? { accountId: sub, claims: () => ({ sub, ...PEOPLE[sub] }) } : undefined),
    ttl: { Session: 600, Grant: 600, Interaction: 600, AccessToken: 600, IdToken: 600 },
  });
  return new Promise((resolve) => { const listening = http.createServer(made.callback()).listen(port, '127.0.0.1', () => resolve(listening)); });
}

const closed = (what) => new Promise((resolve) => { what.closeAllConnections(); what.close(resolve); });

before(async () => {
  const providing = await freePort();
  issuer = `http://127.0.0.1:${providing}`;
  server = await ownServer(`
[auth]
strategies = ["local", "oidc"]
[auth.oidc.school]
title = "The School"
issuer = "${issuer}"
client_id = "range"
client_secret = "a-secret-of-the-range"
scopes = ["openid", "profile"]
role_claim = "groups"
roles = ["range-staff=operator"]
team_claim = "team"
`);
  site = server.site;
  provider = await provide(providing, 'RS256', 'first');
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  if (provider) await closed(provider);
});

async function through(page, who) {
  await page.goto(`${site}/signin`);
  await page.getByRole('link', { name: 'Go on with The School' }).click();
  await page.waitForURL(`${issuer}/interaction/**`);
  await page.locator('input[name="login"]').fill(who);
  await page.locator('input[name="password"]').fill('whatever');
  await page.locator('button[type="submit"]').click();
  await page.getByRole('button', { name: 'Continue' }).click();
}

const me = (page) => page.evaluate(async () => (await fetch('/api/v1/me')).json());

test('R7.1 a whole sign-in through a real provider, with role and team', async () => {
  const page = await open(browser);
  await page.goto(`${site}/signin`);
  await page.getByRole('link', { name: 'Go on with The School' }).waitFor();
  await page.screenshot({ path: join(pictures, 'signin-provider.png') });
  await through(page, 'ada');
  await page.getByRole('link', { name: 'People' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/');
  assert.equal(new URL(page.url()).search, '', 'no code is left in the address');
  const who = await me(page);
  assert.deepEqual([who.name, who.strategy, who.roles.at(-1), who.team.name], ['ada', 'oidc', 'operator', 'Red']);
  // The provider is on another port of the same host, so its cookies are there too.
  const cookies = (await page.context().cookies(site)).filter((each) => each.name.includes('tiltyard'));
  assert.deepEqual(cookies.map((each) => each.name).sort(), ['tiltyard', 'tiltyard-device']);
  assert.ok(cookies.every((each) => each.httpOnly && each.sameSite === 'Strict'));
  assert.deepEqual(page.faults, []);
  const other = await open(browser);
  await through(other, 'bob');
  await other.getByRole('link', { name: 'bob' }).waitFor();
  assert.deepEqual([(await me(other)).roles.at(-1), (await me(other)).team.name], ['player', 'Blue']);
  await page.context().close();
  await other.context().close();
});

test('R7.1 who says no at the provider is told so, and the way back is used once', async () => {
  const page = await open(browser);
  const answers = [];
  page.on('request', (request) => { if (request.url().includes('/callback?')) answers.push(request.url()); });
  await page.goto(`${site}/signin`);
  await page.getByRole('link', { name: 'Go on with The School' }).click();
  await page.getByRole('link', { name: /cancel/i }).click();
  await page.getByRole('alert').getByText('The provider did not let you in.').waitFor();
  await through(page, 'bob');
  await page.getByRole('link', { name: 'bob' }).waitFor();
  await page.goto(answers.at(-1));
  await page.waitForURL(`${site}/**`);
  const again = await page.request.get(answers.at(-1), { maxRedirects: 0 });
  assert.equal(again.headers().location, '/signin?trouble=oidc-state');
  await page.context().close();
});

test('R7.1 the provider changes its key and its algorithm', async () => {
  const port = Number(new URL(issuer).port);
  await closed(provider);
  provider = await provide(port, 'ES256', 'second');
  await until('a sign-in with the new key', async () => {
    const page = await open(browser);
    try {
      await through(page, 'bob');
      await page.waitForURL(`${site}/**`);
      return (await me(page)).name === 'bob';
    } finally {
      await page.context().close();
    }
  }, 40_000);
});

test('R7.2 sessions, tokens with scopes and the team on the account page; people for staff', async () => {
  const { token } = server;
  const call = (method, path, body) => fetch(`${site}/api/v1${path}`, {
    method, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
  });
  assert.equal((await call('POST', '/admin/users', { name: 'carol', password: 'a-long-enough-password', role: 'admin' })).status, 201);
  const enter = async () => {
    const page = await open(browser);
    await page.goto(`${site}/signin`);
    await page.getByLabel('Name').fill('carol');
    await page.getByLabel('Password').fill('a-long-enough-password');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('link', { name: 'carol' }).waitFor();
    return page;
  };
  const [page, elsewhere] = [await enter(), await enter()];
  await page.goto(`${site}/account`);
  await page.getByText('Chrome on Linux (this one)').waitFor();
  await page.getByRole('button', { name: 'Sign out everywhere else' }).click();
  await page.getByText('You are signed out everywhere else.').waitFor();
  await elsewhere.getByRole('button', { name: 'Sign in', exact: true }).waitFor({ timeout: 10_000 });
  await page.getByLabel('staff’s work').check();
  await page.getByLabel('Name').fill('laptop');
  await page.getByRole('button', { name: 'Make a token' }).click();
  await page.getByRole('cell', { name: 'read, instances, admin' }).waitFor();
  await page.screenshot({ path: join(pictures, 'account.png'), fullPage: true });

  await page.getByRole('link', { name: 'People' }).click();
  await page.getByRole('form', { name: 'Make a user' }).getByLabel('Name').fill('dave');
  await page.getByRole('button', { name: 'Make a user' }).click();
  await page.getByText('is not shown again').waitFor();
  await page.getByRole('button', { name: 'Open dave' }).click();
  await page.getByRole('form', { name: 'Change dave' }).getByLabel('Team').fill('Green');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('cell', { name: 'Green', exact: true }).waitFor();
  await page.screenshot({ path: join(pictures, 'people.png'), fullPage: true });
  await page.getByRole('button', { name: 'Teams', exact: true }).click();
  await page.getByRole('button', { name: 'Open Green' }).click();
  await page.getByRole('button', { name: 'Take dave out of Green' }).click();
  await page.getByText('Nobody is in it.').waitFor();
  await page.getByRole('button', { name: 'Invitations', exact: true }).click();
  await page.getByRole('button', { name: 'Invite', exact: true }).click();
  await page.getByText('can make an account with it').waitFor();
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 860 });
      for (const view of ['users', 'teams', 'invitations']) {
        await page.goto(`${site}/people?view=${view}`);
        await page.getByRole('heading', { name: 'People' }).waitFor();
        await page.screenshot({ path: join(pictures, `people-${view}-${scheme}-${width}.png`), fullPage: true });
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${view} is not wider than ${width} px`);
      }
    }
  }
  assert.deepEqual(page.faults, []);
  await page.context().close();
  await elsewhere.context().close();
});
