// What the page knows, and how it changes. Pure: every time comes in with the action.
import type { AuthInfo, Instance, InstanceState, Me, Template } from './openapi';

export type Link = 'connecting' | 'live' | 'late' | 'offline';

export interface Toast {
  id: number;
  text: string;
  tone: 'plain' | 'bad';
  /** An action beside the text, such as Undo. */
  action?: { label: string; run: () => void };
  /** When it leaves by itself, in server time (ms). */
  until: number;
}

/** A part of the server that is away, and why. */
export interface Trouble {
  reason: string;
  text: string;
}

export interface State {
  /** undefined: not known yet; null: nobody is signed in. */
  me: Me | null | undefined;
  auth: AuthInfo | null;
  /** Switches, and whether they are on for who is signed in; null: not known yet. */
  features: Record<string, boolean> | null;
  loaded: boolean;
  templates: Record<string, Template>;
  instances: Record<string, Instance>;
  /** Starts that the server has not answered yet, by template. */
  asked: Record<string, Instance>;
  /** When the latest news of an instance or template came, in server time (ms); progress is counted on from there. */
  heard: Record<string, number>;
  /** Stops that can still be undone: instance id to the moment the request is sent. */
  stopping: Record<string, number>;
  /** Ended instances that the person has put away. */
  dismissed: Record<string, true>;
  link: Link;
  trouble: Trouble | null;
  toasts: Toast[];
}

export const EMPTY: State = {
  me: undefined, auth: null, features: null, loaded: false, templates: {}, instances: {}, asked: {}, heard: {}, stopping: {},
  dismissed: {}, link: 'connecting', trouble: null, toasts: [],
};

export type Action =
  | { type: 'auth'; auth: AuthInfo }
  | { type: 'signed-in'; me: Me }
  | { type: 'signed-out' }
  | { type: 'features'; features: Record<string, boolean> }
  | { type: 'snapshot'; templates: Template[]; instances: Instance[]; askedAt: number; now: number }
  | { type: 'instance'; instance: Instance; now: number }
  | { type: 'template'; template: Template; now: number }
  | { type: 'gone'; id: string }
  | { type: 'asked'; template: Template; me: Me; now: number }
  | { type: 'refused'; template: string }
  | { type: 'stop-asked'; id: string; until: number }
  | { type: 'stop-settled'; id: string }
  | { type: 'dismissed'; id: string }
  | { type: 'link'; link: Link }
  | { type: 'trouble'; trouble: Trouble | null }
  | { type: 'toast'; toast: Toast }
  | { type: 'toast-gone'; id: number };

const LIVE: ReadonlySet<InstanceState> = new Set(['queued', 'preparing', 'starting', 'running', 'paused', 'stopping']);

export const isLive = (instance: Instance): boolean => LIVE.has(instance.state);
export const isAsked = (instance: Instance): boolean => instance.id.startsWith('asked:');

function without<T>(record: Record<string, T>, key: string): Record<string, T> {
  if (!(key in record)) return record;
  const { [key]: _gone, ...rest } = record;
  return rest;
}

function byId<T extends { id: string }>(items: T[], old: Record<string, T>, heard: Record<string, number>, askedAt: number): Record<string, T> {
  const next: Record<string, T> = {};
  for (const item of items) {
    const known = old[item.id];
    // News that came while the list was on its way is newer than the list.
    next[item.id] = known && (heard[item.id] ?? 0) > askedAt ? known : item;
  }
  for (const item of Object.values(old)) {
    if (!(item.id in next) && (heard[item.id] ?? 0) > askedAt) next[item.id] = item;
  }
  return next;
}

