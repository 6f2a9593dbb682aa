// Whose door it is, in a browser: one's own instance by the page and back, another's, and a link that shares it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort, ownServer } from './server.mjs';
import { launch, open, START_MS, until } from './support.mjs';

let browser, server;

before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

/** A certificate for all names of the range, of nobody's. */
function certificate() {
  const folder = mkdtempSync(join(tmpdir(), 'tiltyard-web-tls-'));
  const [chain, key] = ['chain.pem', 'key.pem'].map((name) => join(folder, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', chain, '-subj', '/CN=range',
    '-days', '2', '-addext', 'subjectAltName=DNS:localhost,DNS:*.localhost'], { stdio: 'ignore' });
  const files = { 'chain.pem': readFileSync(chain, 'utf8'), 'key.pem': readFileSync(key, 'utf8') };
  rmSync(folder, { recursive: true });
  return files;
}

/** Page and gateway at one port of TLS, told apart by name; `page` is where the page is, by a name that this program finds, too (see `open`). */
async function secured() {
  const port = await freePort();
  const page = `https://localhost:${port}`;
  return { page, port, more: { gateway: `tls_listen = "127.0.0.1:${port}"`, url: page }, settings: '[certificates.range]\nchain = "chain.pem"\nkey = "key.pem"\n', files: certificate() };
}

async function begin(place = { settings: '', files: {}, more: {} }) {
  server = await ownServer(`namespace = "web-doors-${process.pid}"
[network]
pool = "10.${200 + process.pid % 50}.0.0/16"
${place.settings}`, {
    ...place.files,
    'templates/mine/instance.toml': 'name = "Mine"\nexpected_boot = 1\n[[endpoint]]\nport = 8000\nkind = "http"\nowner_only = true\n[ready]\ninterval = 50\n',
    'templates/mine/Dockerfile': 'FROM tiltyard/busybox:1\nRUN mkdir /www && echo "inside" > /www/index.html\nSTOPSIGNAL SIGKILL\nCMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n',
  }, undefined, 'docker', place.more);
  server.page = place.page ?? server.site;
  await until('the template to be ready', async () => (await api('GET', '/templates/mine')).body?.state === 'ready', START_MS);
}

async function end() {
  if (!server) return;
  for (const one of (await api('GET', '/instances?owner=all&state=starting,running')).body.items) await api('DELETE', `/instances/${one.id}`);
  await until('the machines to be gone', async () => (await api('GET', '/instances?owner=all&state=preparing,starting,running,stopping')).body.items.length === 0, START_MS);
  await server.stop();
  server = undefined;
}

async function api(method, path, body) {
  const response = await fetch(`${server.site}/api/v1${path}`, {
    method, headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : null };
}

async function person(name) {
  const who = { name, password: 'a-long-enough-password' };
  assert.equal((await api('POST', '/admin/users', { ...who, role: 'player' })).status, 201);
  return who;
}

async function fillIn(page, who) {
  await page.getByLabel('Name').fill(who.name);
  await page.getByLabel('Password').fill(who.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

const isInside = (page) => page.getByText('inside', { exact: true }).waitFor({ timeout: 10_000 });
const isElsewhere = (page) => page.getByRole('heading', { name: 'This is somebody else\'s' }).waitFor({ timeout: 10_000 });

/** Goes, and is there afterwards: once more where the browser has dropped what it loads (ERR_NETWORK_CHANGED, see `open`). */
const arrives = (go, there) => until('the browser to get there', async () => {
  try {
    await go();
    await there();
    return true;
  } catch (error) {
    if (!/ERR_NETWORK_CHANGED|Timeout/.test(error.message)) throw error;
    return false;
  }
}, 2 * START_MS);

/** One's own instance opens by the page, and nobody else's; a link shares it until it is taken back. */
async function ownAndForeign(cookieName, options) {
  const page = await open(browser, options);
  await page.goto(`${server.page}/signin`);
  await fillIn(page, await person('owner'));
  await page.getByRole('button', { name: /^Start Mine/ }).click();
  const card = page.locator('.card[data-state="running"]');
  await card.waitFor({ timeout: START_MS });
  await card.getByText('yours alone').waitFor();
  const door = card.getByRole('link', { name: 'Open' });
  const [machine] = await Promise.all([page.context().waitForEvent('page'), door.click()]);
  await arrives(async () => { if (machine.url().startsWith('chrome-error:')) await machine.goto(await door.getAttribute('href')); }, () => isInside(machine));
  const url = new URL(machine.url());
  assert.equal(url.pathname, '/', 'nothing of the way is left in the address');
  const cookie = (await page.context().cookies(url.origin)).find((one) => one.name === cookieName);
  assert.deepEqual([cookie.domain, cookie.httpOnly, cookie.sameSite, cookie.secure], [url.hostname, true, 'Lax', url.protocol === 'https:']);

  // A page of the instance's own leads back to ours without the session's cookie, which is Strict: it gets there all the same.
  await page.context().clearCookies({ name: cookieName });
  await arrives(async () => {
    if (machine.url().startsWith('chrome-error:')) await machine.goto(`${url.origin}/index.html?again`);
    else await machine.evaluate(() => location.assign('/index.html?again'));
    await machine.waitForURL(`${url.origin}/index.html?again`, { timeout: 10_000 });
  }, () => isInside(machine));

  // Whoever comes from outside signs in first, and is on the way afterwards.
  const other = await open(browser, options);
  await arrives(() => other.goto(url.href), () => other.getByLabel('Password').waitFor({ timeout: 10_000 }));
  const stranger = await person('stranger');
  await fillIn(other, stranger);
  let tries = 0;
  await arrives(async () => {
    if (tries++ === 0) return;
    // What was dropped may be the sign-in, or any part of the way behind it: one does again what a person would.
    if (await other.getByLabel('Password').isVisible()) await fillIn(other, stranger);
    else await other.goto(url.href);
  }, () => isElsewhere(other));
  assert.equal(new URL(other.url()).hostname, url.hostname);

  await card.getByRole('button', { name: /^Details/ }).click();
  await card.getByRole('button', { name: 'Make a link' }).click();
  const link = await card.locator('.fresh code').textContent();
  await arrives(() => other.goto(link), () => isInside(other));
  // Asked once more where the browser has dropped the question (ERR_NETWORK_CHANGED, see `open`).
  const back = card.getByRole('button', { name: 'Take back' });
  await until('the link to be taken back', async () => {
    if (await back.count() === 0) return true;
    await back.click({ timeout: 5_000 }).catch(() => {});
    return false;
  }, START_MS);
  await arrives(() => other.goto(url.href), () => isElsewhere(other));
  assert.deepEqual([...page.faults, ...other.faults], []);
  return url;
}

describe('over HTTP', () => {
  before(() => begin());
  after(end);
  test('R2.4 one\'s own instance opens by the page, and nobody else\'s', async () => {
    assert.equal((await ownAndForeign('tiltyard-door')).protocol, 'http:');
  });
});

describe('over HTTPS', () => {
  let place;
  before(async () => {
    place = await secured();
    await begin(place);
  });
  after(end);
  test('R2.2 over HTTPS too one\'s own instance opens, and nobody else\'s', async () => {
    const url = await ownAndForeign('__Host-tiltyard-door', { ignoreHTTPSErrors: true });
    assert.deepEqual([url.protocol, url.port], ['https:', `${place.port}`]);
  });
});
