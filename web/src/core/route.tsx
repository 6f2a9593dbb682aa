import { useSyncExternalStore, type MouseEvent, type ReactNode } from 'react';

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

/**
 * A link inside the page: no reload, but a real address that opens in a new tab. With `within` it also stands for the pages
 * below; `soon` loads what it leads to as soon as somebody is about to follow it.
 */
export function Link({ to, children, className, within, soon }: { to: string; children: ReactNode; className?: string; within?: boolean; soon?: () => Promise<unknown> }) {
  const path = usePath();
  const here = path === to || (within === true && path.startsWith(`${to}/`));
  const follow = (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(to);
  };
  const prepare = soon && ((): void => void soon().catch(() => {}));
  return <a href={to} className={className} aria-current={here ? 'page' : undefined} onClick={follow} onPointerEnter={prepare} onFocus={prepare}>{children}</a>;
}