/** What is shown between the click and the server's answer. */
function expectation(template: Template, me: Me, now: number): Instance {
  const at = new Date(now).toISOString();
  return {
    id: `asked:${template.id}`, template: template.id, template_name: template.name,
    owner: { id: me.id, name: me.name, team: me.team }, state: 'starting', reason: null, created_at: at,
    started_at: null, ended_at: null, expires_at: null, extendable_at: null, extend_s: template.lease.extend_s,
    queue: null, progress: { step: 'asking', done: 0, total: 0, elapsed_ms: 0, expected_ms: template.usual_start_ms },
    endpoints: [], machines: [], recorded: [], credentials: null, timings_ms: {},
  };
}

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case 'auth': return { ...state, auth: action.auth };
    case 'signed-in': return { ...state, me: action.me, features: state.me?.id === action.me.id ? state.features : null };
    case 'signed-out': return { ...EMPTY, me: null, auth: state.auth };
    case 'features': return { ...state, features: action.features };
    case 'snapshot': {
      const templates = byId(action.templates, state.templates, state.heard, action.askedAt);
      const instances = byId(action.instances, state.instances, state.heard, action.askedAt);
      const heard: Record<string, number> = {};
      for (const id of [...Object.keys(templates), ...Object.keys(instances)]) {
        const before = state.heard[id] ?? 0;
        heard[id] = before > action.askedAt ? before : action.now;
      }
      return { ...state, loaded: true, templates, instances, heard };
    }
    case 'instance': {
      const { instance } = action;
      return {
        ...state,
        instances: { ...state.instances, [instance.id]: instance },
        asked: isLive(instance) ? without(state.asked, instance.template) : state.asked,
        stopping: LIVE.has(instance.state) && instance.state !== 'stopping' ? state.stopping : without(state.stopping, instance.id),
        heard: { ...state.heard, [instance.id]: action.now },
      };
    }
    case 'template':
      return {
        ...state,
        templates: { ...state.templates, [action.template.id]: action.template },
        heard: { ...state.heard, [action.template.id]: action.now },
      };
    case 'gone':
      return {
        ...state,
        instances: without(state.instances, action.id),
        templates: without(state.templates, action.id),
        stopping: without(state.stopping, action.id),
        heard: without(state.heard, action.id),
      };
    case 'asked': {
      const guess = expectation(action.template, action.me, action.now);
      return {
        ...state,
        asked: { ...state.asked, [action.template.id]: guess },
        heard: { ...state.heard, [guess.id]: action.now },
      };
    }
    case 'refused': return { ...state, asked: without(state.asked, action.template) };
    case 'stop-asked': return { ...state, stopping: { ...state.stopping, [action.id]: action.until } };
    case 'stop-settled': return { ...state, stopping: without(state.stopping, action.id) };
    case 'dismissed': return { ...state, dismissed: { ...state.dismissed, [action.id]: true } };
    case 'link': return state.link === action.link ? state : { ...state, link: action.link };
    case 'trouble': return { ...state, trouble: action.trouble };
    case 'toast': return { ...state, toasts: [...state.toasts.slice(-3), action.toast] };
    case 'toast-gone': return { ...state, toasts: state.toasts.filter((toast) => toast.id !== action.id) };
  }
}

const newestFirst = (a: Instance, b: Instance): number => b.created_at.localeCompare(a.created_at) || b.id.localeCompare(a.id);

/** The machines that live or are on their way, newest first; a start that was only asked for counts. */
export function liveOnes(state: State): Instance[] {
  const known = Object.values(state.instances).filter(isLive);
  const guesses = Object.values(state.asked).filter((guess) => !known.some((one) => one.template === guess.template && one.state !== 'stopping'));
  return [...guesses, ...known].sort(newestFirst);
}

/** Ended ones worth showing: the newest of each template that has none alive, at most `count`. */
export function endedOnes(state: State, count: number): Instance[] {
  const taken = new Set(liveOnes(state).map((one) => one.template));
  const ended: Instance[] = [];
  for (const one of Object.values(state.instances).filter((each) => !isLive(each)).sort(newestFirst)) {
    if (taken.has(one.template)) continue;
    taken.add(one.template);
    if (!state.dismissed[one.id]) ended.push(one);
  }
  return ended.slice(0, count);
}

/** The live instance of a template, if there is one. */
export function liveOf(state: State, template: string): Instance | undefined {
  return liveOnes(state).find((one) => one.template === template);
}
