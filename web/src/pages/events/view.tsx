// For staff: who did what and when.
import { useState, type ReactNode } from 'react';
import { call } from '../../core/api';
import { When } from '../../core/clock';
import { useLoad } from '../../core/load';
import type { Event } from '../../core/openapi';
import { go, useQuery } from '../../core/route';
import { exact } from '../../core/time';
import { asOptions, Choice } from '../../kit/choice';
import { CopyButton } from '../../kit/copy';
import { Facts, FoldButton, FoldTable } from '../../kit/folds';
import { Icon } from '../../kit/icon';
import { Mark } from '../../kit/mark';
import { fromField, toField } from '../../kit/moment';
import { Empty, Trouble } from '../../kit/notice';
import { Search } from '../../kit/search';
import { queryOf, useEvents } from './list';
import './style.css';
import { asText, LOOKS, summary, WEIGHTS as KEYS } from './words';

const WEIGHTS = asOptions(KEYS);

function Detail({ event, only }: { event: Event; only: (name: string, value: string) => void }) {
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
    <div className="fold-detail">
      <Facts lines={lines} />
      <CopyButton text={JSON.stringify(event, null, 2)} what="the event as JSON" label="Copy as JSON" />
    </div>
  );
}

function Rows({ rows, only }: { rows: Event[]; only: (name: string, value: string) => void }) {
  const [open, setOpen] = useState('');
  return (
    <FoldTable
      className="events" rows={rows} rowKey={(event) => event.id} width={5}
      head={<><th>What happened</th><th>When</th><th>By</th><th>To</th><th className="wide-only">Remark</th></>}
      row={(event) => (
        <tr className={open === event.id ? 'open' : ''}>
          <td>
            <FoldButton open={open === event.id} toggle={() => setOpen(open === event.id ? '' : event.id)}>
              <Mark word={event.kind} {...LOOKS[event.severity]} title={event.severity} />
            </FoldButton>
          </td>
          <td><When at={event.at} /></td>
          <td>{event.actor || <span className="muted">{event.actor_id || (event.address ? event.address : 'the server')}</span>}</td>
          <td>{event.subject}</td>
          <td className="muted wide-only">{summary(event)}</td>
        </tr>
      )}
      detail={(event) => open === event.id && <Detail event={event} only={only} />}
    />
  );
}

export default function EventsPage() {
  const kinds = useLoad(async () => (await call<'listEventKinds'>('/admin/events/kinds')).items).value ?? [];
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
        <Search value={text} set={setText} placeholder="Any word, name or address" label="Search events" maxLength={200} />
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
        <Choice label="Weight" options={WEIGHTS} value={severity} set={setSeverity} clears />
        <label>From <input type="datetime-local" value={toField(from)} onChange={(event) => setFrom(fromField(event.target.value))} /></label>
        <label>to <input type="datetime-local" value={toField(to)} onChange={(event) => setTo(fromField(event.target.value))} /></label>
        {chosen.filter(([, value]) => value).map(([word, value, set]) => (
          <button type="button" key={word} onClick={() => set('')} aria-label={`Do not ask for ${value} any more`}>{word}: {value} <Icon name="close" /></button>
        ))}
        {filtered && <button type="button" className="quiet" onClick={() => go(location.pathname, true)}>Show all</button>}
      </div>
      <Trouble text={trouble} />
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
