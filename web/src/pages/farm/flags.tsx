// Every flag, with filters. The URL holds them.
import { useState, type ReactNode } from 'react';
import { call } from '../../core/api';
import { When } from '../../core/clock';
import { useLoad } from '../../core/load';
import type { FarmAttempt, FarmFlag, FarmStats } from '../../core/openapi';
import { go, useQuery } from '../../core/route';
import { clock, count, duration, exact } from '../../core/time';
import { CopyButton } from '../../kit/copy';
import { Facts, FoldButton, FoldTable } from '../../kit/folds';
import { Mark } from '../../kit/mark';
import { fromField, toField } from '../../kit/moment';
import { Empty, Trouble } from '../../kit/notice';
import { Search } from '../../kit/search';
import { FirstSteps } from './first';
import { FILTERS, PAGE, useFlags, type Filter } from './flag_list';
import type { Shown } from './list';
import { STATUS_LOOK, STATUSES, verdictWords } from './words';

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
  const { value } = useLoad(() => call<'getFarmFlag'>(`/farm/flags/${flag.id}`), { every: 2000, key: `${flag.id} ${flag.status} ${flag.attempts}` });
  const linked = (name: Filter, text: string): ReactNode => (text ? <>{text} <button type="button" className="quiet" onClick={() => only(name, text)}>Only this {name}</button></> : <span className="muted">not named</span>);
  const lines: [string, ReactNode][] = [
    ['Flag', <span className="mono">{flag.flag} <CopyButton text={flag.flag} what="the flag" /></span>],
    ['Number', flag.id],
    ['Sploit', linked('sploit', flag.sploit)],
    ['Team', linked('team', flag.team)],
    ['Service', linked('service', flag.service)],
    ['Received', exact(flag.received_at)],
    ['Worth until', exact(flag.expires_at)],
  ];
  if (flag.decided_at) lines.push(['Decided', `${exact(flag.decided_at)}, ${duration(Date.parse(flag.decided_at) - Date.parse(flag.received_at))} after it came`]);
  return (
    <div className="fold-detail">
      <Facts lines={lines} />
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
  const opened = (flag: Shown): boolean => open === String(flag.id);
  return (
    <FoldTable
      className="flags" rows={rows} rowKey={(flag) => String(flag.id)} width={8}
      head={<><th>Status</th><th>Flag</th><th>Sploit</th><th>Team</th><th>Service</th><th>Received</th><th className="number">Tries</th><th>Answer</th></>}
      row={(flag) => (
        <tr className={`${opened(flag) ? 'open' : ''} ${flag.left ? 'left-list' : ''}`} data-flag={flag.id}>
          <td><Mark {...STATUS_LOOK[flag.status]} />{flag.probable && <span className="tag" title="A duplicate after an attempt of ours whose answer was lost">probably</span>}</td>
          <td><FoldButton mono open={opened(flag)} toggle={() => setOpen(opened(flag) ? '' : String(flag.id))}>{flag.flag}</FoldButton></td>
          <td>{flag.sploit}</td><td>{flag.team}</td><td>{flag.service}</td>
          <td><When at={flag.received_at} /></td>
          <td className="number">{flag.attempts}</td>
          <td className="muted answer" title={flag.response ?? ''}>{flag.response}</td>
        </tr>
      )}
      detail={(flag) => opened(flag) && <Detail flag={flag} only={only} />}
    />
  );
}

/** One flag that a link names, when it is not among the rows: above them, opened. */
function Named({ id, only }: { id: string; only: (name: Filter, value: string) => void }) {
  const { value, trouble } = useLoad(() => call<'getFarmFlag'>(`/farm/flags/${encodeURIComponent(id)}`), { every: 5000, key: id });
  if (trouble) return <Trouble text={trouble} />;
  return value && <div className="named"><Rows rows={[value]} only={only} /></div>;
}

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
      <label>From<input type="datetime-local" value={toField(filters.since[0])} onChange={(event) => filters.since[1](fromField(event.target.value))} /></label>
      <label>to<input type="datetime-local" value={toField(filters.until[0])} onChange={(event) => filters.until[1](fromField(event.target.value))} /></label>
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
        <Search className="flag-search" value={filters.flag[0]} set={filters.flag[1]} placeholder="Part of a flag" label="Search flags" maxLength={256} />
        {rows && <span className="muted count">{count(rows.length)}{more ? '+' : ''}</span>}
        <span className="spring" />
        <button type="button" aria-pressed={growing} onClick={() => setGrowing(!growing)} title="New flags appear at the top">{growing ? 'Live' : 'Paused'}</button>
      </div>
      <FilterRow filters={filters} stats={stats} filtered={filtered || open !== ''} />
      <Trouble text={trouble} />
      {open && rows && !rows.some((row) => String(row.id) === open) && <Named id={open} only={only} />}
      {rows && rows.length === 0 && !more && <Empty title="No flag is like this">Ask for less at once, or show all.</Empty>}
      {rows && rows.length > 0 && <Rows rows={rows} only={only} />}
      {waiting > 0 && <button type="button" className="primary newer" onClick={showNew}>{waiting >= PAGE ? `${PAGE}+` : waiting} new: to the top</button>}
      {more && <p className="totals muted"><span className="spring" /><button type="button" disabled={busy} onClick={older}>Older flags</button></p>}
    </>
  );
}
