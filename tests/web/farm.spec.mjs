// The farm's pages over a farm of the test's own. Flags come by the routes that clients use, verdicts by the routes that
// senders use, flag ids from a jury that answers as FAUST's does.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { ownServer } from './server.mjs';
import { launch, open, pictures, until } from './support.mjs';

const TOKEN = 'a-farm-token-for-a-test';
let browser, server, jury, signedIn;

const config = (juryPort) => `# The farm of a test
token = "${TOKEN}"
flag_format = '[A-Z0-9]{31}='
flag_lifetime = "30m"
submit_period = 2
teams = ["10.60.{1..30}.1"]

[jury]
protocol = "forcad_http"
host = "127.0.0.1"
token = "the-jury-s-token-of-a-test"
batch = 500
calls_per_second = 50

[attack_data]
format = "faust"
url = "http://127.0.0.1:${juryPort}/competition/teams.json"
period = "500ms"
stale_after = "2s"

[services]
"web-*" = "shop"
`;

const ids = { teams: [1, 2, 3], flag_ids: { shop: { 1: ['user_one'], 2: ['user_two', '{"room": 7}'] }, vault: { 3: ['x'] } } };

/** A jury's web server that tells flag ids, until it is stopped. */
function juryServer() {
  const made = http.createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(ids));
  });
  return new Promise((resolve) => { made.listen(0, '127.0.0.1', () => resolve(made)); });
}

const flagOf = (number) => `${`WEB${String(number).padStart(6, '0')}`.padEnd(31, 'X')}=`;

