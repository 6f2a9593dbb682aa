import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { api, card, instancesOf, launch, open, person, removePeople, row, signIn, START_MS, TEMPLATE, until, URL_BASE } from './support.mjs';

// A lease that somebody can wait for: with the policy of the hall it can be extended once, when half of it has passed.
const LEASE_S = 80;
let browser;
let ownLease;

async function setLease(timeout_s, extend_s) {
  const { status, body } = await api('PATCH', `/admin/templates/${TEMPLATE}`, { lease: { timeout_s, extend_s } });
  assert.equal(status, 200, `changing the lease: ${JSON.stringify(body)}`);
}

before(async () => {
  browser = await launch();
  const { status, body } = await api('GET', `/templates/${TEMPLATE}`);
  assert.equal(status, 200);
  ownLease = body.lease;
  await setLease(LEASE_S, LEASE_S);
});

after(async () => {
  await removePeople();
  if (ownLease) await setLease(ownLease.timeout_s, ownLease.extend_s);
  await browser?.close();
});

/** Checks the machine's own page: it came through the gateway, from this instance. */
async function checkMachinePage(machine, instanceId) {
  await machine.waitForLoadState('load');
  const host = new URL(machine.url()).hostname;
  assert.match(host, /^[0-9a-f]{24}\./, 'the name tells nobody anything');
  assert.ok(!host.includes(instanceId.toLowerCase()), host);
  const again = await machine.reload();
  assert.equal(again.status(), 200);
  assert.match(await machine.content(), /hello|flag/i, 'the machine answers with its own page');
}

const seconds = (text) => text.split(':').map(Number).reduce((sum, part) => sum * 60 + part, 0);

