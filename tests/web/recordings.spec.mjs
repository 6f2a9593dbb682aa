// Recordings in the page: the list, the player, and what a machine could have put into one to attack whoever looks at it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { ownServer } from './server.mjs';
import { launch, open, pictures, until } from './support.mjs';

let browser, server, signedIn;

/** Rows as the server writes them at the end of a recording. */
const ROWS = `
import json, os, sqlite3, sys, time
folder, database = sys.argv[1:]
with sqlite3.connect(database) as sql:
    owner = sql.execute("SELECT id FROM users WHERE name = 'ann'").fetchone()[0]
    for number, name in enumerate(sorted(os.listdir(folder))):
        detail = {"machine": "web", "kind": "terminal", "columns": 80, "rows": 24, "by_name": "ann", "by": owner, "reason": "ended"}
        began = int(time.time() * 1e6) - 3600000000 + number * 60000000
        sql.execute("INSERT INTO recordings (id, instance, owner, started_at, ended_at, size, detail) VALUES (?, 'web-1', ?, ?, ?, ?, ?)",
                    (name.removesuffix(".cast"), owner, began, began + 30000000, os.path.getsize(os.path.join(folder, name)), json.dumps(detail)))
`;

const cast = (moments, head = {}) => [{ version: 2, width: 80, height: 24, timestamp: 1_700_000_000, ...head }, ...moments].map((line) => JSON.stringify(line)).join('\n') + '\n';
const ESC = '\x1b';
const CASTS = {
  plain: cast([[0.5, 'o', '$ ls\r\n'], [1, 'o', `${ESC}[31mred-fish${ESC}[0m\r\n`], [20, 'r', '100x30'], [20.2, 'o', '$ echo blue-whale\r\nblue-whale\r\n'], [300, 'o', '$ exit\r\n']]),
  // What asks for more than any screen has would take minutes or gigabytes; what speaks to the terminal or the page must come to nothing.
  hostile: cast([
    ...[...'@ABCDEFILMPSTXZabe'].map((final, at) => [at / 100, 'o', `x${ESC}[2147483647${final}`]),
    [1, 'o', `${ESC}]8;;javascript:document.title='taken'//${ESC}\\click-me${ESC}]8;;${ESC}\\ ${ESC}]0;taken\x07${ESC}]52;c;dGFrZW4=\x07${ESC}[c${ESC}[6n${ESC}P$qm${ESC}\\`],
    [1.1, 'o', `${ESC}[8;5000;5000t${ESC}[?1049h${ESC}[?1000h`], [1.2, 'r', '99999999x99999999'], [1.3, 'r', '80x24'], [1.4, 'o', `${ESC}c<img src=x onerror="document.title='taken'"> all-well\r\n`],
  ], { title: '<script>document.title="taken"</script>' }),
  // No recording, and one that was cut.
  'no-recording': '<html><script>document.title="taken"</script></html>\n',
  'was-cut': cast([[1, 'o', 'kept-this\r\n']]) + '[2, "o", "half a li',
};

