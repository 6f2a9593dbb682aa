// For operators and admins: everybody's machines, and what was used.
import { copy, stop, undoStop } from './actions';
import { call, listAll, serverNow } from './api';
import { Empty, Icon, Left, Mark, Notice, When } from './parts';
import { useRegular } from './regular';
import { useQuery } from './route';
import { isLive } from './state';
import { toast, useStore } from './store';
import { Table, type Column } from './table';
import { amount } from './time';
import { instanceLook } from './words';
import type { Instance, List, Pool, UsageRow } from './types';

const POOL_WORDS = { running: 'run already', created: 'made, start at the claim', none: 'no pool' };

/** How full the warm pools are; nothing where no template has one. */
function Pools() {
  const { value, trouble } = useRegular(async () => (await call<List<Pool>>('/admin/pools')).items, 2000, 'pools');
  if (trouble) return <Notice tone="bad">{trouble}</Notice>;
  if (!value || value.length === 0) return null;
  const columns: Column<Pool>[] = [
    { key: 'template', title: 'Template', sort: (one) => one.template, show: (one) => one.template },
    { key: 'kind', title: 'Machines', sort: (one) => one.kind, show: (one) => POOL_WORDS[one.kind] },
    {
      key: 'ready', title: 'Ready', numeric: true, sort: (one) => one.ready,
      show: (one) => <span className="bar-cell"><span className="share" aria-hidden="true"><span style={{ width: `${one.target > 0 ? Math.min(100, (100 * one.ready) / one.target) : 0}%` }} /></span><span className="bar-number">{one.ready} of {one.target}</span></span>,
    },
    { key: 'filling', title: 'Being made', numeric: true, sort: (one) => one.filling, show: (one) => one.filling },
    { key: 'reason', title: 'Remark', sort: (one) => one.reason ?? '', show: (one) => one.reason && <span className="muted" title={one.reason}>{one.reason.slice(0, 120)}</span> },
  ];
  return (
    <section aria-labelledby="pools-title">
      <div className="section-head"><h2 id="pools-title">Warm pools</h2></div>
      <Table columns={columns} rows={value} rowKey={(one) => one.template} first="template" />
    </section>
  );
}

const LIVE_STATES = 'queued,preparing,starting,running,paused,stopping';

const everybodys = (): Promise<Instance[]> => listAll<Instance>(`/instances?owner=all&state=${LIVE_STATES}&limit=500`);

