import { useSyncExternalStore } from 'react';

// The URL holds the view: the path names the page, the query its filters.
const changed = 'tiltyard:route';

function watch(listener: () => void): () => void {
  addEventListener('popstate', listener);
  addEventListener(changed, listener);
  return () => {
    removeEventListener('popstate', listener);
    removeEventListener(changed, listener);
  };
}

export function go(path: string, replace = false): void {
  if (replace) history.replaceState(null, '', path);
  else history.pushState(null, '', path);
  dispatchEvent(new Event(changed));
}

export const usePath = (): string => useSyncExternalStore(watch, () => location.pathname);

/** One value of the query, and a way to change it without a new entry in the history. */
export function useQuery(name: string, fallback = ''): [string, (value: string) => void] {
  const value = useSyncExternalStore(watch, () => new URLSearchParams(location.search).get(name) ?? fallback);
  const set = (next: string): void => {
    const query = new URLSearchParams(location.search);
    if (next === fallback) query.delete(name);
    else query.set(name, next);
    const text = query.toString();
    go(location.pathname + (text ? `?${text}` : ''), true);
  };
  return [value, set];
}