before(async () => {
  server = await ownServer('[auth]\nstrategies = ["local"]\n[rates]\nfactor = 1000\n');
  for (const name of ['ann', 'ben']) {
    const made = await fetch(`${server.site}/api/v1/admin/users`, {
      method: 'POST', headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name, role: 'player', password: 'a-long-enough-password' }),
    });
    assert.equal(made.status, 201);
  }
  await server.kill();
  const folder = join(server.folder, 'data', 'recordings');
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(CASTS)) writeFileSync(join(folder, `${name}.cast`), text);
  execFileSync('/usr/bin/python3', ['-c', ROWS, folder, join(server.folder, 'data', 'tiltyard.db')]);
  await server.start();
  browser = await launch();
  signedIn = {};
  for (const name of ['ann', 'ben']) {
    const page = await open(browser);
    await page.goto(`${server.site}/signin`);
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill('a-long-enough-password');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Machines' }).waitFor();
    signedIn[name] = await page.context().storageState();
    await page.context().close();
  }
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const watch = async (name, options = {}) => {
  const page = await open(browser, { storageState: signedIn.ann, ...options });
  await page.goto(`${server.site}/recordings/${name}`);
  return page;
};
const shown = (page) => page.locator('.xterm-rows').innerText();
const untilShown = (page, what) => until(`the player to show ${what}`, async () => what.test(await shown(page)), 60_000);
const now = async (page) => Number(await page.locator('.recording-time').getAttribute('data-now'));
const axe = async (page) => (await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze()).violations
  .map((one) => `${one.id} ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`)}`);

test('R3.5 recordings are listed for their owner and no one else, and one is played from the list', async () => {
  const page = await open(browser, { storageState: signedIn.ann });
  await page.goto(`${server.site}/recordings`);
  await page.locator('tbody tr').first().waitFor();
  assert.equal(await page.locator('tbody tr').count(), Object.keys(CASTS).length);
  await page.screenshot({ path: join(pictures, 'recordings-light.png') });
  assert.deepEqual(await axe(page), []);
  await page.locator('tbody a[href="/recordings/plain"]').click();
  await untilShown(page, /red-fish/);
  assert.deepEqual(page.faults, []);
  const other = await open(browser, { storageState: signedIn.ben });
  await other.goto(`${server.site}/recordings`);
  await other.getByText('Nothing was recorded').waitFor();
  await other.goto(`${server.site}/recordings/plain`);
  await other.getByRole('alert').first().waitFor();
  assert.equal(await other.locator('.xterm-rows').count(), 0);
  for (const one of [page, other]) await one.context().close();
});

test('R3.5 a recording is played, sped up, gone through and searched', async () => {
  const page = await watch('plain');
  await untilShown(page, /red-fish/);
  await page.getByRole('button', { name: 'Pause' }).click();
  const place = page.getByRole('slider', { name: 'Place' });
  // Without pauses it lasts as long as what was shown and a second for each pause; with them, as long as it did.
  assert.equal(Number(await place.getAttribute('max')) < 5, true);
  await page.getByLabel('Without pauses').uncheck();
  await until('the pauses to be back', async () => Number(await place.getAttribute('max')) === 300);
  await page.getByRole('searchbox').fill('BLUE-whale');
  await page.getByText('2 places:').waitFor();
  await page.locator('.recording-found button').last().click();
  await until('the player to be there', async () => (await now(page)) >= 20 && (await now(page)) < 25);
  await untilShown(page, /blue-whale/);
  assert.doesNotMatch(await shown(page), /exit/);
  // Back to where it was not shown yet, by the slider; at sixteen times its speed it comes again.
  await place.focus();
  await page.keyboard.press('Home');
  await until('the beginning', async () => (await now(page)) === 0 && !/red-fish/.test(await shown(page)));
  await page.getByLabel('Speed').selectOption('16');
  await page.getByRole('button', { name: 'Play' }).click();
  await untilShown(page, /blue-whale/);
  await page.screenshot({ path: join(pictures, 'recording-light.png') });
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('R3.5 what a machine puts into a recording neither reaches the page nor stops it', async () => {
  const page = await watch('hostile');
  const title = await page.title();
  let dialogs = 0;
  page.on('dialog', (dialog) => { dialogs += 1; void dialog.dismiss(); });
  await untilShown(page, /all-well/);
  assert.match(await shown(page), /<img src=x onerror=/, 'it is text');
  await page.getByRole('slider', { name: 'Place' }).focus();
  await page.keyboard.press('Home');
  await page.getByRole('button', { name: 'Play' }).click();
  await untilShown(page, /all-well/);
  assert.equal(await page.title(), title);
  assert.equal(dialogs, 0);
  assert.equal(await page.locator('.recording-screen img, .recording-screen script').count(), 0);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('R3.5 what is no recording is said, and one that was cut plays as far as it goes', async () => {
  const wrong = await watch('no-recording');
  await wrong.getByText('This file is no recording.').waitFor();
  const cut = await watch('was-cut');
  await untilShown(cut, /kept-this/);
  assert.deepEqual([...wrong.faults, ...cut.faults], []);
  for (const page of [wrong, cut]) await page.context().close();
});

test('R3.5 the player fits a phone and is read in the dark', async () => {
  const page = await watch('plain', { viewport: { width: 320, height: 640 }, colorScheme: 'dark', hasTouch: true, isMobile: true, reducedMotion: 'reduce' });
  await untilShown(page, /red-fish/);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 320);
  await page.screenshot({ path: join(pictures, 'recording-phone.png'), fullPage: true });
  assert.deepEqual(await axe(page), []);
  await page.context().close();
});
