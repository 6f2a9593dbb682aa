import { useSyncExternalStore } from 'react';
import { serverNow } from './api';
import { EMPTY, reduce, type Action, type State } from './state';

let state: State = EMPTY;
const listeners = new Set<() => void>();

export const current = (): State => state;

export function dispatch(action: Action): void {
  const next = reduce(state, action);
  if (next === state) return;
  state = next;
  for (const listener of listeners) listener();
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useStore = (): State => useSyncExternalStore(subscribe, current);

let toastId = 0;

export function toast(text: string, options: { tone?: 'plain' | 'bad'; action?: { label: string; run: () => void }; forMs?: number } = {}): number {
  const id = ++toastId;
  const forMs = options.forMs ?? (options.tone === 'bad' ? 9000 : 4500);
  dispatch({ type: 'toast', toast: { id, text, tone: options.tone ?? 'plain', action: options.action, until: serverNow() + forMs } });
  setTimeout(() => dispatch({ type: 'toast-gone', id }), forMs);
  return id;
}

// What a screen reader says when something changes by itself.
let said = '';
const ears = new Set<() => void>();

export function say(text: string): void {
  // The same sentence twice is still news: a no-break space makes it a different one.
  said = said === text ? `${text}\u00a0` : text;
  for (const ear of ears) ear();
}

export const useSaid = (): string =>
  useSyncExternalStore((ear) => { ears.add(ear); return () => ears.delete(ear); }, () => said);
