import { call } from '../../core/api';
import { useLoad } from '../../core/load';
import type { Pool } from '../../core/openapi';
import { useQuery } from '../../core/route';
import { Trouble } from '../../kit/notice';
import { Share } from '../../kit/share';
import { Table, type Column } from '../../kit/table';

const POOL_WORDS = { running: 'run already', created: 'made, start at the claim', none: 'no pool' };

/** How full the warm pools are; nothing where no template has one. */
export function Pools() {
  const { value, trouble } = useLoad(async () => (await call<'listPools'>('/admin/pools')).items, { every: 2000 });
  const sort = useQuery('pools', 'template');
  if (trouble) return <Trouble text={trouble} />;
  if (!value || value.length === 0) return null;
  const columns: Column<Pool>[] = [
    { key: 'template', title: 'Template', sort: (one) => one.template, show: (one) => one.template },
    { key: 'kind', title: 'Machines', sort: (one) => one.kind, show: (one) => POOL_WORDS[one.kind] },
    {
      key: 'ready', title: 'Ready', numeric: true, sort: (one) => one.ready,
      show: (one) => <Share part={one.ready} of={one.target}>{one.ready} of {one.target}</Share>,
    },
    { key: 'filling', title: 'Being made', numeric: true, sort: (one) => one.filling, show: (one) => one.filling },
    { key: 'reason', title: 'Remark', sort: (one) => one.reason ?? '', show: (one) => one.reason && <span className="muted" title={one.reason}>{one.reason.slice(0, 120)}</span> },
  ];
  return (
    <section aria-labelledby="pools-title">
      <div className="section-head"><h2 id="pools-title">Warm pools</h2></div>
      <Table columns={columns} rows={value} rowKey={(one) => one.template} sort={sort} />
    </section>
  );
}
