// The screen of a machine in the page: a real VNC server in a real machine, drawn by noVNC, over the WebSocket of the API.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { api, instancesOf, launch, open, person, pictures, removePeople, signIn, START_MS, until, URL_BASE } from './support.mjs';

const TEMPLATE = 'debian-desktop';
let browser, owner, signedIn, instance;

before(async () => {
  browser = await launch();
  owner = await person();
  const page = await open(browser);
  await signIn(page, owner);
  await page.locator(`.row[data-template="${TEMPLATE}"]`).getByRole('button', { name: /^Start/ }).click();
  await page.locator(`.card[data-template="${TEMPLATE}"][data-state=running]`).waitFor({ timeout: START_MS });
  signedIn = await page.context().storageState();
  [instance] = await instancesOf(owner);
  await page.context().close();
});
after(async () => {
  await removePeople();
  await browser?.close();
});

const connected = (page) => page.locator('.screen[data-phase=open] canvas').waitFor();
/** Every seventh of the screen's pixels. */
const pixels = (page) => page.locator('.screen canvas').evaluate((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return [...new Uint32Array(data.buffer).filter((_, at) => at % 7 === 0)];
});
/** Whether two colours are no shades of each other, as what was a picture on the way (JPEG) may come to be. */
const apart = (one, other) => [0, 8, 16].some((shift) => Math.abs(((one >>> shift) & 255) - ((other >>> shift) & 255)) > 40);
/** How much of one picture is otherwise in another; 0 to 1. */
const differ = (one, other) => one.filter((pixel, at) => apart(pixel, other[at])).length / one.length;
const colours = async (page) => new Set(await pixels(page)).size;
const inside = async (...command) => (await api('POST', `/instances/${instance.id}/exec`, { command })).body.stdout;

async function desktop(query = '', options = {}) {
  const page = await open(browser, { storageState: signedIn, ...options });
  await page.goto(`${URL_BASE}/desktop/${instance.id}${query}`);
  await connected(page);
  await until('the terminal to be drawn', async () => (await colours(page)) > 20);
  return page;
}

/** Presses the right button where nothing but the background is. */
async function clickBackground(page) {
  const box = await page.locator('.screen canvas').boundingBox();
  await page.mouse.click(box.x + box.width * 0.9, box.y + box.height * 0.85, { button: 'right' });
}

test('R3.2 the desktop is opened from the card; what is clicked and typed reaches the machine and is seen', async () => {
  const page = await open(browser, { storageState: signedIn });
  await page.goto(`${URL_BASE}/`);
  await page.getByRole('button', { name: /^Desktop of/ }).click();
  await connected(page);
  assert.equal(new URL(page.url()).pathname, `/desktop/${instance.id}`);
  await until('the terminal to be drawn', async () => (await colours(page)) > 20);
  const before = await pixels(page);
  await page.screenshot({ path: join(pictures, 'desktop-light.png') });
  await clickBackground(page);
  await until('the menu to open', async () => differ(before, await pixels(page)) > 0.002);
  await page.screenshot({ path: join(pictures, 'desktop-menu.png') });
  await page.keyboard.press('Escape');
  const box = await page.locator('.screen canvas').boundingBox();
  await page.mouse.click(box.x + box.width * 0.25, box.y + box.height * 0.3);
  await until('what is typed to reach the terminal', async () => {
    await page.keyboard.type('id -un > typed');
    await page.keyboard.press('Enter');
    return (await inside('cat', 'typed')) === 'player\n';
  });
  assert.deepEqual(page.faults, [], 'and the content security policy holds');
  await page.context().close();
});

test('R3.2 no password is sent to the page', async () => {
  const { credentials } = (await api('GET', `/instances/${instance.id}`)).body;
  const page = await open(browser, { storageState: signedIn });
  const frames = [];
  page.on('websocket', (socket) => {
    if (!socket.url().includes('/desktop?')) return;
    socket.on('framereceived', ({ payload }) => { if (frames.length < 4) frames.push(Buffer.from(payload).toString('latin1')); });
  });
  await page.goto(`${URL_BASE}/desktop/${instance.id}`);
  await connected(page);
  assert.deepEqual(frames.slice(0, 3), ['RFB 003.008\n', '\x01\x01', '\0\0\0\0']);
  assert.equal(frames.join('').includes(credentials.password.slice(0, 8)), false);
  await page.context().close();
});

test('R3.5 who only watches sees what others do, and does nothing', async () => {
  const hands = await desktop();
  const eyes = await desktop('?watch=1');
  await until('both to see the same', async () => differ(await pixels(hands), await pixels(eyes)) < 0.001);
  const before = await pixels(eyes);
  await clickBackground(eyes);
  await clickBackground(hands);
  await until('the watcher to see the menu of the other', async () => differ(before, await pixels(eyes)) > 0.002);
  await hands.keyboard.press('Escape');
  await until('the menu to be gone', async () => differ(before, await pixels(eyes)) < 0.001);
  for (const page of [hands, eyes]) await page.context().close();
});

test('R3.5 a view that is ended says so, and may be opened again', async () => {
  const page = await desktop();
  const { sessions } = (await api('GET', `/instances/${instance.id}/sessions`)).body;
  for (const one of sessions) await api('DELETE', `/instances/${instance.id}/sessions/${one.id}`);
  await page.locator('.desktop-end').getByText('This session was ended').waitFor();
  await page.getByRole('button', { name: 'Connect again' }).click();
  await connected(page);
  await page.context().close();
});

for (const scheme of ['light', 'dark']) {
  test(`R11.1 contrast and roles of the desktop hold AA in ${scheme}, and it fits a narrow window`, async () => {
    const page = await desktop('', { colorScheme: scheme, reducedMotion: 'reduce' });
    const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
    assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target)}`), []);
    await page.setViewportSize({ width: 320, height: 640 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= 320), true);
    await page.context().close();
  });
}
