// For staff: who did what and when. The URL holds the filters, so that a finding can be handed on as a link.
import { Fragment, useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { call, type Failure } from './api';
import { noteFailure } from './live';
import { CopyButton, Empty, Icon, Mark, Notice, When } from './parts';
import { keepFresh } from './regular';
import { go, useQuery } from './route';
import { exact } from './time';
import type { List } from './types';
import type { Shape, Tone } from './words';

interface EventRow {
  id: string;
  at: string;
  kind: string;
  severity: 'info' | 'good' | 'warning' | 'error';
  subject: string;
  owner: string;
  actor: string;
  actor_id: string;
  address: string;
  detail: Record<string, unknown>;
}

interface EventPage extends List<EventRow> {
  last: string;
  looked_until: string | null;
}

interface EventKind {
  name: string;
  text: string;
  severity: string;
}

const LOOKS: Record<EventRow['severity'], { tone: Tone; shape: Shape }> = {
  info: { tone: 'off', shape: 'square' },
  good: { tone: 'good', shape: 'disc' },
  warning: { tone: 'wait', shape: 'diamond' },
  error: { tone: 'bad', shape: 'triangle' },
};

const POLL_MS = 2500;
const MOST_ROWS = 2000;
const FILTERS = ['kind', 'severity', 'user', 'owner', 'instance', 'from', 'to', 'text'] as const;

/** "Only these", from the address of the page; times there are in UTC. */
function queryOf(search: string): URLSearchParams {
  const from = new URLSearchParams(search);
  const query = new URLSearchParams();
  for (const name of FILTERS) {
    const value = from.get(name);
    if (value) query.set(name, value);
  }
  return query;
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** What a row says beside its kind: the words that people look for first. */
function summary(event: EventRow): string {
  const detail = event.detail;
  const parts: string[] = [];
  if (typeof detail.count === 'number') parts.push(event.kind === 'events.removed' ? `${detail.count} events` : `${detail.count} more within a minute`);
  if (detail.template_name) parts.push(asText(detail.template_name));
  if (detail.owner_name && detail.owner_name !== event.actor) parts.push(`of ${asText(detail.owner_name)}`);
  const reason = detail.reason_text ?? detail.reason;
  if (reason) parts.push(asText(reason));
  if (parts.length === 0) {
    for (const [key, value] of Object.entries(detail).slice(0, 3)) parts.push(`${key}: ${asText(value)}`);
  }
  return parts.join(' · ').slice(0, 160);
}

/** The list as far as it is loaded: the newest at the top, more on both ends. */
function useEvents(search: string, live: boolean) {
  const [rows, setRows] = useState<EventRow[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [until, setUntil] = useState<string | null>(null);
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  const last = useRef('0');
  const turn = useRef(0);

  const fail = (error: unknown): void => {
    noteFailure(error);
    setTrouble((error as Failure).message);
  };
  const load = async (cursor: string | null): Promise<void> => {
    const mine = turn.current;
    const query = queryOf(search);
    query.set('limit', '100');
    if (cursor) query.set('cursor', cursor);
    setBusy(true);
    try {
      const page = await call<EventPage>(`/admin/events?${query}`);
      if (mine !== turn.current) return;
      setRows((before) => (cursor ? [...(before ?? []), ...page.items] : page.items));
      setNext(page.next);
      setUntil(page.looked_until);
      if (!cursor) last.current = page.last;
      setTrouble('');
    } catch (error) {
      if (mine === turn.current) fail(error);
    } finally {
      if (mine === turn.current) setBusy(false);
    }
  };
  useEffect(() => {
    turn.current++;
    setRows(null);
    setNext(null);
    const timer = setTimeout(() => void load(null), 150);
    return () => clearTimeout(timer);
  }, [search]);
  useEffect(() => {
    if (!live) return undefined;
    const look = async (): Promise<void> => {
      if (rows === null) return;
      const mine = turn.current;
      const query = queryOf(search);
      query.set('after', last.current);
      query.set('limit', '500');
      try {
        const page = await call<EventPage>(`/admin/events?${query}`);
        if (mine !== turn.current) return;
        // More than fits on a page came meanwhile: begin anew instead of leaving a gap.
        if (page.next) void load(null);
        else if (page.items.length > 0) setRows((before) => [...page.items, ...(before ?? [])].slice(0, MOST_ROWS));
        last.current = page.last;
        setTrouble('');
      } catch (error) {
        if (mine === turn.current) fail(error);
      }
    };
    return keepFresh('events', POLL_MS, look);
  }, [search, live, rows === null]);
  return { rows, next, until, trouble, busy, older: () => void load(next) };
}

function Detail({ event, only }: { event: EventRow; only: (name: string, value: string) => void }) {
  const lines: [string, ReactNode][] = [
    ['Time', exact(event.at)],
    ['Number', event.id],
  ];
  const linked = (name: string, value: string, word: string): ReactNode => (
    <>{value} <button type="button" className="quiet" onClick={() => only(name, value)}>Only {word}</button></>
  );
  if (event.actor || event.actor_id) lines.push(['By', linked('user', event.actor_id || event.actor, 'this person')]);
  if (event.subject) lines.push(['What', linked('instance', event.subject, 'this')]);
  if (event.owner) lines.push(['Owner', linked('owner', event.owner, 'this owner')]);
  if (event.address) lines.push(['From', linked('text', event.address, 'this address')]);
  for (const [key, value] of Object.entries(event.detail)) lines.push([key.replace(/_/g, ' '), asText(value)]);
  return (
    <div className="event-detail">
      <dl>{lines.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      <CopyButton text={JSON.stringify(event, null, 2)} what="the event as JSON" label="Copy as JSON" />
    </div>
  );
}

function Rows({ rows, only }: { rows: EventRow[]; only: (name: string, value: string) => void }) {
  const [open, setOpen] = useState('');
  const body = useRef<HTMLTableSectionElement>(null);
  /** Up and down go from row to row. */
  const move = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    const buttons = [...(body.current?.querySelectorAll<HTMLButtonElement>('.event-kind') ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (at < 0) return;
    event.preventDefault();
    buttons[at + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
  };
  return (
    <div className="table-frame events">
      <table>
        <thead><tr><th>What happened</th><th>When</th><th>By</th><th>To</th><th className="wide-only">Remark</th></tr></thead>
        <tbody ref={body} onKeyDown={move}>
          {rows.map((event) => (
            <Fragment key={event.id}>
              <tr className={open === event.id ? 'open' : ''}>
                <td>
                  <button type="button" className="quiet event-kind" aria-expanded={open === event.id} onClick={() => setOpen(open === event.id ? '' : event.id)}>
                    <Mark word={event.kind} {...LOOKS[event.severity]} title={event.severity} />
                  </button>
                </td>
                <td><When at={event.at} /></td>
                <td>{event.actor || <span className="muted">{event.actor_id || (event.address ? event.address : 'the server')}</span>}</td>
                <td>{event.subject}</td>
                <td className="muted wide-only">{summary(event)}</td>
              </tr>
              {open === event.id && <tr className="open"><td colSpan={5}><Detail event={event} only={only} /></td></tr>}
            </Fragment>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const local = (iso: string): string => {
  const date = new Date(iso);
  if (!iso || Number.isNaN(date.getTime())) return '';
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};
const utc = (text: string): string => (text ? new Date(text).toISOString() : '');

function useKinds(): EventKind[] {
  const [kinds, setKinds] = useState<EventKind[]>([]);
  useEffect(() => {
    call<List<EventKind>>('/admin/events/kinds').then((list) => setKinds(list.items), noteFailure);
  }, []);
  return kinds;
}

export function Events() {
  const kinds = useKinds();
  const [kind, setKind] = useQuery('kind');
  const [severity, setSeverity] = useQuery('severity');
  const [user, setUser] = useQuery('user');
  const [owner, setOwner] = useQuery('owner');
  const [instance, setInstance] = useQuery('instance');
  const [from, setFrom] = useQuery('from');
  const [to, setTo] = useQuery('to');
  const [text, setText] = useQuery('text');
  const [growing, setGrowing] = useState(true);
  const search = new URLSearchParams({ kind, severity, user, owner, instance, from, to, text }).toString();
  const { rows, next, until, trouble, busy, older } = useEvents(search, growing && !to);
  const setters: Record<string, (value: string) => void> = { user: setUser, owner: setOwner, instance: setInstance, text: setText };
  const filtered = [kind, severity, user, owner, instance, from, to, text].some(Boolean);
  const groups = [...new Set(kinds.map((one) => one.name.split('.')[0] ?? ''))].filter((group) => kinds.filter((one) => one.name.startsWith(`${group}.`)).length > 1);
  const chosen: [string, string, (value: string) => void][] = [['By', user, setUser], ['Owner', owner, setOwner], ['To', instance, setInstance]];
  return (
    <section aria-labelledby="events-title">
      <div className="section-head">
        <h1 id="events-title">Events</h1>
        {rows && <span className="muted count">{rows.length}{next ? '+' : ''}</span>}
        <span className="spring" />
        <label className="search">
          <Icon name="search" />
          <input id="search" type="search" value={text} onChange={(event) => setText(event.target.value)} placeholder="Any word, name or address" aria-label="Search events" autoComplete="off" maxLength={200} />
          <kbd>/</kbd>
        </label>
        <button type="button" aria-pressed={growing} onClick={() => setGrowing(!growing)} title="New events appear at the top">{growing ? 'Live' : 'Paused'}</button>
        <a className="button" href={`/api/v1/admin/events/export?${queryOf(search)}`} download="events.jsonl">Export</a>
      </div>
      <div className="section-head event-filters">
        <label>Kind{' '}
          <select value={kind} onChange={(event) => setKind(event.target.value)}>
            <option value="">All</option>
            {groups.map((group) => <option key={group} value={`${group}.*`}>{group}: all</option>)}
            {kinds.map((one) => <option key={one.name} value={one.name} title={one.text}>{one.name}</option>)}
          </select>
        </label>
        <div className="chips" role="group" aria-label="Weight">
          {['info', 'good', 'warning', 'error'].map((word) => (
            <button type="button" key={word} aria-pressed={severity === word} onClick={() => setSeverity(severity === word ? '' : word)}>{word}</button>
          ))}
        </div>
        <label>From <input type="datetime-local" value={local(from)} onChange={(event) => setFrom(utc(event.target.value))} /></label>
        <label>to <input type="datetime-local" value={local(to)} onChange={(event) => setTo(utc(event.target.value))} /></label>
        {chosen.filter(([, value]) => value).map(([word, value, set]) => (
          <button type="button" key={word} onClick={() => set('')} aria-label={`Do not ask for ${value} any more`}>{word}: {value} <Icon name="close" /></button>
        ))}
        {filtered && <button type="button" className="quiet" onClick={() => go(location.pathname, true)}>Show all</button>}
      </div>
      {trouble && <Notice tone="bad">{trouble}</Notice>}
      {rows && rows.length === 0 && !next && <Empty title={filtered ? 'Nothing like this has happened' : 'Nothing has happened yet'}>{filtered ? 'Ask for another kind or a longer time, or show all.' : 'Sign-ins, starts, stops and changes appear here.'}</Empty>}
      {rows && rows.length > 0 && <Rows rows={rows} only={(name, value) => setters[name]?.(value)} />}
      {next && (
        <p className="totals muted">
          {until && <span>Searched back to {exact(until)}.</span>}
          <span className="spring" />
          <button type="button" disabled={busy} onClick={older}>{until ? 'Search on' : 'Older events'}</button>
        </p>
      )}
    </section>
  );
}