export function AllMachines() {
  const { stopping } = useStore();
  const [filter, setFilter] = useQuery('q');
  const { value, trouble, again } = useRegular(everybodys, 3000, 'all', 'instances:all');
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = (value ?? []).filter(isLive).filter((one) => {
    const text = `${one.template_name} ${one.template} ${one.owner.name} ${one.owner.team?.name ?? ''} ${one.state} ${one.id}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const columns: Column<Instance>[] = [
    { key: 'state', title: 'State', sort: (one) => one.state, show: (one) => <Mark {...instanceLook(stopping[one.id] ? 'stopping' : one.state)} title={one.reason?.text} /> },
    { key: 'template', title: 'Template', sort: (one) => one.template_name, show: (one) => <span title={one.id}>{one.template_name}</span> },
    { key: 'owner', title: 'Owner', sort: (one) => one.owner.name, show: (one) => <>{one.owner.name}{one.owner.team && <span className="muted"> · {one.owner.team.name}</span>}</> },
    { key: 'age', title: 'Made', sort: (one) => one.created_at, show: (one) => <When at={one.created_at} /> },
    { key: 'left', title: 'Time', sort: (one) => one.expires_at ?? '9', show: (one) => (one.expires_at ? <Left until={one.expires_at} /> : 'no end') },
    { key: 'machines', title: 'Machines', numeric: true, sort: (one) => one.machines.length, show: (one) => one.machines.length },
  ];
  return (
    <section aria-labelledby="all-title">
      <div className="section-head">
        <h1 id="all-title">All machines</h1>
        {value && <span className="muted count">{rows.length}</span>}
        <span className="spring" />
        <label className="search">
          <Icon name="search" />
          <input id="search" type="search" value={filter} onChange={(event) => setFilter(event.target.value)} placeholder="Owner, team, template, state" aria-label="Filter machines" autoComplete="off" />
          <kbd>/</kbd>
        </label>
      </div>
      {trouble && <Notice tone="bad">{trouble}</Notice>}
      {value && rows.length === 0 && <Empty title={filter ? `Nothing matches “${filter}”` : 'Nobody runs anything'}>{filter ? 'Names, teams, templates and states are searched.' : 'Machines appear here as soon as somebody starts one.'}</Empty>}
      {rows.length > 0 && (
        <Table
          columns={columns} rows={rows} rowKey={(one) => one.id} first="-age"
          act={(one) => (stopping[one.id]
            ? <button type="button" className="quiet" onClick={() => undoStop(one.id)}>Undo</button>
            : <button type="button" className="quiet" disabled={one.state === 'stopping'} onClick={() => stop(one, again)} aria-label={`Stop ${one.template_name} of ${one.owner.name}`}>Stop</button>)}
        />
      )}
      <Pools />
    </section>
  );
}

const KINDS: [string, string][] = [['cost_centre', 'Cost centre'], ['template', 'Template'], ['owner', 'Owner']];
const SPANS: [string, string, number][] = [['24h', '24 hours', 1], ['7d', '7 days', 7], ['30d', '30 days', 30], ['all', 'All', 0]];

export function Usage() {
  const [by, setBy] = useQuery('by', 'cost_centre');
  const [span, setSpan] = useQuery('span', '7d');
  const days = SPANS.find(([key]) => key === span)?.[2] ?? 7;
  const load = async (): Promise<UsageRow[]> => {
    const query = new URLSearchParams({ by });
    query.set('from', new Date(days ? serverNow() - days * 86_400_000 : 0).toISOString());
    return (await call<List<UsageRow>>(`/admin/usage?${query}`)).items;
  };
  const { value, trouble } = useRegular(load, 15_000, `${by} ${span}`);
  const rows = value ?? [];
  const top = Math.max(0, ...rows.map((row) => row.instance_hours));
  const sum = (pick: (row: UsageRow) => number): number => rows.reduce((total, row) => total + pick(row), 0);
  const kind = KINDS.find(([key]) => key === by)?.[1] ?? by;
  const columns: Column<UsageRow>[] = [
    { key: 'key', title: kind, sort: (row) => row.key, show: (row) => row.key || 'none' },
    { key: 'instances', title: 'Starts', numeric: true, sort: (row) => row.instances, show: (row) => amount(row.instances) },
    {
      key: 'hours', title: 'Machine hours', numeric: true, sort: (row) => row.instance_hours,
      show: (row) => <span className="bar-cell"><span className="share" aria-hidden="true"><span style={{ width: `${top > 0 ? (100 * row.instance_hours) / top : 0}%` }} /></span><span className="bar-number">{amount(row.instance_hours)}</span></span>,
    },
    { key: 'cpu', title: 'CPU hours', numeric: true, sort: (row) => row.cpu_seconds, show: (row) => amount(row.cpu_seconds / 3600) },
    { key: 'memory', title: 'Memory GiB h', numeric: true, sort: (row) => row.memory_gib_hours, show: (row) => amount(row.memory_gib_hours) },
  ];
  const csv = async (): Promise<void> => {
    const lines = rows.map((row) => [JSON.stringify(row.key), row.instances, row.instance_hours, row.cpu_seconds, row.memory_gib_hours].join(','));
    const worked = await copy([`${by},instances,instance_hours,cpu_seconds,memory_gib_hours`, ...lines].join('\n'));
    toast(worked ? 'Copied as CSV.' : 'Copying is not allowed here.');
  };
  return (
    <section aria-labelledby="usage-title">
      <div className="section-head">
        <h1 id="usage-title">Usage</h1>
        <div className="chips" role="group" aria-label="Sum by">
          {KINDS.map(([key, word]) => <button type="button" key={key} aria-pressed={by === key} onClick={() => setBy(key)}>{word}</button>)}
        </div>
        <span className="spring" />
        <div className="chips" role="group" aria-label="Period">
          {SPANS.map(([key, word]) => <button type="button" key={key} aria-pressed={span === key} onClick={() => setSpan(key)}>{word}</button>)}
        </div>
      </div>
      {trouble && <Notice tone="bad">{trouble}</Notice>}
      {value && rows.length === 0 && <Empty title="Nothing was used in this time">Choose a longer one, or start a machine: its hours appear here.</Empty>}
      {rows.length > 0 && (
        <>
          <Table columns={columns} rows={rows} rowKey={(row) => row.key} first="-hours" />
          <p className="totals muted">
            <span>{amount(sum((row) => row.instances))} {sum((row) => row.instances) === 1 ? 'start' : 'starts'}</span><span>{amount(sum((row) => row.instance_hours))} machine hours</span>
            <span>{amount(sum((row) => row.cpu_seconds) / 3600)} CPU hours</span><span>{amount(sum((row) => row.memory_gib_hours))} GiB hours</span>
            <span className="spring" />
            <button type="button" className="quiet" onClick={() => void csv()}>Copy as CSV</button>
          </p>
        </>
      )}
    </section>
  );
}
