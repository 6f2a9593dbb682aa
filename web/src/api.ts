import type { List } from './types';

/** What a call that did not succeed throws: an RFC 9457 problem, or a network that is away (status 0). */
export class Failure extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
    readonly fields: Record<string, unknown> = {},
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
  }
}

const PROBLEM_PREFIX = 'urn:tiltyard:error:';
const DEADLINE_MS = 20_000;

/** Server time minus this machine's time, in ms. Halls have machines with wrong clocks; count-downs must not be. */
let skewMs = 0;

export function serverNow(): number {
  return Date.now() + skewMs;
}

function learnSkew(response: Response): void {
  const date = Date.parse(response.headers.get('date') ?? '');
  // The header has whole seconds, so a smaller difference says nothing.
  if (!Number.isNaN(date)) skewMs = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
}

export async function failureOf(response: Response): Promise<Failure> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.json()) as Record<string, unknown>;
  } catch {
    // Something between us and the server answered; its status is all we know.
  }
  const type = typeof body.type === 'string' ? body.type : '';
  const reason = type.startsWith(PROBLEM_PREFIX) ? type.slice(PROBLEM_PREFIX.length) : `http-${response.status}`;
  const message = [body.detail, body.title].find((text) => typeof text === 'string' && text !== '');
  const retry = Number(response.headers.get('retry-after') ?? NaN);
  return new Failure(
    response.status,
    reason,
    (message as string | undefined) ?? `The server answered ${response.status}.`,
    body,
    Number.isFinite(retry) ? retry : null,
  );
}

interface Options {
  method?: string;
  body?: unknown;
  /** Lets the request outlive the page: for what was promised when somebody closes the tab. */
  keepalive?: boolean;
  deadlineMs?: number;
}

let askProof: (() => Promise<boolean>) | null = null;

/** `ask` shows who is signed in that they have to show once more who they are; true when they did. */
export function onProofAsked(ask: () => Promise<boolean>): () => void {
  askProof = ask;
  return () => { askProof = null; };
}

/** One call of the API. `path` starts with a slash and is under /api/v1. Throws Failure. */
export async function call<T>(path: string, options: Options = {}): Promise<T> {
  try {
    return await send<T>(path, options);
  } catch (error) {
    if ((error as Failure).reason !== 'sign-in-again' || !(await askProof?.())) throw error;
    return send<T>(path, options);
  }
}

async function send<T>(path: string, options: Options): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (options.method && options.method !== 'GET') headers['x-tiltyard-csrf'] = '1';
  if (options.body !== undefined) headers['content-type'] = 'application/json';
  const abort = new AbortController();
  const deadline = setTimeout(() => abort.abort(), options.deadlineMs ?? DEADLINE_MS);
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method: options.method ?? 'GET',
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      credentials: 'same-origin',
      keepalive: options.keepalive,
      signal: abort.signal,
    });
  } catch {
    throw new Failure(0, 'unreachable', 'The server cannot be reached.');
  } finally {
    clearTimeout(deadline);
  }
  learnSkew(response);
  if (!response.ok) throw await failureOf(response);
  // Some answers say all there is to say with their status.
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** A whole list, page by page, up to `pages` pages. */
export async function listAll<T>(path: string, pages = 10): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < pages; page++) {
    const separator = path.includes('?') ? '&' : '?';
    const list: List<T> = await call(cursor ? `${path}${separator}cursor=${encodeURIComponent(cursor)}` : path);
    items.push(...list.items);
    cursor = list.next;
    if (!cursor) break;
  }
  return items;
}
