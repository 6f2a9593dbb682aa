// What happens in the farm now: sums, plots, the way to the jury, who contributes, and the latest verdicts.
import { useMemo } from 'react';
import { call, type Item } from '../../core/api';
import { When } from '../../core/clock';
import { useLoad } from '../../core/load';
import type { FarmNamedTally, FarmStats } from '../../core/openapi';
import { Link, useQuery } from '../../core/route';
import { amount, count, duration } from '../../core/time';
import { Choice } from '../../kit/choice';
import { Mark } from '../../kit/mark';
import { Plot, type Line } from '../../kit/plot';
import { Table, type Column } from '../../kit/table';
import { FirstSteps } from './first';
import { acceptance, rateWords, STATUS_LOOK, STATUSES } from './words';

type FarmPoint = Item<'getFarmSeries'>;

function Totals({ stats }: { stats: FarmStats }) {
  return (
    <ul className="totals-row">
      <li><Link to="/farm/flags"><span className="mark off">All flags</span><b>{count(stats.total)}</b></Link></li>
      {STATUSES.map((status) => (
        <li key={status} className={STATUS_LOOK[status].tone}>
          <Link to={`/farm/flags?status=${status}`}><Mark {...STATUS_LOOK[status]} /><b>{count(stats[status])}</b></Link>
        </li>
      ))}
    </ul>
  );
}

const STEPS = [{ key: '10', word: 'Last hour', unit: '10 s' }, { key: '60', word: 'Last day', unit: 'minute' }];

const DRAWN: (Omit<Line, 'values'> & { of: keyof Omit<FarmPoint, 'at'> })[] = [
  { of: 'accepted', name: 'Accepted', tone: 'good', fill: true },
  { of: 'received', name: 'Received', tone: 'accent', dash: [6, 3] },
  { of: 'rejected', name: 'Rejected', tone: 'bad', dash: [2, 3] },
];

function Plots() {
  const [step, setStep] = useQuery('step', '10');
  const { value } = useLoad(() => call<'getFarmSeries'>(`/farm/series?step=${step}`), { every: 2000, key: step });
  const drawn = useMemo(() => {
    const points = value?.items ?? [];
    const pick = (of: keyof Omit<FarmPoint, 'at'>): number[] => points.map((point) => point[of]);
    return {
      at: points.map((point) => Date.parse(point.at) / 1000),
      flow: DRAWN.map(({ of, ...line }) => ({ ...line, values: pick(of) })),
      queue: [{ name: 'Waiting', tone: 'wait' as const, fill: true, values: pick('queued') }],
    };
  }, [value]);
  const unit = STEPS.find((one) => one.key === step)?.unit ?? '';
  return (
    <>
      <div className="section-head plots-head">
        <h2>Throughput</h2>
        <span className="spring" />
        <Choice label="Period" options={STEPS} value={step} set={setStep} />
      </div>
      <div className="plots">
        <Plot label={`Flags each ${unit}`} at={drawn.at} lines={drawn.flow} show={count} whole height={16} />
        <Plot label="Queue" at={drawn.at} lines={drawn.queue} show={count} whole height={16} />
      </div>
    </>
  );
}

function Way({ stats }: { stats: FarmStats }) {
  const rate = rateWords(stats.rate);
  const old = stats.oldest_queued_ms;
  const senders = [...stats.senders].sort((a, b) => a.name.localeCompare(b.name));
  return (
    <section aria-labelledby="way-title">
      <div className="section-head"><h2 id="way-title">The way to the jury</h2></div>
      <dl className="facts farm-facts">
        <div><dt>In the queue</dt><dd><b>{count(stats.queued)}</b>{old !== null && <> · the oldest for <b>{duration(old)}</b></>}</dd></div>
        <div><dt>Just now</dt><dd><b>{amount(stats.received_per_s)}</b> flags/s in, <b>{amount(stats.accepted_per_s)}</b> accepted/s</dd></div>
        <div><dt>The jury takes</dt><dd><Mark {...rate} />{stats.rate.limited > 0 && <span className="muted"> · has said “too much” {count(stats.rate.limited)} times</span>}</dd></div>
        <div><dt>With senders</dt><dd><b>{count(stats.leased)}</b> flags in {count(stats.leases)} batches</dd></div>
        <div><dt>Attempts</dt><dd>{count(stats.attempts)}{stats.probable > 0 && <> · {count(stats.probable)} accepted to all appearances</>}{stats.late > 0 && <> · {count(stats.late)} answers came too late</>}</dd></div>
      </dl>
      {senders.length === 0 && <p className="notice bad farm-senders" role="status">No sender has asked for flags in the last five minutes: nothing is handed in. Start one, or set <code>count</code> under <code>[senders]</code> in the configuration.</p>}
      {senders.length > 0 && (
        <ul className="farm-senders" aria-label="Senders">
          {senders.map((one) => <li key={one.name}><span className="mono">{one.name}</span> <span className="muted"><When at={one.seen_at} /> · {count(one.answered)} of {count(one.leased)} answered</span></li>)}
        </ul>
      )}
    </section>
  );
}

