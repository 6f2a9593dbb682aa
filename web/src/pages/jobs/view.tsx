// The board of jobs, for staff: what waits, runs and fails, how late it is, and what can be done about it.
import { useMemo } from 'react';
import { call } from '../../core/api';
import { attempt } from '../../core/form';
import { useLoad } from '../../core/load';
import type { JobKind } from '../../core/openapi';
import { Link, useQuery } from '../../core/route';
import { toast } from '../../core/store';
import { amount, count, duration } from '../../core/time';
import { Icon } from '../../kit/icon';
import { Mark } from '../../kit/mark';
import { Trouble } from '../../kit/notice';
import { Plot } from '../../kit/plot';
import { Table, type Column } from '../../kit/table';
import { JobList } from './list';
import './style.css';
import { BOARD, JOB_LOOK, kindLook, late, type JobState } from './words';

function Totals({ kinds, chosen }: { kinds: JobKind[]; chosen: string }) {
  const of = (pick: (kind: JobKind) => number): number => kinds.filter((kind) => !chosen || kind.name === chosen).reduce((sum, kind) => sum + pick(kind), 0);
  const rate = of((kind) => kind.rate);
  const to = (state: JobState): string => `/jobs?${new URLSearchParams({ ...(chosen ? { kind: chosen } : {}), state })}`;
  return (
    <ul className="totals-row">
      <li><Link to={to('waiting')}><Mark {...JOB_LOOK.waiting} /><b>{count(of((kind) => kind.waiting))}</b></Link></li>
      <li><span className="sum"><span className="mark off">Of these due</span><b>{count(of((kind) => kind.ready))}</b></span></li>
      <li><Link to={to('running')}><Mark {...JOB_LOOK.running} /><b>{count(of((kind) => kind.running))}</b></Link></li>
      <li><Link to={to('failed')}><Mark {...JOB_LOOK.failed} /><b>{count(of((kind) => kind.failed))}</b></Link></li>
      <li><span className="sum"><span className="mark off">A second</span><b>{rate > 0 && rate < 10 ? rate.toFixed(1) : amount(Math.round(rate))}</b></span></li>
    </ul>
  );
}

function Plots({ kind }: { kind: string }) {
  const { value } = useLoad(() => call<'listJobMinutes'>(`/admin/jobs/minutes${kind ? `?${new URLSearchParams({ kind })}` : ''}`), {
    // They hear of everything, and follow every few seconds.
    key: kind, every: 5000, room: BOARD, gapMs: 5000,
  });
  const drawn = useMemo(() => {
    const points = value?.items ?? [];
    // A minute in which nothing was due has no lateness; a line through zero would praise what was never tried.
    const lateness = (of: 'p50_ms' | 'p99_ms'): (number | null)[] => points.map((point) => (point.started > 0 ? point[of] : null));
    return {
      at: points.map((point) => Date.parse(point.at) / 1000),
      lateness: [
        { name: '99 %', tone: 'wait' as const, dash: [6, 3], values: lateness('p99_ms') },
        { name: 'Median', tone: 'accent' as const, fill: true, values: lateness('p50_ms') },
      ],
      rate: [
        { name: 'Done', tone: 'good' as const, fill: true, values: points.map((point) => point.done) },
        { name: 'Errors', tone: 'bad' as const, dash: [2, 3], values: points.map((point) => point.errors) },
      ],
    };
  }, [value]);
  return (
    <div className="plots halves">
      <Plot label="Lateness" at={drawn.at} lines={drawn.lateness} show={late} />
      <Plot label="Firings each minute" at={drawn.at} lines={drawn.rate} show={count} whole />
    </div>
  );
}

