// Names on the page: asked for where a machine is, proved, led elsewhere, given back. Over a server of the test's own, whose DNS nobody answers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { ownServer } from './server.mjs';
import { launch, open, START_MS, until } from './support.mjs';

const PASSWORD = 'a-long-enough-password';
const SETTINGS = `
[auth]
strategies = ["local"]
[rates]
factor = 1000
[network]
pool = "127.202.0.0/16"
[names]
free_domain = "apps.test"
own_domains = true
resolver = ["127.0.0.1:9"]
target = "gate.test"
addresses = ["192.0.2.7"]
`;
const FILES = {
  'templates/notes/instance.toml': 'name = "Notes"\nports = [8000]\ntimeout = 3600\n[ready]\ninterval = 50\n',
  'templates/notes/Dockerfile': 'FROM scratch\nCMD ["/serve"]\n',
};
let browser, server;

const api = (method, path, body) => fetch(`${server.site}/api/v1${path}`, {
  method, headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
});

before(async () => {
  server = await ownServer(SETTINGS, FILES);
  browser = await launch();
  assert.equal((await api('POST', '/admin/users', { name: 'ada', role: 'player', password: PASSWORD })).status, 201);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function signedIn() {
  const page = await open(browser);
  await page.goto(`${server.site}/signin`);
  await page.getByLabel('Name').fill('ada');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Catalogue' }).waitFor();
  return page;
}

const named = (page, name) => page.locator(`article[data-name="${name}"]`);

test('R2.6 a name is asked for from its machine, and given back', async () => {
  const page = await signedIn();
  await page.getByRole('button', { name: 'Start Notes' }).click();
  const card = page.locator('.card[data-state=running]');
  await card.waitFor({ timeout: START_MS });
  await card.getByRole('button', { name: 'Details of Notes' }).click();
  await card.getByRole('link', { name: 'Give it a name of your own' }).click();
  await page.getByRole('heading', { name: 'Names', level: 1 }).waitFor();
  const form = page.getByRole('form', { name: 'Ask for a name' });
  await form.getByLabel('Name').fill('admin');
  await form.getByRole('button', { name: 'Ask for it' }).click();
  await form.getByText('kept for the house').waitFor();
  await form.getByLabel('Name').fill('My-App');
  await form.getByRole('button', { name: 'Ask for it' }).click();
  const mine = named(page, 'my-app.apps.test');
  await mine.getByText('Yours').waitFor();
  assert.match(await mine.getByRole('link', { name: 'my-app.apps.test' }).getAttribute('href'), /^http:\/\/my-app\.apps\.test:\d+\/$/);

  await form.getByLabel('Name').fill('www.example.org');
  await form.getByRole('button', { name: 'Ask for it' }).click();
  const own = named(page, 'www.example.org');
  await own.getByText('To be proved').waitFor();
  await own.getByText('_tiltyard.www.example.org', { exact: true }).waitFor();
  await own.getByText(/^tiltyard=[0-9a-f]{32}$/).waitFor();
  await own.getByText('gate.test', { exact: true }).waitFor();
  await own.getByText('192.0.2.7', { exact: true }).waitFor();
  await own.getByRole('button', { name: 'Look now' }).click();
  await own.getByText('The DNS gives no answer').first().waitFor();

  // By keyboard: into the form, and out of it to where one was.
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('name') ?? document.activeElement?.textContent);
  await own.getByRole('button', { name: 'Lead elsewhere' }).press('Enter');
  await until('the form to have the focus', async () => await focused() === 'instance');
  await page.keyboard.press('Escape');
  await until('the button to have the focus again', async () => await focused() === 'Lead elsewhere');
  await own.getByRole('button', { name: 'Lead elsewhere' }).click();
  const move = page.getByRole('form', { name: 'Lead www.example.org elsewhere' });
  await move.getByLabel('It goes on').check();
  await move.getByRole('button', { name: 'Lead it there' }).click();
  await own.getByText('goes on to the next one').waitFor();

  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
    assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target)}`), []);
  }
  await page.setViewportSize({ width: 320, height: 800 });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 320), 'nothing is cut at 320 px');
  if (process.env.TILTYARD_SHOTS) await page.screenshot({ path: `${process.env.TILTYARD_SHOTS}/names.png`, fullPage: true });

  await own.getByRole('button', { name: 'Give it back' }).click();
  await own.getByRole('button', { name: 'Give www.example.org back?' }).click();
  await until('the domain to be gone', async () => (await own.count()) === 0);
  await mine.getByRole('button', { name: 'Give it back' }).click();
  await mine.getByRole('button', { name: 'Give my-app.apps.test back?' }).click();
  await mine.getByText('Given back').waitFor();
  assert.deepEqual(page.faults, []);
  await page.context().close();
});
