// For operators and admins: what was used, by whom.
import { call, serverNow } from '../../core/api';
import { useLoad } from '../../core/load';
import type { UsageRow } from '../../core/openapi';
import { useQuery } from '../../core/route';
import { toast } from '../../core/store';
import { amount } from '../../core/time';
import { Choice } from '../../kit/choice';
import { copy } from '../../kit/copy';
import { Empty, Trouble } from '../../kit/notice';
import { Share } from '../../kit/share';
import { Table, type Column } from '../../kit/table';

const KINDS = [{ key: 'cost_centre', word: 'Cost centre' }, { key: 'template', word: 'Template' }, { key: 'owner', word: 'Owner' }];
const SPANS = [{ key: '24h', word: '24 hours', days: 1 }, { key: '7d', word: '7 days', days: 7 }, { key: '30d', word: '30 days', days: 30 }, { key: 'all', word: 'All', days: 0 }];

export default function UsagePage() {
  const [by, setBy] = useQuery('by', 'cost_centre');
  const [span, setSpan] = useQuery('span', '7d');
  const days = SPANS.find((one) => one.key === span)?.days ?? 7;
  const load = async (): Promise<UsageRow[]> => {
    const query = new URLSearchParams({ by });
    query.set('from', new Date(days ? serverNow() - days * 86_400_000 : 0).toISOString());
    return (await call<'getUsage'>(`/admin/usage?${query}`)).items;
  };
  const { value, trouble } = useLoad(load, { every: 15_000, key: `${by} ${span}` });
  const sort = useQuery('sort', '-hours');
  const rows = value ?? [];
  const top = Math.max(0, ...rows.map((row) => row.instance_hours));
  const sum = (pick: (row: UsageRow) => number): number => rows.reduce((total, row) => total + pick(row), 0);
  const kind = KINDS.find((one) => one.key === by)?.word ?? by;
  const columns: Column<UsageRow>[] = [
    { key: 'key', title: kind, sort: (row) => row.key, show: (row) => row.key || 'none' },
    { key: 'instances', title: 'Starts', numeric: true, sort: (row) => row.instances, show: (row) => amount(row.instances) },
    {
      key: 'hours', title: 'Machine hours', numeric: true, sort: (row) => row.instance_hours,
      show: (row) => <Share part={row.instance_hours} of={top}>{amount(row.instance_hours)}</Share>,
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
        <Choice label="Sum by" options={KINDS} value={by} set={setBy} />
        <span className="spring" />
        <Choice label="Period" options={SPANS} value={span} set={setSpan} />
      </div>
      <Trouble text={trouble} />
      {value && rows.length === 0 && <Empty title="Nothing was used in this time">Choose a longer one, or start a machine: its hours appear here.</Empty>}
      {rows.length > 0 && (
        <>
          <Table columns={columns} rows={rows} rowKey={(row) => row.key} sort={sort} />
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
