// What a person can do, from any place on the page.
import { asFailure, call, serverNow } from './api';
import { wayTo } from './door';
import { learnInstance, noteFailure } from './live';
import type { Instance, Template } from './openapi';
import { isAsked, isLive, liveOf } from './state';
import { current, dispatch, say, toast } from './store';
import { countdown, duration } from './time';
import { extendTrouble, startTrouble, stopDestroys } from './words';

/** How long a stop can be undone before it is sent, in ms. */
export const UNDO_MS = 4000;

export async function start(templateId: string): Promise<void> {
  const { templates, me } = current();
  const template: Template | undefined = templates[templateId];
  if (!template || !me || template.state !== 'ready') return;
  if (liveOf(current(), templateId)) return;
  dispatch({ type: 'asked', template, me, now: serverNow() });
  say(`Starting ${template.name}.`);
  try {
    const instance = await call<'startInstance'>('/instances', { method: 'POST', body: { template: templateId }, deadlineMs: 70_000 });
    const known = current().instances[instance.id];
    // The stream may have told more by now than this answer knew.
    if (!known) learnInstance(instance);
  } catch (error) {
    const failure = asFailure(error);
    noteFailure(failure);
    toast(startTrouble(failure, template), {
      tone: 'bad',
      action: failure.reason === 'limit-reached' || failure.reason === 'instance-exists'
        ? undefined : { label: 'Try again', run: () => void start(templateId) },
    });
    say(startTrouble(failure, template));
  } finally {
    dispatch({ type: 'refused', template: templateId });
  }
}

export async function extend(instance: Instance): Promise<void> {
  const now = serverNow();
  const name = instance.template_name;
  if (isAsked(instance) || !isLive(instance)) return;
  if (instance.extendable_at === null) {
    tell(instance.expires_at ? `${name} cannot be extended any more.` : `${name} has no end, so there is nothing to extend.`);
    return;
  }
  const at = Date.parse(instance.extendable_at);
  if (at > now) {
    tell(`${name} can be extended in ${countdown(at - now)}.`);
    return;
  }
  try {
    const extended = await call<'extendInstance'>(`/instances/${encodeURIComponent(instance.id)}/extend`, { method: 'POST' });
    learnInstance(extended);
    const left = extended.expires_at ? duration(Date.parse(extended.expires_at) - serverNow()) : 'no end';
    tell(`${name} extended by ${duration(extended.extend_s * 1000)}; ${left} left.`);
  } catch (error) {
    const failure = asFailure(error);
    noteFailure(failure);
    toast(extendTrouble(failure, instance, serverNow()), { tone: 'bad' });
    say(extendTrouble(failure, instance, serverNow()));
  }
}

function tell(text: string): void {
  toast(text);
  say(text);
}

const waiting = new Map<string, { instance: Instance; timer: ReturnType<typeof setTimeout>; toastId: number }>();

/** Stops after a moment in which it can be undone. `settled` runs after the server has taken it. */
export function stop(instance: Instance, settled?: () => void): void {
  const { id } = instance;
  if (isAsked(instance) || !isLive(instance) || instance.state === 'stopping' || waiting.has(id)) return;
  dispatch({ type: 'stop-asked', id, until: serverNow() + UNDO_MS });
  const text = `Stopping ${stopDestroys(instance)}`;
  const toastId = toast(text, { forMs: UNDO_MS, action: { label: 'Undo', run: () => undoStop(id) } });
  say(`${text} Press u to undo.`);
  const timer = setTimeout(() => void sendStop(instance, false).then(settled), UNDO_MS);
  waiting.set(id, { instance, timer, toastId });
}

/** Takes back the stop of this instance, or of the latest one. */
export function undoStop(id?: string): void {
  const chosen = id ?? [...waiting.keys()].pop();
  const pending = chosen === undefined ? undefined : waiting.get(chosen);
  if (!pending || chosen === undefined) return;
  clearTimeout(pending.timer);
  waiting.delete(chosen);
  dispatch({ type: 'toast-gone', id: pending.toastId });
  dispatch({ type: 'stop-settled', id: chosen });
  say(`${pending.instance.template_name} keeps running.`);
}

async function sendPending(leaving: boolean): Promise<void> {
  const pending = [...waiting.values()];
  for (const one of pending) {
    clearTimeout(one.timer);
    dispatch({ type: 'toast-gone', id: one.toastId });
  }
  await Promise.all(pending.map((one) => sendStop(one.instance, leaving)));
}

async function sendStop(instance: Instance, leaving: boolean): Promise<void> {
  waiting.delete(instance.id);
  try {
    const stopped = await call<'stopInstance'>(`/instances/${encodeURIComponent(instance.id)}`, { method: 'DELETE', keepalive: leaving });
    // Staff stop machines of others too; those are not in this page's own picture.
    if (current().instances[stopped.id]) learnInstance(stopped);
  } catch (error) {
    const failure = asFailure(error);
    if (failure.reason !== 'instance-unknown') {
      noteFailure(failure);
      toast(`${instance.template_name} was not stopped. ${failure.message}`, {
        tone: 'bad', action: { label: 'Try again', run: () => stop(instance) },
      });
      say(`${instance.template_name} was not stopped. ${failure.message}`);
    }
  } finally {
    dispatch({ type: 'stop-settled', id: instance.id });
  }
}

// Who closes the tab within the four seconds has still asked for the stop.
addEventListener('pagehide', () => void sendPending(true));

/** Opens the first page of a running instance in a new tab. */
export function open(instance: Instance): void {
  const page = instance.endpoints.find((endpoint) => endpoint.kind === 'http');
  if (page?.kind === 'http') window.open(wayTo(page), '_blank', 'noopener');
  else if (instance.endpoints.length > 0) tell('It has no web page: copy its address instead.');
}

export function dismiss(instance: Instance): void {
  dispatch({ type: 'dismissed', id: instance.id });
}

export async function signOut(): Promise<void> {
  // What was promised is done before the session that may do it ends.
  await sendPending(false);
  try {
    await call<'signOut'>('/session', { method: 'DELETE' });
  } catch (error) {
    const failure = asFailure(error);
    if (failure.status !== 401) {
      toast(`You are still signed in. ${failure.message}`, { tone: 'bad', action: { label: 'Try again', run: () => void signOut() } });
      return;
    }
  }
  dispatch({ type: 'signed-out' });
}
