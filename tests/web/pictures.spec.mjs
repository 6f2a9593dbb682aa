// The pictures of the README, made from the page itself so that they stay true. Only on request (`tests/web/run pictures`), because
// they change files: TILTYARD_PICTURES is the folder they go to. The server beside has all of the example templates.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { withPalette } from './png.mjs';
import { ownServer } from './server.mjs';
import { api, launch, open, START_MS, until, URL_BASE } from './support.mjs';

const FOLDER = process.env.TILTYARD_PICTURES;
const MOST_BYTES = 150_000;
const PASSWORD = 'a-long-enough-password';
let browser;

before(async () => {
  assert.ok(FOLDER, 'TILTYARD_PICTURES says where the pictures go');
  browser = await launch();
});
after(async () => { await browser?.close(); });

/** One picture in both schemes, at twice the size, so that letters are sharp where it is shown smaller. */
async function picture(name, site, state, size, prepare) {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(browser, { colorScheme, storageState: state, viewport: size, deviceScaleFactor: 2, reducedMotion: 'reduce' });
    await prepare(page, site);
    await page.evaluate(() => document.activeElement?.blur());
    const path = join(FOLDER, `${name}-${colorScheme}.png`);
    const image = withPalette(await page.screenshot({ animations: 'disabled' }));
    assert.ok(image.length < MOST_BYTES, `${path} has ${image.length} bytes`);
    writeFileSync(path, image);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  }
}

async function signedIn(site, name) {
  const page = await open(browser);
  await page.goto(`${site}/signin`);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Catalogue' }).waitFor();
  const state = await page.context().storageState();
  await page.context().close();
  return state;
}

test('R11.1 the catalogue with machines that run, and a shell in one, are pictures of the README', async () => {
  const made = await api('POST', '/admin/users', { name: 'ada', role: 'player', password: PASSWORD });
  assert.equal(made.status, 201);
  const state = await signedIn(URL_BASE, 'ada');
  const page = await open(browser, { storageState: state });
  await page.goto(URL_BASE);
  for (const template of ['notes-stack', 'debian-shell']) {
    await page.locator(`.row[data-template="${template}"]`).getByRole('button', { name: /^Start / }).click();
    await page.locator(`.card[data-template="${template}"][data-state="running"]`).waitFor({ timeout: START_MS });
  }
  const shell = await page.locator('.card[data-template="debian-shell"]').getAttribute('data-instance');
  await page.context().close();

  await picture('machines', URL_BASE, state, { width: 1120, height: 712 }, async (each, site) => {
    await each.goto(site);
    await each.locator('.card[data-state="running"]').nth(1).waitFor();
    await each.locator('.link.live').waitFor();
  });
  await picture('terminal', URL_BASE, state, { width: 900, height: 480 }, async (each, site) => {
    await each.goto(`${site}/terminal/${shell}`);
    await each.locator('.terminal[data-phase="open"]').waitFor();
    const says = (text) => until(text, async () => (await each.locator('.xterm-rows').innerText()).includes(text));
    await each.keyboard.type("PS1='player@shell:\\w$ '; clear\n");
    await says('player@shell');
    await each.keyboard.type('head -2 /etc/os-release\n');
    await says('PRETTY_NAME');
    await each.keyboard.type('ls --color /\n');
    await says('usr');
  });
  for (const one of (await api('GET', '/instances?owner=all')).body.items) await api('DELETE', `/instances/${one.id}`);
  await api('DELETE', `/admin/users/${made.body.id}`);
});

const SPLOITS = [['notes-sqli.py', 0.97], ['vault-rce.py', 0.9], ['shop-idor.py', 0.62], ['heap-uaf.py', 0.38]];
const FARM = `token = "a-farm-token-for-a-picture"
flag_format = '[A-Z0-9]{31}='
flag_lifetime = "30m"
teams = ["10.60.{1..30}.1"]
[jury]
protocol = "forcad_http"
host = "127.0.0.1"
token = "the-jury-s-token-of-a-picture"
calls_per_second = 10
batch = 500
`;

/** The same for a name each time, between 0 and 1. */
const chance = (name) => createHash('sha256').update(name).digest().readUInt32BE(0) / 2 ** 32;
const flagOf = (name) => `${createHash('sha256').update(name).digest('hex').toUpperCase().slice(0, 31)}=`;

/** An hour of a game: waves with each round of two minutes, a queue that is worked off. */
function hour() {
  const end = Math.floor(Date.now() / 10_000) * 10_000;
  let queued = 0;
  return Array.from({ length: 360 }, (_, index) => {
    const received = Math.round((6 + 30 * Math.max(0, Math.cos((2 * Math.PI * index) / 24)) ** 3) * Math.min(1, 0.2 + index / 160) * (0.7 + 0.6 * chance(`received ${index}`)));
    const sent = Math.min(queued + received, 24);
    queued += received - sent;
    const accepted = Math.round(sent * (0.72 + 0.16 * chance(`accepted ${index}`)));
    return { at: new Date(end - (359 - index) * 10_000).toISOString(), received, duplicate: 0, sent, accepted, rejected: sent - accepted, skipped: 0, queued };
  });
}

test('R6.5 the farm in the middle of a game is a picture of the README', async () => {
  const server = await ownServer('[auth]\nstrategies = ["local"]\n[farm]\nconfig = "farm.toml"\n[rates]\nfactor = 1000\n', { 'farm.toml': FARM });
  const call = async (path, body, headers = { 'x-token': 'a-farm-token-for-a-picture' }) => {
    const response = await fetch(`${server.site}/api/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
    assert.ok(response.ok, `${path}: ${response.status}`);
    return response.json();
  };
  /** `count` flags of each sploit, as they come: one after the other. */
  const steal = (round, count) => call('/farm/flags', Array.from({ length: count * SPLOITS.length }, (_, index) => {
    const [sploit] = SPLOITS[index % SPLOITS.length];
    return { flag: flagOf(`${round} ${sploit} ${index}`), sploit, team: `10.60.${1 + (index % 30)}.1` };
  }));
  const answer = async (sender) => {
    const { lease, flags } = await call('/farm/lease?wait=5', { sender, max: 400 });
    const verdicts = flags.map(({ flag, sploit }) => (chance(flag) < (SPLOITS.find(([name]) => name === sploit)?.[1] ?? 0.75)
      ? { flag, verdict: 'accepted', message: 'Flag accepted! Earned 4.2 flag points!' } : { flag, verdict: 'old', message: 'Flag is too old' }));
    await call('/farm/verdicts', { lease, verdicts, done: true });
  };
  try {
    await call('/admin/users', { name: 'grace', role: 'operator', password: PASSWORD }, { authorization: `Bearer ${server.token}` });
    // Two batches take what a round brings; the last flags wait.
    for (let round = 0; round < 4; round += 1) {
      await steal(round, 140 + 20 * round);
      for (const sender of ['sender-1', 'sender-2']) await answer(sender);
    }
    await steal('last', 9);
    const items = hour();
    await picture('farm', server.site, await signedIn(server.site, 'grace'), { width: 1120, height: 700 }, async (page, site) => {
      // The flags are real; the hour before them is made up, because nobody waits an hour for a picture.
      await page.route('**/farm/series*', (route) => route.fulfill({ json: { step_s: 10, items, next: null } }));
      await page.goto(`${site}/farm`);
      await page.locator('.verdicts li').first().waitFor();
      await page.locator('.plot canvas').nth(1).waitFor();
      await page.locator('.link.live').waitFor();
    });
  } finally {
    await server.stop();
  }
});
