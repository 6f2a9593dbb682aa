// Endpoints that are their owner's alone, and the way there by the sign-in.
import type { Endpoint } from './openapi';

const kept = 'tiltyard-door';

/** Where a page of a machine is opened: what is closed for others goes by the door, which knows who is signed in. */
export function wayTo(endpoint: Extract<Endpoint, { kind: 'http' }>): string {
  if (endpoint.door === 'open') return endpoint.url;
  return `/api/v1/door?host=${encodeURIComponent(new URL(endpoint.url).hostname)}`;
}

/** Who has to sign in first goes on there afterwards. */
export function keepWay(path: string, query: string): void {
  if (path !== '/door') return;
  try { sessionStorage.setItem(kept, query); } catch { /* then they open it once more by hand */ }
}

/** Where somebody was on their way to, once. */
export function takeWay(): string | null {
  try {
    const query = sessionStorage.getItem(kept);
    sessionStorage.removeItem(kept);
    return query === null ? null : `/door${query}`;
  } catch { return null; }
}
