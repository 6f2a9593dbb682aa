// Every flag, with filters. The URL holds them; the list is live and keeps its place while somebody reads further down.
import { Fragment, useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { call, type Failure } from './api';
import { FirstSteps } from './farm_first';
import { mergePage, waitingOf, type Shown } from './farm_list';
import { STATUSES, type FarmAttempt, type FarmFlag, type FarmStats } from './farm_types';
import { STATUS_LOOK, verdictWords } from './farm_words';
import { noteFailure } from './live';
import { CopyButton, Empty, Icon, Mark, Notice, When } from './parts';
import { keepFresh, useRegular } from './regular';
import { go, useQuery } from './route';
import { clock, count, duration, exact } from './time';
import type { List } from './types';

const FILTERS = ['status', 'sploit', 'team', 'service', 'flag', 'response', 'since', 'until'] as const;
type Filter = (typeof FILTERS)[number];

const PAGE = 100;
const LOOK_MS = 1000;
/** Whose first row is above the window's edge is reading; whose is not wants to see what comes. */
const atTop = (): boolean => scrollY < 120;

interface Listed {
  rows: Shown[] | null;
  waiting: number;
  more: boolean;
  busy: boolean;
  trouble: string;
  older: () => void;
  showNew: () => void;
}

function useFlags(search: string, live: boolean): Listed {
  const [rows, setRows] = useState<Shown[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [waiting, setWaiting] = useState(0);
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  const turn = useRef(0);
  const shown = useRef<Shown[]>([]);
  shown.current = rows ?? [];

  const ask = async (cursor: string | null): Promise<List<FarmFlag> | null> => {
    const mine = turn.current;
    const query = new URLSearchParams(search);
    query.set('limit', String(PAGE));
    if (cursor) query.set('cursor', cursor);
    try {
      const page = await call<List<FarmFlag>>(`/farm/flags?${query}`);
      if (mine !== turn.current) return null;
      setTrouble('');
      return page;
    } catch (error) {
      noteFailure(error);
      if (mine === turn.current) setTrouble((error as Failure).message);
      return null;
    }
  };
  const begin = async (): Promise<void> => {
    const page = await ask(null);
    if (!page) return;
    setRows(page.items);
    setNext(page.next);
    setWaiting(0);
  };
  const look = async (): Promise<void> => {
    const page = await ask(null);
    if (!page) return;
    const fresh = waitingOf(shown.current, page.items);
    // So much has come that there would be a gap: who is at the top begins anew, who reads is told.
    if (atTop() && fresh >= page.items.length && page.next) return begin();
    setRows(mergePage(shown.current, { items: page.items, below: Infinity, last: page.next === null }, atTop()));
    setWaiting(atTop() ? 0 : fresh);
  };
  const older = async (): Promise<void> => {
    setBusy(true);
    const page = await ask(next);
    setBusy(false);
    if (!page) return;
    const below = shown.current[shown.current.length - 1]?.id ?? Infinity;
    setRows(mergePage(shown.current, { items: page.items, below, last: page.next === null }, true));
    setNext(page.next);
  };

  useEffect(() => {
    turn.current++;
    setRows(null);
    setNext(null);
    const timer = setTimeout(() => void begin(), 150);
    return () => clearTimeout(timer);
  }, [search]);
  const loaded = rows !== null;
  useEffect(() => {
    if (!live || !loaded) return undefined;
    return keepFresh('farm', LOOK_MS, look);
  }, [search, live, loaded]);
  const showNew = (): void => {
    scrollTo({ top: 0 });
    void begin();
  };
  return { rows, waiting, more: next !== null, busy, trouble, older: () => void older(), showNew };
}

function AttemptLine({ attempt }: { attempt: FarmAttempt }) {
  const took = attempt.answered_at ? Date.parse(attempt.answered_at) - Date.parse(attempt.sent_at) : null;
  return (
    <li>
      <span className="muted">{attempt.number}.</span> <span title={exact(attempt.sent_at)}>{clock(attempt.sent_at)}</span> by <span className="mono">{attempt.sender}</span>:{' '}
      <b>{verdictWords(attempt.verdict)}</b>{took !== null && <span className="muted"> after {duration(took)}</span>}{attempt.message && <> · {attempt.message}</>}
      {attempt.late && <span className="tag">too late to count</span>}
    </li>
  );
}

function Detail({ flag, only }: { flag: FarmFlag; only: (name: Filter, value: string) => void }) {
  const { value } = useRegular(() => call<FarmFlag & { log: FarmAttempt[] }>(`/farm/flags/${flag.id}`), 2000, `${flag.id} ${flag.status} ${flag.attempts}`);
  const linked = (name: Filter, text: string): ReactNode => (text ? <>{text} <button type="button" className="quiet" onClick={() => only(name, text)}>Only this {name}</button></> : <span className="muted">not named</span>);
  return (
    <div className="event-detail">
      <dl>
        <div><dt>Flag</dt><dd className="mono">{flag.flag} <CopyButton text={flag.flag} what="the flag" /></dd></div>
        <div><dt>Number</dt><dd>{flag.id}</dd></div>
        <div><dt>Sploit</dt><dd>{linked('sploit', flag.sploit)}</dd></div>
        <div><dt>Team</dt><dd>{linked('team', flag.team)}</dd></div>
        <div><dt>Service</dt><dd>{linked('service', flag.service)}</dd></div>
        <div><dt>Received</dt><dd>{exact(flag.received_at)}</dd></div>
        <div><dt>Worth until</dt><dd>{exact(flag.expires_at)}</dd></div>
        {flag.decided_at && <div><dt>Decided</dt><dd>{exact(flag.decided_at)}, {duration(Date.parse(flag.decided_at) - Date.parse(flag.received_at))} after it came</dd></div>}
      </dl>
      <div className="attempts">
        <h3>Attempts</h3>
        {value && value.log.length === 0 && <p className="muted">It has not been handed to a sender yet.</p>}
        {value && <ol>{value.log.map((attempt) => <AttemptLine key={`${attempt.lease} ${attempt.number}`} attempt={attempt} />)}</ol>}
        {flag.probable && <p className="muted">The jury called it a duplicate after an attempt of ours whose answer was lost: to all appearances it was accepted then.</p>}
      </div>
    </div>
  );
}

function Rows({ rows, only }: { rows: Shown[]; only: (name: Filter, value: string) => void }) {
  const [open, setOpen] = useQuery('open');
  const body = useRef<HTMLTableSectionElement>(null);
  const move = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    const buttons = [...(body.current?.querySelectorAll<HTMLButtonElement>('.event-kind') ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (at < 0) return;
    event.preventDefault();
    buttons[at + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
  };
  return (
    <div className="table-frame events flags">
      <table>
        <thead><tr><th>Status</th><th>Flag</th><th>Sploit</th><th>Team</th><th>Service</th><th>Received</th><th className="number">Tries</th><th>Answer</th></tr></thead>
        <tbody ref={body} onKeyDown={move}>
          {rows.map((flag) => {
            const opened = open === String(flag.id);
            return (
              <Fragment key={flag.id}>
                <tr className={`${opened ? 'open' : ''} ${flag.left ? 'left-list' : ''}`} data-flag={flag.id}>
                  <td><Mark {...STATUS_LOOK[flag.status]} />{flag.probable && <span className="tag" title="A duplicate after an attempt of ours whose answer was lost">probably</span>}</td>
                  <td><button type="button" className="quiet event-kind mono" aria-expanded={opened} onClick={() => setOpen(opened ? '' : String(flag.id))}>{flag.flag}</button></td>
                  <td>{flag.sploit}</td><td>{flag.team}</td><td>{flag.service}</td>
                  <td><When at={flag.received_at} /></td>
                  <td className="number">{flag.attempts}</td>
                  <td className="muted answer" title={flag.response ?? ''}>{flag.response}</td>
                </tr>
                {opened && <tr className="open"><td colSpan={8}><Detail flag={flag} only={only} /></td></tr>}
              </Fragment>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** One flag that a link names, when it is not among the rows: above them, opened. */
function Named({ id, only }: { id: string; only: (name: Filter, value: string) => void }) {
  const { value, trouble } = useRegular(() => call<FarmFlag>(`/farm/flags/${encodeURIComponent(id)}`), 5000, id);
  if (trouble) return <Notice tone="bad">{trouble}</Notice>;
  return value && <div className="named"><Rows rows={[value]} only={only} /></div>;
}

const local = (iso: string): string => {
  const date = new Date(iso);
  if (!iso || Number.isNaN(date.getTime())) return '';
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};
const utc = (text: string): string => (text ? new Date(text).toISOString() : '');

function useFilters(): Record<Filter, [string, (value: string) => void]> {
  return {
    status: useQuery('status'), sploit: useQuery('sploit'), team: useQuery('team'), service: useQuery('service'),
    flag: useQuery('flag'), response: useQuery('response'), since: useQuery('since'), until: useQuery('until'),
  };
}

function FilterRow({ filters, stats, filtered }: { filters: ReturnType<typeof useFilters>; stats: FarmStats | null; filtered: boolean }) {
  const chosen = filters.status[0].split(',').filter(Boolean);
  const toggle = (status: string): void => filters.status[1](chosen.includes(status) ? chosen.filter((one) => one !== status).join(',') : [...chosen, status].join(','));
  const names = { sploit: stats?.by_sploit, team: stats?.by_team, service: stats?.by_service };
  return (
    <div className="section-head event-filters flag-filters">
      <div className="chips" role="group" aria-label="Status">
        {STATUSES.map((status) => <button type="button" key={status} aria-pressed={chosen.includes(status)} onClick={() => toggle(status)}>{STATUS_LOOK[status].word}</button>)}
      </div>
      {(['sploit', 'team', 'service'] as const).map((name) => (
        <label key={name}>{name.charAt(0).toUpperCase() + name.slice(1)}
          <input value={filters[name][0]} onChange={(event) => filters[name][1](event.target.value)} list={`${name}s`} autoComplete="off" size={12} />
          <datalist id={`${name}s`}>{(names[name] ?? []).slice(0, 500).map((one) => <option key={one.name} value={one.name} />)}</datalist>
        </label>
      ))}
      <label>Answer<input value={filters.response[0]} onChange={(event) => filters.response[1](event.target.value)} autoComplete="off" size={12} maxLength={256} /></label>
      <label>From<input type="datetime-local" value={local(filters.since[0])} onChange={(event) => filters.since[1](utc(event.target.value))} /></label>
      <label>to<input type="datetime-local" value={local(filters.until[0])} onChange={(event) => filters.until[1](utc(event.target.value))} /></label>
      {filtered && <button type="button" className="quiet" onClick={() => go(location.pathname, true)}>Show all</button>}
    </div>
  );
}

export function FlagsPage({ stats }: { stats: FarmStats | null }) {
  const filters = useFilters();
  const [open] = useQuery('open');
  const [growing, setGrowing] = useState(true);
  const search = new URLSearchParams(FILTERS.map((name) => [name, filters[name][0]]).filter(([, value]) => value) as [string, string][]).toString();
  const { rows, waiting, more, busy, trouble, older, showNew } = useFlags(search, growing);
  const only = (name: Filter, value: string): void => filters[name][1](value);
  const filtered = search !== '';
  if (stats?.total === 0) return <FirstSteps />;
  return (
    <>
      <div className="section-head">
        <label className="search flag-search">
          <Icon name="search" />
          <input id="search" type="search" value={filters.flag[0]} onChange={(event) => filters.flag[1](event.target.value)} placeholder="Part of a flag" aria-label="Search flags" autoComplete="off" maxLength={256} />
          <kbd>/</kbd>
        </label>
        {rows && <span className="muted count">{count(rows.length)}{more ? '+' : ''}</span>}
        <span className="spring" />
        <button type="button" aria-pressed={growing} onClick={() => setGrowing(!growing)} title="New flags appear at the top">{growing ? 'Live' : 'Paused'}</button>
      </div>
      <FilterRow filters={filters} stats={stats} filtered={filtered || open !== ''} />
      {trouble && <Notice tone="bad">{trouble}</Notice>}
      {open && rows && !rows.some((row) => String(row.id) === open) && <Named id={open} only={only} />}
      {rows && rows.length === 0 && !more && <Empty title="No flag is like this">Ask for less at once, or show all.</Empty>}
      {rows && rows.length > 0 && <Rows rows={rows} only={only} />}
      {waiting > 0 && <button type="button" className="primary newer" onClick={showNew}>{waiting >= PAGE ? `${PAGE}+` : waiting} new: to the top</button>}
      {more && <p className="totals muted"><span className="spring" /><button type="button" disabled={busy} onClick={older}>Older flags</button></p>}
    </>
  );
}