const SHARES = ['accepted', 'rejected', 'skipped', 'leased', 'queued'] as const;

function Share({ tally }: { tally: FarmNamedTally }) {
  const words = SHARES.filter((status) => tally[status] > 0).map((status) => `${count(tally[status])} ${STATUS_LOOK[status].word.toLowerCase()}`).join(', ');
  return (
    <span className="stack" role="img" aria-label={words} title={words}>
      {SHARES.map((status) => tally[status] > 0 && <span key={status} className={status} style={{ flexGrow: tally[status] }} />)}
    </span>
  );
}

const GROUPS = [{ key: 'sploit', word: 'Sploit', of: 'by_sploit' }, { key: 'team', word: 'Team', of: 'by_team' }, { key: 'service', word: 'Service', of: 'by_service' }] as const;
const MOST_ROWS = 200;

function Contributions({ stats }: { stats: FarmStats }) {
  const [by, setBy] = useQuery('by', 'sploit');
  const sort = useQuery('sort', '-total');
  const group = GROUPS.find((one) => one.key === by) ?? GROUPS[0];
  const rows = [...stats[group.of]].sort((a, b) => b.total - a.total);
  const number = (key: keyof FarmNamedTally, title: string): Column<FarmNamedTally> => ({ key, title, numeric: true, sort: (one) => Number(one[key]), show: (one) => count(Number(one[key])) });
  const columns: Column<FarmNamedTally>[] = [
    { key: 'name', title: group.word, sort: (one) => one.name, show: (one) => <Link to={`/farm/flags?${new URLSearchParams({ [group.key]: one.name })}`}>{one.name || 'not named'}</Link> },
    number('total', 'Flags'),
    { key: 'share', title: 'What became of them', sort: (one) => one.accepted / Math.max(1, one.total), show: (one) => <Share tally={one} /> },
    number('accepted', 'Accepted'),
    { key: 'rate', title: 'Of decided', numeric: true, sort: (one) => one.accepted / Math.max(1, one.total - one.queued - one.leased), show: acceptance },
    number('rejected', 'Rejected'), number('skipped', 'Skipped'), number('queued', 'Queued'),
  ];
  return (
    <section aria-labelledby="by-title">
      <div className="section-head">
        <h2 id="by-title">Who contributes</h2>
        <span className="muted count">{rows.length > MOST_ROWS ? `the largest ${MOST_ROWS} of ${count(rows.length)}` : count(rows.length)}</span>
        <span className="spring" />
        <Choice label="By" options={GROUPS} value={by} set={setBy} />
      </div>
      <Table columns={columns} rows={rows.slice(0, MOST_ROWS)} rowKey={(one) => one.name} sort={sort} />
    </section>
  );
}

function Verdicts() {
  const { value } = useLoad(() => call<'listFarmFlags'>('/farm/flags?status=accepted,rejected,skipped&limit=30'), { every: 2000, room: 'farm' });
  const rows = [...(value?.items ?? [])].sort((a, b) => (b.decided_at ?? '').localeCompare(a.decided_at ?? '')).slice(0, 12);
  return (
    <section aria-labelledby="verdicts-title">
      <div className="section-head"><h2 id="verdicts-title">Latest verdicts</h2></div>
      {rows.length === 0 && <p className="muted">The jury has not said anything yet.</p>}
      <ul className="verdicts">
        {rows.map((one) => (
          <li key={one.id}>
            <Mark {...STATUS_LOOK[one.status]} />
            <Link to={`/farm/flags?open=${one.id}`} className="mono">{one.flag}</Link>
            <span className="muted">{[one.sploit, one.team].filter(Boolean).join(' → ')}{one.response && ` · ${one.response}`}</span>
            {one.decided_at && <span className="muted verdict-time"><When at={one.decided_at} /></span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function FarmLive({ stats }: { stats: FarmStats }) {
  if (stats.total === 0) return <><FirstSteps /><Way stats={stats} /></>;
  return (
    <>
      <Totals stats={stats} />
      <Plots />
      <div className="farm-columns"><Way stats={stats} /><Verdicts /></div>
      <Contributions stats={stats} />
    </>
  );
}
