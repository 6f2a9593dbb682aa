// Keeps the picture true: news from the server's rooms, and asking every two seconds while they do not get through.
import { asFailure, call, Failure, listAll, serverNow } from './api';
import { closeRooms, follow, isJoined, openRooms, type News } from './rooms';
import { isLive } from './state';
import { current, dispatch, say } from './store';
import { endWords, firstLine, instanceLook } from './words';
import type { Instance, Me, Template } from './openapi';

const POLL_MS = 2000;
const MINE = 'instances:mine';

// Over in a moment, and about one request only: whoever made it is told, the page as a whole is well.
const BUSY = new Set(['queue-full', 'too-many-connections', 'store-busy']);

let pollTimer: ReturnType<typeof setTimeout> | undefined;
let troubleTimer: ReturnType<typeof setTimeout> | undefined;
let running = false;
let unfollow: (() => void)[] = [];

/** Tells a screen reader about a change that nobody clicked for just now. */
function announce(before: Instance | undefined, after: Instance): void {
  if (before?.state === after.state) return;
  if (!before && !isLive(after)) return;
  const name = after.template_name;
  if (after.state === 'failed') say(`${name} failed. ${firstLine(after.reason?.text ?? '')}`);
  else if (after.state === 'stopped') say(`${name}: ${endWords(after)}.`);
  else if (after.state === 'queued' && after.queue) say(`${name} is queued, place ${after.queue.position}.`);
  else say(`${name} is ${instanceLook(after.state).word.toLowerCase()}.`);
}

export function learnInstance(instance: Instance): void {
  announce(current().instances[instance.id], instance);
  dispatch({ type: 'instance', instance, now: serverNow() });
}

/** Fetches everything. Answers whether it worked; what went wrong is shown. */
export async function refresh(): Promise<boolean> {
  const askedAt = serverNow();
  try {
    const [templates, instances] = await Promise.all([
      listAll<'listTemplates'>('/templates'),
      listAll<'listInstances'>('/instances?owner=me&limit=100', 3),
    ]);
    const before = current();
    if (!before.me) return true;
    if (before.loaded) for (const one of instances) announce(before.instances[one.id], one);
    dispatch({ type: 'snapshot', templates, instances, askedAt, now: serverNow() });
    if (current().trouble?.reason === 'unreachable') dispatch({ type: 'trouble', trouble: null });
    return true;
  } catch (error) {
    // Who has no machines here has none to be told of.
    if (asFailure(error).reason === 'switched-off') return true;
    noteFailure(error);
    return false;
  }
}

/** Something is away or the session has ended: shows it once, for the whole page. Other failures are the caller's. */
export function noteFailure(error: unknown): void {
  if (!(error instanceof Failure)) return;
  if (error.status === 401 && error.reason !== 'credentials-wrong') {
    void askSession();
  } else if (error.status === 0 || ((error.status === 502 || error.status === 504) && error.reason.startsWith('http-'))) {
    dispatch({ type: 'trouble', trouble: { reason: 'unreachable', text: 'The server cannot be reached. What runs keeps running; this page shows what it last knew.' } });
    watchTrouble();
  } else if (error.status === 503 && !BUSY.has(error.reason)) {
    dispatch({ type: 'trouble', trouble: { reason: error.reason, text: error.message } });
    watchTrouble(error.retryAfterS);
  }
}

/** A 401 may be the late answer to a request with the cookie of before, as after a new password: who is signed in now decides. */
async function askSession(): Promise<void> {
  if (await whoAmI().catch(() => true)) return;
  stopLive();
  if (current().me) dispatch({ type: 'signed-out' });
}

interface Readiness {
  status: string;
  checks?: { name: string; status: string; detail?: string }[];
}

/** Asks until the server is ready again, then takes the banner away. */
function watchTrouble(retryAfterS: number | null = null): void {
  clearTimeout(troubleTimer);
  troubleTimer = setTimeout(askReady, Math.min(30, Math.max(1, retryAfterS ?? 3)) * 1000);
}

export async function askReady(): Promise<void> {
  clearTimeout(troubleTimer);
  if (!current().trouble) return;
  try {
    const response = await fetch('/readyz', { headers: { accept: 'application/json' } });
    if (response.ok) {
      dispatch({ type: 'trouble', trouble: null });
      say('The server is ready again.');
      if (running && !isJoined(MINE)) connect();
      return;
    }
    const body = (await response.json()) as Readiness;
    const bad = (body.checks ?? []).find((check) => check.status !== 'ok' && check.detail);
    dispatch({ type: 'trouble', trouble: { reason: 'not-ready', text: bad?.detail ? `${bad.name}: ${bad.detail}` : 'The server is not ready yet.' } });
  } catch {
    // Still away; the banner says so already.
  }
  watchTrouble();
}

/** From here on everything is told; the page stops asking. */
function arrived(recovered: boolean): void {
  clearTimeout(pollTimer);
  pollTimer = undefined;
  dispatch({ type: 'link', link: 'live' });
  // What was missed has been told already; otherwise only a list says what is no longer there.
  if (!recovered) void refresh();
}

function onInstance({ event, body }: News): void {
  if (event === 'joined' || event === 'recovered') arrived(event === 'recovered');
  else if (event === 'instance' && body.instance) learnInstance(body.instance as Instance);
  else if (event === 'instance') dispatch({ type: 'gone', id: String(body.id) });
}

function onTemplate({ event, body }: News): void {
  if (event === 'template' && body.template) dispatch({ type: 'template', template: body.template as Template, now: serverNow() });
  else if (event === 'template') dispatch({ type: 'gone', id: String(body.id) });
}

function connect(): void {
  openRooms({
    down: () => {
      if (!running) return;
      if (current().link === 'live') dispatch({ type: 'link', link: 'late' });
      poll();
    },
    refused: (reason) => { if (reason === 'not-signed-in' || reason === 'session-ended') void askSession(); },
  });
  // Until the room is joined the page asks by itself, so that something between us that swallows connections costs nothing.
  poll();
}

/** Asks every two seconds for as long as no news comes by itself. */
function poll(): void {
  if (pollTimer !== undefined) return;
  let turns = 0;
  const turn = async (): Promise<void> => {
    const worked = await refresh();
    if (!running || isJoined(MINE)) {
      pollTimer = undefined;
      return;
    }
    if (!worked) dispatch({ type: 'link', link: 'offline' });
    else if (++turns > 1 || current().link !== 'connecting') dispatch({ type: 'link', link: 'late' });
    pollTimer = setTimeout(() => void turn(), POLL_MS);
  };
  pollTimer = setTimeout(() => void turn(), 0);
}

/** What is switched on and off for who is signed in; what cannot be asked for is taken to be on. */
export async function whatIsOn(): Promise<Record<string, boolean>> {
  try {
    return (await call<'myFeatures'>('/me/features')).features;
  } catch {
    return {};
  }
}

export function startLive(): void {
  if (running) return;
  running = true;
  unfollow = [follow(MINE, onInstance), follow('templates', onTemplate)];
  connect();
}

export function stopLive(): void {
  running = false;
  for (const stop of unfollow.splice(0)) stop();
  closeRooms();
  clearTimeout(pollTimer);
  pollTimer = undefined;
}

addEventListener('online', () => void askReady());

/** Who is signed in, as the server says; null when nobody is. Throws when it cannot be asked. */
export async function whoAmI(): Promise<Me | null> {
  try {
    return await call<'getMe'>('/me');
  } catch (error) {
    if (error instanceof Failure && error.status === 401) return null;
    throw error;
  }
}