async function setPaused(kind: JobKind, paused: boolean, again: () => void): Promise<void> {
  const worked = await attempt(`${kind.name} was not changed.`, () => call<'pauseJobKind' | 'resumeJobKind'>(`/admin/jobs/kinds/${encodeURIComponent(kind.name)}/${paused ? 'pause' : 'resume'}`, { method: 'POST' }));
  if (worked) toast(paused ? `${kind.name} is paused: what runs ends by itself, nothing new starts.` : `${kind.name} goes on.`, paused ? { action: { label: 'Undo', run: () => void setPaused(kind, false, again) } } : {});
  again();
}

const number = (key: string, title: string, of: (kind: JobKind) => number, show: (value: number) => string = count): Column<JobKind> => ({
  key, title, numeric: true, sort: of, show: (kind) => show(of(kind)),
});
const measured = (of: (kind: JobKind) => number) => (kind: JobKind): number => (kind.lateness.firings > 0 ? of(kind) : -1);
const lateOrNone = (ms: number): string => (ms < 0 ? '–' : late(ms));

function Kinds({ kinds, again }: { kinds: JobKind[]; again: () => void }) {
  const [chosen, setChosen] = useQuery('kind');
  const sort = useQuery('kinds', 'name');
  const columns: Column<JobKind>[] = [
    {
      key: 'name', title: 'Kind', sort: (kind) => kind.name,
      show: (kind) => (
        <button type="button" className="quiet kind-name mono" aria-pressed={chosen === kind.name} title={`${kind.about} At most ${kind.at_once} at once, ${kind.tries} tries, ${duration(kind.timeout_ms)} for each.`} onClick={() => setChosen(chosen === kind.name ? '' : kind.name)}>{kind.name}</button>
      ),
    },
    { key: 'state', title: 'State', sort: (kind) => kindLook(kind).word, show: (kind) => <Mark {...kindLook(kind)} /> },
    number('waiting', 'Waiting', (kind) => kind.waiting), number('ready', 'Due', (kind) => kind.ready), number('running', 'Running', (kind) => kind.running), number('failed', 'Failed', (kind) => kind.failed),
    number('rate', 'A second', (kind) => kind.rate, amount),
    number('p50', 'Late: median', measured((kind) => kind.lateness.p50_ms), lateOrNone), number('p90', '90 %', measured((kind) => kind.lateness.p90_ms), lateOrNone),
    number('p99', '99 %', measured((kind) => kind.lateness.p99_ms), lateOrNone), number('max', 'Most', measured((kind) => kind.lateness.max_ms), lateOrNone),
  ];
  return (
    <section aria-labelledby="kinds-title">
      <div className="section-head">
        <h2 id="kinds-title">Kinds</h2><span className="muted count">{kinds.length}</span>
        <span className="muted">Lateness is of the last ten minutes.</span>
        {chosen && <button type="button" onClick={() => setChosen('')} aria-label={`Do not ask for ${chosen} any more`}>{chosen} <Icon name="close" /></button>}
      </div>
      <Table
        columns={columns} rows={kinds} rowKey={(kind) => kind.name} sort={sort}
        act={(kind) => <button type="button" className="quiet" aria-label={`${kind.paused ? 'Resume' : 'Pause'} ${kind.name}`} onClick={() => void setPaused(kind, !kind.paused, again)}>{kind.paused ? 'Resume' : 'Pause'}</button>}
      />
    </section>
  );
}

export default function JobsPage() {
  const [chosen] = useQuery('kind');
  const { value, trouble, again } = useLoad(async () => (await call<'listJobKinds'>('/admin/jobs/kinds')).items, { every: 1000, room: BOARD, read: (board) => board.kinds as JobKind[] });
  return (
    <section className="jobs" aria-labelledby="jobs-title">
      <div className="section-head"><h1 id="jobs-title">Jobs</h1><span className="muted">Everything that happens by time: leases, retries, sweeps, notices, images.</span></div>
      <Trouble text={trouble} />
      {value && (
        <>
          <Totals kinds={value} chosen={chosen} />
          <Plots kind={chosen} />
          <Kinds kinds={value} again={again} />
          <JobList failed={value.some((kind) => kind.failed > 0)} changed={again} />
        </>
      )}
    </section>
  );
}
