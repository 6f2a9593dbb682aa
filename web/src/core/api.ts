import type { operations } from './openapi';

export type Operation = keyof operations;

type Json<R> = R extends { content: { 'application/json': infer T } } ? T : never;
type Good<R> = { [Status in keyof R]: Status extends 200 | 201 | 202 ? Json<R[Status]> : never }[keyof R];

type OrVoid<T> = [T] extends [never] ? void : T;

/** What an operation of api/openapi.json answers when all is well. */
export type Answer<Name extends Operation> = OrVoid<Good<operations[Name]['responses']>>;
/** One of what an operation lists. */
export type Item<Name extends Operation> = Answer<Name> extends { items: (infer T)[] } ? T : never;

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

/** Anything that was thrown, as a Failure. */
export const asFailure = (error: unknown): Failure => (error instanceof Failure ? error : new Failure(0, 'fault', String(error)));

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
  /** Sent as it is, instead of `body`. */
  raw?: Blob;
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

/** One call of the API, by the name of its operation. `path` starts with a slash and is under /api/v1. Throws Failure. */
export async function call<Name extends Operation>(path: string, options: Options = {}): Promise<Answer<Name>> {
  try {
    return await send(path, options);
  } catch (error) {
    if (asFailure(error).reason !== 'sign-in-again' || !(await askProof?.())) throw error;
    return send(path, options);
  }
}

async function send<Name extends Operation>(path: string, options: Options): Promise<Answer<Name>> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (options.method && options.method !== 'GET') headers['x-tiltyard-csrf'] = '1';
  if (options.body !== undefined) headers['content-type'] = 'application/json';
  if (options.raw) headers['content-type'] = 'application/octet-stream';
  const abort = new AbortController();
  const deadline = setTimeout(() => abort.abort(), options.deadlineMs ?? DEADLINE_MS);
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method: options.method ?? 'GET',
      headers,
      body: options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body)),
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
  return (text ? JSON.parse(text) : undefined) as Answer<Name>;
}

/** A whole list, page by page, up to `pages` pages. */
export async function listAll<Name extends Operation>(path: string, pages = 10): Promise<Item<Name>[]> {
  const items: Item<Name>[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < pages; page++) {
    const separator = path.includes('?') ? '&' : '?';
    const list: unknown = await call<Name>(cursor ? `${path}${separator}cursor=${encodeURIComponent(cursor)}` : path);
    const { items: more, next } = list as { items: Item<Name>[]; next: string | null };
    items.push(...more);
    cursor = next;
    if (!cursor) break;
  }
  return items;
}
