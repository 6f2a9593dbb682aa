// The terminal in the page: a real shell in a real machine, over the WebSocket of the API.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { card, launch, open, person, personWithMachine, pictures, removePeople, signIn, until, URL_BASE } from './support.mjs';

let browser, signedIn, instance;

before(async () => {
  browser = await launch();
  ({ signedIn, instance } = await personWithMachine(browser));
});
after(async () => {
  await removePeople();
  await browser?.close();
});

const printed = (page) => page.locator('.xterm-rows').innerText();
const until_printed = (page, what) => until(`the terminal to print ${what}`, async () => what.test(await printed(page)));
// The shell edits its line again: keys like Tab and the arrows mean something only then.
const prompted = (page) => until('the prompt', async () => /[#$]$/.test((await printed(page)).trimEnd()));
const connected = (page) => page.locator('.terminal[data-phase=open]').waitFor();

async function terminal(options = {}) {
  const page = await open(browser, { storageState: signedIn, ...options });
  await page.goto(`${URL_BASE}/terminal/${instance.id}`);
  await connected(page);
  return page;
}

test('R3.1 a command is typed into a machine and its output read, from the card by keyboard', async () => {
  const page = await open(browser, { storageState: signedIn });
  await page.goto(`${URL_BASE}/`);
  await card(page, 'running').waitFor();
  await page.keyboard.press('t');
  await connected(page);
  assert.equal(new URL(page.url()).pathname, `/terminal/${instance.id}`);
  // What is computed in the machine cannot be the echo of what was typed.
  await page.keyboard.type('echo $((6*7))-$(cat /www/flag.txt | wc -l | tr -d " ")-"käse"');
  await page.keyboard.press('Enter');
  await until_printed(page, /^42-\d+-käse/m);
  await page.screenshot({ path: join(pictures, 'terminal-light.png') });
  assert.deepEqual(page.faults, [], 'and the content security policy holds');
  await page.context().close();
});

test('R3.1 keys of the shell reach it: Tab, Ctrl+C, arrows', async () => {
  const page = await terminal();
  // Ctrl+C stops what runs: pressed while the shell still edits its line, it would only be one more character of it.
  await page.keyboard.type('echo go""ing; sleep 600');
  await page.keyboard.press('Enter');
  await until_printed(page, /^going/m);
  await page.keyboard.press('Control+c');
  await prompted(page);
  await page.keyboard.type('echo st""ill-here; ls -d /ww');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await until_printed(page, /^still-here/m);
  await until_printed(page, /^\/www\/?$/m);
  await prompted(page);
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Home');
  await page.keyboard.type('echo ag""ain; ');
  await page.keyboard.press('Enter');
  await until_printed(page, /^again[\s\S]*^still-here/m);
  await page.context().close();
});

test('R3.1 the machine learns the size of the window, also when it changes', async () => {
  const page = await terminal();
  let turn = 0;
  const size = async () => {
    // Each answer has a number of its own, so that an old one is not taken for it.
    turn += 1;
    await page.keyboard.type(`stty size | tr " " x | sed "s/^/size ${turn} /"`);
    await page.keyboard.press('Enter');
    const answer = new RegExp(`^size ${turn} (\\d+)x(\\d+)`, 'm');
    const found = await until('the size', async () => (await printed(page)).match(answer));
    return found.slice(1).map(Number);
  };
  const [rows, columns] = await size();
  assert.ok(rows > 15 && columns > 80, `${rows} x ${columns}`);
  await page.setViewportSize({ width: 700, height: 500 });
  await until('the smaller size to arrive', async () => { const [high, wide] = await size(); return high < rows && wide < columns; });
  await page.context().close();
});

test('R3.1 text is pasted as it is and copied from the screen', async () => {
  const page = await terminal({ permissions: ['clipboard-read', 'clipboard-write'] });
  await page.evaluate(() => navigator.clipboard.writeText('echo pas""ted'));
  await page.getByRole('button', { name: 'Paste' }).click();
  // The clipboard is read behind the click: what is pasted is there when the shell shows it.
  await until_printed(page, /echo pas""ted/);
  await page.keyboard.press('Enter');
  await until_printed(page, /^pasted/m);
  await page.locator('.xterm-rows > div', { hasText: /^pasted/ }).first().click({ clickCount: 3 });
  await page.keyboard.press('Control+Shift+C');
  await until('the clipboard', async () => (await page.evaluate(() => navigator.clipboard.readText())).trim() === 'pasted');
  await page.context().close();
});

test('R3.1 an end says what happened, and Enter opens a new shell', async () => {
  const page = await terminal();
  await page.keyboard.type('exit 3');
  await page.keyboard.press('Enter');
  await page.locator('.terminal-end').getByText('The shell has ended (exit code 3).').waitFor();
  await page.keyboard.press('Enter');
  await connected(page);
  await page.keyboard.type('echo ne""w');
  await page.keyboard.press('Enter');
  await until_printed(page, /^new/m);
  await page.context().close();
});

test('R3.1 the keyboard finds the way out, and the page tells how', async () => {
  const page = await terminal();
  await page.getByText('leaves the terminal').waitFor();
  await page.keyboard.press('Control+Shift+X');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Leave');
  await page.keyboard.press('Enter');
  await card(page, 'running').waitFor();
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('R3.1 whose machine it is not gets no shell and is told so', async () => {
  const page = await open(browser);
  await signIn(page, await person());
  await page.goto(`${URL_BASE}/terminal/${instance.id}`);
  await page.locator('.terminal[data-phase=refused]').waitFor();
  await page.locator('.terminal-end').getByRole('alert').waitFor();
  assert.equal(await printed(page).then((text) => text.trim()), '');
  await page.context().close();
});

const LOOKS = [
  ['desk', { colorScheme: 'light' }],
  ['phone', { colorScheme: 'dark', viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 }],
  ['projector', { colorScheme: 'dark', viewport: { width: 3840, height: 2160 } }],
];

for (const [name, options] of LOOKS) {
  test(`R3.1 the terminal holds AA on a ${name}, colours of the machine included`, async () => {
    const page = await terminal({ reducedMotion: 'reduce', ...options });
    await page.locator('.xterm-helper-textarea').focus();
    await page.keyboard.type('printf "\\033[31mred \\033[33myellow \\033[38;2;200;220;255mtrue\\033[0m done\\n"');
    await page.keyboard.press('Enter');
    await until_printed(page, /^red yellow true done/m);
    await page.screenshot({ path: join(pictures, `terminal-${name}.png`) });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= page.viewportSize().width, `${width} px wide`);
    const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
    assert.deepEqual(violations.map((one) => `${one.id} ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`)}`), []);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
}

test('R3.1 on a phone the keys that its keyboard lacks are on the page', async () => {
  const page = await terminal({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  await page.locator('.xterm-helper-textarea').focus();
  await page.keyboard.type('echo go""ing; sleep 600');
  await page.keyboard.press('Enter');
  await until_printed(page, /^going/m);
  await page.getByRole('button', { name: 'Ctrl' }).tap();
  await page.keyboard.type('c');
  await prompted(page);
  await page.keyboard.type('echo fr""ee');
  await page.keyboard.press('Enter');
  await until_printed(page, /^free/m);
  await prompted(page);
  await page.getByRole('button', { name: '↑' }).tap();
  await page.keyboard.press('Enter');
  await until_printed(page, /^free[\s\S]*^free/m);
  await page.context().close();
});
