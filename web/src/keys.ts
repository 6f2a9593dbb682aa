// The keyboard. Cards and rows are `[data-item]`; j and k move among them, the rest acts on the one with the focus.
import { extend, stop, undoStop } from './actions';
import { enter } from './home';
import { go } from './route';
import { isLive, liveOf } from './state';
import { current } from './store';
import type { Instance } from './types';

export const KEYS: [string, string][] = [
  ['/', 'Search the catalogue'],
  ['j  k', 'Next, previous (arrows too)'],
  ['Enter', 'Start it, or open it when it runs'],
  ['e', 'Extend'],
  ['s', 'Stop'],
  ['t', 'Open a terminal'],
  ['u', 'Undo the last stop'],
  ['p', 'Paste flags (on the farm)'],
  ['g h', 'Go to machines and catalogue'],
  ['g a', 'Go to your account'],
  ['g f', 'Go to the farm'],
  ['g j', 'Go to the jobs'],
  ['Esc', 'Leave the search, close this'],
  ['?', 'Show these keys'],
];

const items = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>('[data-item]')];

function focused(): HTMLElement | null {
  return document.activeElement?.closest<HTMLElement>('[data-item]') ?? null;
}

// A card that ends moves to another place and loses the focus; its template's row is where one goes on from.
let lastTemplate = '';
addEventListener('focusin', (event) => {
  const item = (event.target as Element).closest<HTMLElement>('[data-item]');
  if (item) lastTemplate = item.dataset.template ?? '';
});

function move(step: number): void {
  const all = items();
  const at = focused() ?? all.find((item) => item.matches('.row') && item.dataset.template === lastTemplate) ?? null;
  const index = at ? all.indexOf(at) + step : step > 0 ? 0 : all.length - 1;
  const next = all[Math.min(all.length - 1, Math.max(0, index))];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}

/** The instance a card or row stands for; with none focused, the only one that lives. */
function target(): Instance | undefined {
  const state = current();
  const item = focused();
  if (item) {
    const byId = state.instances[item.dataset.instance ?? ''];
    return byId && isLive(byId) ? byId : liveOf(state, item.dataset.template ?? '');
  }
  const living = Object.values(state.instances).filter(isLive);
  return living.length === 1 ? living[0] : undefined;
}

function typing(element: Element | null): boolean {
  return element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement;
}

/** Where `g` and a letter lead. */
const PLACES: Record<string, string> = { h: '/', a: '/account', f: '/farm', j: '/jobs' };

let prefix = 0;

/** Handles one key press; `showKeys` opens the list of keys. */
export function onKey(event: KeyboardEvent, showKeys: () => void): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector('dialog[open]')) return;
  const active = document.activeElement;
  if (typing(active)) {
    const inSearch = active?.id === 'search';
    if (event.key === 'Escape') (active as HTMLElement).blur();
    else if (inSearch && (event.key === 'ArrowDown' || event.key === 'Enter')) {
      event.preventDefault();
      const first = document.querySelector<HTMLElement>('.row[data-item]');
      first?.focus();
    }
    return;
  }
  const afterG = performance.now() - prefix < 1000;
  prefix = 0;
  const place = afterG ? PLACES[event.key] : undefined;
  if (place) {
    go(place);
    event.preventDefault();
    return;
  }
  const instance = target();
  switch (event.key) {
    case '/': {
      const field = document.getElementById('search') as HTMLInputElement | null;
      if (!field) return;
      field.focus();
      field.select();
      break;
    }
    case '?': showKeys(); break;
    case 'j': case 'ArrowDown': move(1); break;
    case 'k': case 'ArrowUp': move(-1); break;
    case 'g': prefix = performance.now(); break;
    case 'u': undoStop(); break;
    case 'e': if (instance) void extend(instance); break;
    case 's': if (instance) stop(instance); break;
    case 't': if (instance) go(`/terminal/${instance.id}`); break;
    case 'Enter': {
      // On a button or link inside, Enter does what that says.
      const item = active as HTMLElement | null;
      if (!item?.matches('[data-item]') || !item.dataset.template) return;
      enter(item.dataset.template, current());
      break;
    }
    default: {
      // A page names its own keys at the buttons that do the same.
      const button = /^[a-z]$/.test(event.key) ? document.querySelector<HTMLElement>(`[data-key="${event.key}"]`) : null;
      if (!button) return;
      button.click();
    }
  }
  event.preventDefault();
}