async function call(method, path, body, headers = {}) {
  const response = await fetch(`${server.site}${path}`, {
    method, headers: { 'x-token': TOKEN, 'content-type': 'application/json', ...headers }, body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text.startsWith('{') ? JSON.parse(text) : null;
}

/** Posts flags as start_sploit.py does. */
const post = (from, howMany, sploit = 'web-sqli.py', team = '10.60.1.1') => call('POST', '/api/post_flags',
  Array.from({ length: howMany }, (_, index) => ({ flag: flagOf(from + index), sploit, team })));

/** Takes what waits and answers it as a sender does; `verdictOf` says what the jury thinks of a flag. */
async function send(verdictOf) {
  const lease = await call('POST', '/api/v1/farm/lease?wait=5', { sender: 'a-sender-of-a-test', max: 500 });
  const verdicts = lease.flags.map(({ flag }) => ({ flag, ...verdictOf(flag) }));
  await call('POST', '/api/v1/farm/verdicts', { lease: lease.lease, verdicts, done: true });
  return lease.flags.length;
}
const ACCEPTED = { verdict: 'accepted', message: 'Flag accepted! Earned 4.2 flag points!' };

before(async () => {
  jury = await juryServer();
  server = await ownServer(`
[auth]
strategies = ["local"]
[farm]
config = "farm.toml"
[rates]
factor = 1000
`, { 'farm.toml': config(jury.address().port) });
  await call('POST', '/api/v1/admin/users', { name: 'chief', role: 'operator', password: 'a-long-enough-password' }, { authorization: `Bearer ${server.token}`, 'x-token': '' });
  browser = await launch();
  const page = await open(browser);
  await page.goto(`${server.site}/signin`);
  await page.getByLabel('Name').fill('chief');
  await page.getByLabel('Password').fill('a-long-enough-password');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Catalogue' }).waitFor();
  signedIn = await page.context().storageState();
  await page.context().close();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  jury?.closeAllConnections();
  jury?.close();
});

async function at(path, options = {}) {
  const page = await open(browser, { storageState: signedIn, ...options });
  await page.goto(`${server.site}${path}`);
  return page;
}

async function done(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

async function looksRight(page, name) {
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= page.viewportSize().width, `${name}: ${width} px wide`);
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
  assert.deepEqual(violations.map((one) => `${name}: ${one.id} ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`)}`), []);
}

const rows = (page) => page.locator('.flags tr[data-flag]');
const sum = async (page, word) => Number((await page.locator('.totals-row li', { hasText: word }).locator('b').innerText()).replace(/\D/g, ''));

test('R6.5 an empty farm teaches the first step, and what it teaches works', async () => {
  const page = await at('/farm', { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.getByText('No flags yet').waitFor();
  await page.getByText('No sender has asked for flags').waitFor();
  await page.getByRole('button', { name: 'Copy the command: by hand, or from any program' }).click();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  const [, body, url] = command.match(/-d '(.+)' (\S+)$/);
  assert.ok((await page.locator('.first-steps').innerText()).includes(`--server-url ${server.site}`));
  const response = await fetch(url, { method: 'POST', headers: { 'x-token': TOKEN, 'content-type': 'application/json' }, body: body.replace('…', flagOf(1)) });
  assert.equal(response.status, 200, await response.text());
  // The page hears of it by itself.
  await page.locator('.totals-row').waitFor();
  assert.equal(await sum(page, 'All flags'), 1);
  await done(page);
});

test('R6.1 any text with flags in it is pasted, by keyboard alone', async () => {
  const page = await at('/farm');
  await page.locator('.totals-row').waitFor();
  await page.keyboard.press('p');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.insertText(`look: ${flagOf(2)} and\n"${flagOf(3)}", again ${flagOf(2)} and one that is known ${flagOf(1)}`);
  await page.keyboard.press('Control+Enter');
  const notice = page.getByRole('dialog').getByRole('status');
  await notice.waitFor();
  assert.match(await notice.innerText(), /2 new/);
  await page.keyboard.press('Escape');
  assert.equal(new URL(page.url()).pathname, '/farm/flags');
  await until('the flags in the list', async () => (await rows(page).count()) === 3);
  assert.match(await rows(page).first().innerText(), /manual/);
  await page.keyboard.press('p');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.insertText('nothing of worth');
  await page.keyboard.press('Control+Enter');
  await page.getByRole('dialog').getByText('There is no flag of the configured format').waitFor();
  await done(page);
});

test('R6.5 sums, plots, who contributes and the latest verdicts change while one looks', async () => {
  const page = await at('/farm');
  await page.locator('.totals-row').waitFor();
  await post(100, 60, 'web-sqli.py', '10.60.1.1');
  await post(200, 20, 'heap.py', '10.60.2.1');
  await until('the queue to grow', async () => (await sum(page, 'Queued')) === 83);
  await send((flag) => (flag < flagOf(210) ? ACCEPTED : { verdict: 'own', message: 'Flag is your own' }));
  await until('verdicts in the sums', async () => (await sum(page, 'Accepted')) + (await sum(page, 'Rejected')) === 83);
  assert.ok((await sum(page, 'Rejected')) > 0);
  await page.locator('.verdicts li').first().waitFor();
  assert.match(await page.locator('.verdicts').innerText(), /Earned 4.2 flag points|your own/);
  await page.getByText('a-sender-of-a-test').waitFor();
  const plot = page.getByRole('img', { name: /^Flags each 10 s/ });
  await plot.waitFor();
  assert.ok(await plot.locator('canvas').evaluate((canvas) => canvas.width > 300 && canvas.height > 100));
  const contributions = page.locator('table').last();
  assert.match(await contributions.innerText(), /web-sqli\.py[\s\S]*heap\.py/);
  await page.getByRole('button', { name: 'Service', exact: true }).click();
  assert.match(await contributions.innerText(), /shop/);
  assert.equal(new URL(page.url()).searchParams.get('by'), 'service');
  await page.getByRole('link', { name: 'shop' }).click();
  await until('only flags of that service', async () => (await rows(page).count()) === 60);
  await done(page);
});

test('R6.5 filters narrow the list, and the address holds them', async () => {
  const page = await at('/farm/flags');
  await rows(page).first().waitFor();
  await page.getByRole('button', { name: 'Rejected', exact: true }).click();
  await until('only rejected ones', async () => (await rows(page).count()) > 0 && (await page.locator('.flags td .mark:not(.bad)').count()) === 0);
  assert.equal(new URL(page.url()).searchParams.get('status'), 'rejected');
  await page.getByLabel('Answer').fill('YOUR OWN');
  await page.locator('.flag-filters').getByLabel('Sploit').fill('heap.py');
  await page.keyboard.press('Escape');
  await page.keyboard.press('/');
  await page.keyboard.type(flagOf(215).slice(0, 9).toLowerCase());
  await until('one flag', async () => (await rows(page).count()) === 1);
  assert.ok((await rows(page).innerText()).includes(flagOf(215)));
  const address = page.url();
  await page.context().close();

  const second = await at(address.slice(server.site.length));
  await until('the same one flag in another window', async () => (await rows(second).count()) === 1);
  await second.getByLabel('Search flags').fill('there-is-no-such-flag');
  await second.getByText('No flag is like this').waitFor();
  await second.getByRole('button', { name: 'Show all' }).click();
  await until('all flags', async () => (await rows(second).count()) > 80);
  await done(second);
});

test('R6.9 one flag shows every attempt, with what the jury said', async () => {
  const flag = flagOf(300);
  await post(300, 1);
  await send(() => ({ verdict: 'retry', message: 'Cannot submit flags while service is down' }));
  await until('the second attempt', () => send(() => ACCEPTED).catch(() => 0), 30_000);
  const page = await at(`/farm/flags?flag=${flag.slice(0, 9)}`);
  await rows(page).first().waitFor();
  await page.getByRole('button', { name: flag }).press('Enter');
  const attempts = page.locator('.attempts li');
  await until('both attempts', async () => (await attempts.count()) === 2);
  assert.match(await attempts.first().innerText(), /try again later.*service is down/);
  assert.match(await attempts.last().innerText(), /accepted.*Earned 4.2/);
  assert.match(new URL(page.url()).search, /open=\d+/);
  await page.reload();
  await attempts.first().waitFor();
  await done(page);
});

test('R6.5 who reads further down keeps the place while flags come in', async () => {
  await post(1000, 250, 'flood.py', '10.60.9.1');
  const page = await at('/farm/flags?sploit=flood.py');
  await until('a page', async () => (await rows(page).count()) === 100);
  await page.getByRole('button', { name: 'Older flags' }).click();
  await until('two pages', async () => (await rows(page).count()) === 200);
  await rows(page).nth(150).scrollIntoViewIfNeeded();
  const place = () => rows(page).nth(150).evaluate((row) => [row.dataset.flag, Math.round(row.getBoundingClientRect().top)]);
  const before = await place();
  await post(2000, 30, 'flood.py', '10.60.9.1');
  const newer = page.getByRole('button', { name: /^30 new/ });
  await newer.waitFor();
  assert.deepEqual(await place(), before);
  await newer.click();
  await until('the newest at the top', async () => (await rows(page).first().innerText()).includes(flagOf(2029)));
  await done(page);
});

test('R6.2 the configuration is edited: errors by line, what changes, in force at once', async () => {
  const page = await at('/farm/config');
  const text = page.getByLabel('farm.toml');
  await text.waitFor();
  const before = await text.inputValue();
  assert.ok(!before.includes('the-jury-s-token-of-a-test') && !before.includes(TOKEN), 'tokens are not shown');
  await text.fill(before.replace('[A-Z0-9]{31}=', '(?<=x)[A-Z0-9]{31}='));
  assert.match(await page.locator('.diff').innerText(), /−[\s\S]*\{31\}=[\s\S]*\+[\s\S]*\(\?<=x\)/);
  await text.press('Control+s');
  const alert = page.getByRole('alert');
  await alert.getByText('Line 3').waitFor();
  await page.locator('.editor li.wrong', { hasText: '3' }).waitFor();
  assert.equal(await text.evaluate((area) => area.value.slice(0, area.selectionStart).split('\n').length), 3, 'the cursor is where the error is');
  assert.equal((await call('GET', '/api/v1/farm/teams')).flag_format, '[A-Z0-9]{31}=', 'the old one stays in force');

  await text.fill(before.replace('{1..30}', '{1..12}'));
  await page.getByRole('button', { name: 'Check and put in force' }).click();
  await page.getByText('In force.').waitFor();
  await page.getByText('Nothing yet.').waitFor();
  const teams = await call('GET', '/api/v1/farm/teams');
  assert.equal(teams.items.length, 12);
  await call('GET', '/api/get_config');
  await done(page);
});

test('R6.2 a change of the file by somebody else comes in, and is offered to who is typing', async () => {
  const page = await at('/farm/config');
  const text = page.getByLabel('farm.toml');
  await text.waitFor();
  writeFileSync(join(server.folder, 'farm.toml'), config(jury.address().port).replace('{1..30}', '{1..7}'));
  await until('the new file in the editor', async () => (await text.inputValue()).includes('{1..7}'), 30_000);
  await text.fill((await text.inputValue()).replace('submit_period = 2', 'submit_period = 3'));
  writeFileSync(join(server.folder, 'farm.toml'), config(jury.address().port).replace('{1..30}', '{1..8}'));
  await page.getByText('The file has changed meanwhile.').waitFor();
  assert.ok((await text.inputValue()).includes('submit_period = 3'), 'what was typed stays');
  await page.getByRole('button', { name: 'Compare mine with the new one' }).click();
  await until('both differences', async () => /\{1\.\.8\}/.test(await page.locator('.diff').innerText()) && /submit_period = 3/.test(await page.locator('.diff').innerText()));
  await page.getByRole('button', { name: 'Discard' }).click();
  assert.ok((await text.inputValue()).includes('{1..8}'));
  await done(page);
});

test('R6.6 teams and flag ids are shown as exploits get them, and marked when the jury is away', async () => {
  const page = await at('/farm/game');
  await page.getByText('Fresh').waitFor();
  await page.getByRole('button', { name: 'shop' }).click();
  await page.getByRole('cell', { name: 'user_one' }).waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('user_two');
  await until('one team', async () => (await page.locator('.flag-ids tbody tr').count()) === 1);
  jury.closeAllConnections();
  await new Promise((resolve) => jury.close(resolve));
  await page.getByText('Stale').waitFor();
  await page.getByText('the last try failed').waitFor();
  await page.getByRole('cell', { name: 'user_two' }).waitFor();
  await done(page);
});

const VIEWS = [['farm', '/farm', '.verdicts li'], ['farm-flags', '/farm/flags', '.flags tr[data-flag]'], ['farm-game', '/farm/game', '.flag-ids tr'], ['farm-config', '/farm/config', '.editor']];

const LOOKS = [
  ['desk', { colorScheme: 'light' }],
  ['phone', { colorScheme: 'dark', viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true }],
];

for (const [size, options] of LOOKS) {
  test(`R6.5 the farm holds AA on a ${size}, and nothing scrolls sideways`, async () => {
    const page = await open(browser, { storageState: signedIn, reducedMotion: 'reduce', ...options });
    for (const [name, path, ready] of VIEWS) {
      await page.goto(`${server.site}${path}`);
      await page.locator(ready).first().waitFor();
      await looksRight(page, `${name}-${size}`);
    }
    await done(page);
  });
}

test('R6.5 on a projector the sums and plots can be read across the room', async () => {
  const page = await at('/farm', { colorScheme: 'dark', viewport: { width: 3840, height: 2160 } });
  await page.locator('.totals-row b').first().waitFor();
  const plot = page.getByRole('img', { name: /^Flags each/ });
  await plot.waitFor();
  await page.screenshot({ path: join(pictures, 'farm-projector.png') });
  const letters = await page.locator('.totals-row b').first().evaluate((sum) => parseFloat(getComputedStyle(sum).fontSize));
  assert.ok(letters >= 60, `${letters} px`);
  assert.ok((await plot.boundingBox()).height >= 400);
  await done(page);
});

test('R6.5 a range without a farm says how to get one', async () => {
  const bare = await ownServer('[auth]\nstrategies = ["local"]\n');
  try {
    const made = await fetch(`${bare.site}/api/v1/admin/users`, {
      method: 'POST', headers: { authorization: `Bearer ${bare.token}`, 'content-type': 'application/json' }, body: JSON.stringify({ name: 'chief', role: 'operator', password: 'a-long-enough-password' }),
    });
    assert.equal(made.status, 201);
    const page = await open(browser);
    await page.goto(`${bare.site}/signin`);
    await page.getByLabel('Name').fill('chief');
    await page.getByLabel('Password').fill('a-long-enough-password');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Farm' }).click();
    await page.getByText('This range has no farm yet').waitFor();
    await done(page);
  } finally {
    await bare.stop();
  }
});
