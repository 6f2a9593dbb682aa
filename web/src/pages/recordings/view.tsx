// What terminals showed, where it was recorded: /recordings, and one of them at /recordings/ID.
import type { Me, Recording } from '../../core/openapi';
import { call } from '../../core/api';
import { When } from '../../core/clock';
import { attempt } from '../../core/form';
import { useLoad } from '../../core/load';
import { isStaff } from '../../core/roles';
import { Link, usePath, useQuery } from '../../core/route';
import { bytes, duration } from '../../core/time';
import { Empty, Trouble } from '../../kit/notice';
import { Sure } from '../../kit/sure';
import { Table, type Column } from '../../kit/table';
import { Watch } from './watch';
import './style.css';

const ENDS: Record<string, string> = { ended: '', full: 'it was full', failed: 'it could not be written', 'server-stopped': 'the server stopped', 'server-away': 'the server went away' };

const lasted = (one: Recording): number => (one.ended_at === null ? 0 : Date.parse(one.ended_at) - Date.parse(one.started_at));

const COLUMNS: Column<Recording>[] = [
  { key: 'began', title: 'Began', sort: (one) => one.started_at, show: (one) => <Link to={`/recordings/${one.id}`}><When at={one.started_at} /></Link> },
  { key: 'machine', title: 'Machine', sort: (one) => one.machine, show: (one) => <>{one.machine} <span className="muted mono">{one.instance}</span></> },
  { key: 'by', title: 'By', sort: (one) => one.by, show: (one) => one.by },
  { key: 'lasted', title: 'Lasted', numeric: true, sort: lasted, show: (one) => (one.ended_at === null ? 'runs' : duration(lasted(one))) },
  { key: 'size', title: 'Size', numeric: true, sort: (one) => one.size, show: (one) => bytes(one.size) },
  { key: 'end', title: 'Ended because', sort: (one) => one.end_reason ?? '', show: (one) => ENDS[one.end_reason ?? ''] ?? '' },
];

function List({ me }: { me: Me }) {
  const [instance] = useQuery('instance');
  const sort = useQuery('sort', '-began');
  const path = instance ? `/recordings?instance=${encodeURIComponent(instance)}` : '/recordings';
  const { value, trouble, again } = useLoad(() => call<'listRecordings'>(path), { every: 15_000, key: path });
  const remove = async (one: Recording): Promise<void> => {
    await attempt('The recording is still there.', () => call<'removeRecording'>(`/recordings/${one.id}`, { method: 'DELETE' }));
    again();
  };
  return (
    <section className="recordings-page" aria-labelledby="recordings-title">
      <div className="section-head">
        <h1 id="recordings-title">Recordings</h1>
        {instance && <><span className="muted">of {instance}</span><Link to="/recordings">All of them</Link></>}
      </div>
      <Trouble text={trouble} />
      {value?.items.length === 0 && <Empty title="Nothing was recorded">A machine says so beside its terminal if what it shows is kept. {isStaff(me) && <>A template asks for it with <code>record = ["terminal"]</code>.</>}</Empty>}
      {value && value.items.length > 0 && (
        <Table
          columns={COLUMNS} rows={value.items} rowKey={(one) => one.id} sort={sort}
          act={isStaff(me) ? (one) => one.ended_at !== null && <Sure label="Remove" question="Remove it?" run={() => void remove(one)} /> : undefined}
        />
      )}
    </section>
  );
}

export default function RecordingsPage({ me }: { me: Me }) {
  const id = usePath().split('/')[2] ?? '';
  return id ? <Watch key={id} id={decodeURIComponent(id)} /> : <List me={me} />;
}
