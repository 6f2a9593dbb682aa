// The keyboard. What stands in a list is `[data-item]`: j and k move among them. `g` and a letter lead to a page. A page's
// own keys are those that it gives to useKeys, and `data-key` on the button that does the same.
import { useEffect, useRef } from 'react';
import { undoStop } from './actions';
import { go } from './route';

/** The keys that work everywhere, for the list of them; pages add theirs (core/page.ts). */
export const KEYS: [string, string][] = [
  ['/', 'Search'],
  ['j  k', 'Next, previous (arrows too)'],
  ['u', 'Undo the last stop'],
  ['Esc', 'Leave the search, close this'],
  ['?', 'Show these keys'],
];

type Acts = Record<string, (item: HTMLElement | null) => void>;
let own: { current: Acts } | null = null;

/** Keys of the page that is shown: what each does, given the item with the focus. `Enter` comes only to an item itself. */
export function useKeys(acts: Acts): void {
  const newest = useRef(acts);
  newest.current = acts;
  useEffect(() => {
    own = newest;
    return () => { if (own === newest) own = null; };
  }, []);
}

const items = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>('[data-item]')];

function focused(): HTMLElement | null {
  return document.activeElement?.closest<HTMLElement>('[data-item]') ?? null;
}

// What ends may move to another place and lose the focus; what has the same name (`data-item`) is where one goes on from.
let lastItem = '';
addEventListener('focusin', (event) => {
  const item = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-item]') : null;
  if (item) lastItem = item.dataset.item ?? '';
});

function move(step: number): void {
  const all = items();
  const at = focused() ?? (lastItem ? all.filter((item) => item.dataset.item === lastItem).pop() : undefined);
  const index = at ? all.indexOf(at) + step : step > 0 ? 0 : all.length - 1;
  const next = all[Math.min(all.length - 1, Math.max(0, index))];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}

function typing(element: Element | null): element is HTMLElement {
  return element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement;
}

function whileTyping(event: KeyboardEvent, field: HTMLElement): void {
  if (event.key === 'Escape') field.blur();
  else if (field.id === 'search' && (event.key === 'ArrowDown' || event.key === 'Enter')) {
    event.preventDefault();
    // Results are below the field.
    items().find((item) => field.compareDocumentPosition(item) & Node.DOCUMENT_POSITION_FOLLOWING)?.focus();
  }
}

function focusSearch(): boolean {
  const field = document.getElementById('search');
  if (!(field instanceof HTMLInputElement)) return false;
  field.focus();
  field.select();
  return true;
}

/** The button that names this key. */
function press(key: string): boolean {
  const button = /^[a-z]$/.test(key) ? document.querySelector<HTMLElement>(`[data-key="${key}"]`) : null;
  button?.click();
  return button !== null;
}

function act(key: string): boolean {
  const item = focused();
  // On a button or link inside, Enter does what that says.
  if (key === 'Enter' && (item === null || document.activeElement !== item)) return false;
  const does = own?.current[key];
  does?.(item);
  return does !== undefined;
}

let prefix = 0;

/** Handles one key press. `places` says where `g` and a letter lead; `showKeys` opens the list of keys. */
export function onKey(event: KeyboardEvent, places: Record<string, string>, showKeys: () => void): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector('dialog[open]')) return;
  const active = document.activeElement;
  if (typing(active)) {
    whileTyping(event, active);
    return;
  }
  const place = performance.now() - prefix < 1000 ? places[event.key] : undefined;
  prefix = 0;
  if (place !== undefined) go(place);
  else switch (event.key) {
    case '/': if (!focusSearch()) return; break;
    case '?': showKeys(); break;
    case 'j': case 'ArrowDown': move(1); break;
    case 'k': case 'ArrowUp': move(-1); break;
    case 'g': prefix = performance.now(); break;
    case 'u': undoStop(); break;
    default: if (!act(event.key) && !press(event.key)) return;
  }
  event.preventDefault();
}
