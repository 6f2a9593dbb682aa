// For operators and admins: everybody's machines.
import { stop, undoStop } from '../../core/actions';
import { listAll } from '../../core/api';
import { Left, When } from '../../core/clock';
import { useLoad } from '../../core/load';
import type { Instance } from '../../core/openapi';
import { useQuery } from '../../core/route';
import { isLive } from '../../core/state';
import { useStore } from '../../core/store';
import { lookOf } from '../../core/words';
import { Mark } from '../../kit/mark';
import { Empty, Trouble } from '../../kit/notice';
import { Search } from '../../kit/search';
import { Table, type Column } from '../../kit/table';
import { finder } from '../../kit/text';
import { Pools } from './pools';

const LIVE_STATES = 'queued,preparing,starting,running,paused,stopping';

const everybodys = (): Promise<Instance[]> => listAll<'listInstances'>(`/instances?owner=all&state=${LIVE_STATES}&limit=500`);

export default function AllMachinesPage() {
  const { stopping } = useStore();
  const [filter, setFilter] = useQuery('q');
  const { value, trouble, again } = useLoad(everybodys, { every: 3000, room: 'instances:all' });
  const fits = finder(filter);
  const rows = (value ?? []).filter(isLive).filter((one) => fits(`${one.template_name} ${one.template} ${one.owner.name} ${one.owner.team?.name ?? ''} ${one.state} ${one.unreachable ? 'unreachable' : ''} ${one.id}`));
  const sort = useQuery('sort', '-age');
  const columns: Column<Instance>[] = [
    { key: 'state', title: 'State', sort: (one) => one.state, show: (one) => <Mark {...lookOf(one, stopping[one.id] !== undefined)} title={one.unreachable ?? one.reason?.text} /> },
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
        <Search value={filter} set={setFilter} placeholder="Owner, team, template, state" label="Filter machines" />
      </div>
      <Trouble text={trouble} />
      {value && rows.length === 0 && <Empty title={filter ? `Nothing matches “${filter}”` : 'Nobody runs anything'}>{filter ? 'Names, teams, templates and states are searched.' : 'Machines appear here as soon as somebody starts one.'}</Empty>}
      {rows.length > 0 && (
        <Table
          columns={columns} rows={rows} rowKey={(one) => one.id} sort={sort}
          act={(one) => (stopping[one.id]
            ? <button type="button" className="quiet" onClick={() => undoStop(one.id)}>Undo</button>
            : <button type="button" className="quiet" disabled={one.state === 'stopping'} onClick={() => stop(one, again)} aria-label={`Stop ${one.template_name} of ${one.owner.name}`}>Stop</button>)}
        />
      )}
      <Pools />
    </section>
  );
}
