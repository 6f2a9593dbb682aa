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
  ['u', 'Undo the last stop'],
  ['g h', 'Go to machines and catalogue'],
  ['g a', 'Go to your account'],
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
  if (afterG && (event.key === 'h' || event.key === 'a')) {
    go(event.key === 'h' ? '/' : '/account');
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
    case 'Enter': {
      // On a button or link inside, Enter does what that says.
      const item = active as HTMLElement | null;
      if (!item?.matches('[data-item]') || !item.dataset.template) return;
      enter(item.dataset.template, current());
      break;
    }
    default: return;
  }
  event.preventDefault();
}
