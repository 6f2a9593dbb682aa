// What the page tests share: the server that runs already, people made for one test file, and Chromium.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const URL_BASE = (process.env.TILTYARD_URL ?? 'http://127.0.0.1:8000').replace(/\/$/, '');
/** A template that is small, starts within seconds and has a web page. */
export const TEMPLATE = process.env.TILTYARD_WEB_TEMPLATE ?? 'hello-web';
export const START_MS = 60_000;

const adminToken = () => {
  const token = process.env.TILTYARD_TOKEN ?? (process.env.TILTYARD_TOKEN_FILE && readFileSync(process.env.TILTYARD_TOKEN_FILE, 'utf8').trim());
  assert.ok(token, 'TILTYARD_TOKEN (or TILTYARD_TOKEN_FILE) must hold the admin token of the running server');
  return token;
};

/** One call of the API with a bearer token, the admin's unless told. Answers {status, body}. */
export async function api(method, path, body, token = adminToken()) {
  const response = await fetch(`${URL_BASE}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : null };
}

const people = [];

/** Makes a person; without a password the answer's `link` is the one-time sign-in link. */
export async function person(role = 'player', password = 'a-long-enough-password') {
  const name = `web-${role}-${Date.now().toString(36)}-${people.length}`;
  const { status, body } = await api('POST', '/admin/users', { name, role, ...(password ? { password } : {}) });
  assert.equal(status, 201, `making a user: ${JSON.stringify(body)}`);
  people.push({ id: body.id, name });
  return { id: body.id, name, password, link: body.sign_in_url };
}

/** Live instances of a person, as staff see them. */
export async function instancesOf(who) {
  const { status, body } = await api('GET', '/instances?owner=all&state=queued,preparing,starting,running,paused,stopping&limit=500');
  assert.equal(status, 200, JSON.stringify(body));
  return body.items.filter((one) => one.owner.id === who.id);
}

/** Waits until `check` answers something true, and answers that. */
export async function until(what, check, timeoutMs = 20_000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const answer = await check();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function removePeople() {
  for (const who of people.splice(0)) {
    for (const one of await instancesOf(who)) await api('DELETE', `/instances/${one.id}`);
    await until(`the machines of ${who.name} to be gone`, async () => (await instancesOf(who)).length === 0, START_MS);
    await api('DELETE', `/admin/users/${who.id}`);
  }
}

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });
}

/** A fresh browser window. Errors of the page's own script fail the test through `faults`. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, colorScheme: 'light', ...options });
  // A browser drops what it loads whenever an address of the host changes (ERR_NETWORK_CHANGED), and here networks of machines come and go
  // all the time: what the page is made of comes by way of this program.
  await context.route(/\.(css|js)\?v=/, async (route) => {
    try {
      await route.fulfill({ response: await route.fetch() });
    } catch {
      await route.abort().catch(() => {});  // the server is away, as some tests want it, or the page is gone
    }
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(error.message));
  page.on('requestfailed', (request) => {
    // Told for whoever looks for the reason of a page without style or script; tests cut connections on purpose, too.
    if (['stylesheet', 'script'].includes(request.resourceType())) console.log(`# ${request.url()}: ${request.failure()?.errorText}`);
  });
  page.on('console', (message) => {
    if (/Content Security Policy/i.test(message.text())) page.faults.push(message.text());
  });
  return page;
}

export async function signIn(page, who) {
  await page.goto(`${URL_BASE}/signin`);
  await page.getByLabel('Name').fill(who.name);
  await page.getByLabel('Password').fill(who.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { name: 'Catalogue' }).waitFor();
}

export const row = (page) => page.locator(`.row[data-template="${TEMPLATE}"]`);
export const card = (page, state) => page.locator(`.card[data-template="${TEMPLATE}"]${state ? `[data-state="${state}"]` : ''}`);

// A person with one machine that runs: the state of a page of theirs that is signed in, and the instance.
export async function personWithMachine(browser) {
  const who = await person();
  const page = await open(browser);
  await signIn(page, who);
  await row(page).getByRole('button', { name: /^Start / }).click();
  await card(page, 'running').waitFor({ timeout: START_MS });
  const [instance] = await instancesOf(who);
  const signedIn = await page.context().storageState();
  await page.context().close();
  return { signedIn, instance };
}

/** Where pictures go; its name is printed, so that somebody can look at them. */
export const pictures = process.env.TILTYARD_SHOTS ?? mkdtempSync(join(tmpdir(), 'tiltyard-web-'));