test('R11.1 sign in, start, open through the gateway, extend, stop with undo, stop', async (t) => {
  const who = await person();
  const page = await open(browser);
  await signIn(page, who);
  await page.getByText('Nothing is running').waitFor();

  await t.test('R11.1 a start shows at once and arrives at running', async () => {
    let letGo;
    const shown = new Promise((resolve) => { letGo = resolve; });
    const isStart = (request) => request.method() === 'POST';
    await page.route('**/api/v1/instances', async (route) => {
      if (isStart(route.request())) await shown;
      await route.continue();
    });
    await row(page).getByRole('button', { name: /^Start / }).click();
    // The request has not even left: what shows now is the page's own expectation.
    await card(page, 'starting').waitFor();
    assert.deepEqual(await instancesOf(who), []);
    letGo();
    await card(page, 'running').waitFor({ timeout: START_MS });
    assert.match(await card(page).innerText(), /Running/);
    assert.equal((await instancesOf(who)).length, 1);
  });
  const [instance] = await instancesOf(who);

  await t.test('R11.1 the count-down runs and hovering it says exactly when', async () => {
    const left = card(page).locator('time.left');
    assert.match(await left.getAttribute('title'), /^Ends \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
    assert.equal(await left.getAttribute('datetime'), instance.expires_at);
    const read = async () => seconds((await left.innerText()).match(/[\d:]+/)[0]);
    const first = await read();
    const exact = (Date.parse(instance.expires_at) - Date.now()) / 1000;
    assert.ok(Math.abs(first - exact) < 4, `shows ${first} s, ${exact} s are left`);
    await until('the count-down to move', async () => (await read()) < first);
  });

  await t.test('R11.1 the machine opens in a new tab through the gateway', async () => {
    const link = card(page).getByRole('link', { name: 'Open', exact: true });
    const [machine] = await Promise.all([page.context().waitForEvent('page'), link.click()]);
    await checkMachinePage(machine, instance.id);
    await machine.close();
  });

  await t.test('R11.1 the address can be copied', async () => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await card(page).getByRole('button', { name: /^Copy the address/ }).first().click();
    await card(page).getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), instance.endpoints.find((one) => one.kind === 'http').url);
  });

  await t.test('R11.1 details show the machine and its output', async () => {
    await card(page).getByRole('button', { name: /^Details of/ }).click();
    await card(page).locator('.details').getByText(instance.id).waitFor();
    await card(page).locator('.logs pre').waitFor();
    await card(page).getByRole('button', { name: /^Details of/ }).click();
  });

  await t.test('R11.1 extend says when it can be, then adds the time that it names, then that there is no more', async () => {
    const early = card(page).getByRole('button', { name: /^Extend in \d:\d\d$/ });
    assert.equal(await early.getAttribute('aria-disabled'), 'true');
    // It says of itself that it is disabled, so that Playwright must be told to press it all the same; people can.
    await early.click({ force: true });
    await page.locator('.toasts li').filter({ hasText: /can be extended in \d:\d\d/ }).waitFor();
    await card(page).getByRole('button', { name: `Extend ${LEASE_S} s` }).click({ timeout: LEASE_S * 1000 });
    const extended = await until('the new end', async () => {
      const [one] = await instancesOf(who);
      return one.expires_at !== instance.expires_at && one;
    });
    assert.equal(Date.parse(extended.expires_at) - Date.parse(instance.expires_at), LEASE_S * 1000);
    await card(page).locator(`time.left[datetime="${extended.expires_at}"]`).waitFor();
    await card(page).getByRole('button', { name: 'No more time' }).waitFor();
  });

  await t.test('R11.1 a stop names what it destroys and can be undone', async () => {
    await card(page).getByRole('button', { name: 'Stop', exact: true }).click();
    const message = page.locator('.toasts li').filter({ hasText: 'Stopping' });
    assert.match(await message.innerText(), /network and files are destroyed/);
    await message.getByRole('button', { name: 'Undo' }).click();
    await card(page, 'running').getByRole('button', { name: 'Stop', exact: true }).waitFor();
    // Longer than the stop would have taken to be sent.
    await page.waitForTimeout(5000);
    const [one] = await instancesOf(who);
    assert.equal(one?.state, 'running', 'nothing was sent to the server');
  });

  await t.test('R11.1 a stop that is not undone happens', async () => {
    await card(page).getByRole('button', { name: 'Stop', exact: true }).click();
    await page.locator(`.ended[data-template="${TEMPLATE}"]`).waitFor({ timeout: START_MS });
    assert.match(await page.locator('.ended').innerText(), /Stopped by you/);
    assert.deepEqual(await instancesOf(who), []);
    await row(page).getByRole('button', { name: /^Start / }).waitFor();
  });
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('R11.1 the same with nothing but the keyboard', async () => {
  const who = await person();
  const page = await open(browser);
  const focus = () => page.evaluate(() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    return { template: element.dataset?.template, instance: element.dataset?.instance, outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 };
  });
  await page.goto(`${URL_BASE}/signin`);
  await page.locator('input[name=name]:focus').waitFor();
  await page.keyboard.type(who.name);
  await page.keyboard.press('Tab');
  await page.keyboard.type(who.password);
  await page.keyboard.press('Enter');
  await row(page).waitFor();

  await page.keyboard.press('?');
  await page.getByRole('dialog').getByText('Search', { exact: true }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });

  await page.keyboard.press('/');
  await page.keyboard.type(TEMPLATE);
  assert.equal(await page.locator('.row').count(), 1);
  assert.ok(page.url().includes(`q=${TEMPLATE}`), 'the URL holds the search');
  await page.keyboard.press('Enter');
  assert.deepEqual(await focus(), { template: TEMPLATE, instance: undefined, outlined: true });
  await page.keyboard.press('Enter');
  await card(page, 'running').waitFor({ timeout: START_MS });
  const [instance] = await instancesOf(who);

  await page.keyboard.press('k');
  assert.deepEqual(await focus(), { template: TEMPLATE, instance: instance.id, outlined: true });
  const [machine] = await Promise.all([page.context().waitForEvent('page'), page.keyboard.press('Enter')]);
  await checkMachinePage(machine, instance.id);
  await machine.close();

  await page.keyboard.press('e');
  await page.locator('.toasts li').filter({ hasText: /can be extended in \d:\d\d/ }).waitFor();
  await card(page).getByRole('button', { name: `Extend ${LEASE_S} s` }).waitFor({ timeout: LEASE_S * 1000 });
  await page.keyboard.press('e');
  await until('the new end', async () => (await instancesOf(who))[0].expires_at !== instance.expires_at);
  await page.keyboard.press('s');
  await card(page).getByRole('button', { name: 'Undo' }).waitFor();
  await page.keyboard.press('u');
  await card(page, 'running').getByRole('button', { name: 'Stop', exact: true }).waitFor();
  await page.keyboard.press('s');
  await page.locator(`.ended[data-template="${TEMPLATE}"]`).waitFor({ timeout: START_MS });
  assert.deepEqual(await instancesOf(who), []);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});
