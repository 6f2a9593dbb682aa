// The jobs themselves: one state and, if wanted, one kind at a time; a job with its firings, and what can be done with it.
import { useState, type ReactNode } from 'react';
import { call } from '../../core/api';
import { When } from '../../core/clock';
import { attempt } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Job, JobFiring } from '../../core/openapi';
import { useQuery } from '../../core/route';
import { toast } from '../../core/store';
import { clock, exact } from '../../core/time';
import { afterUndo } from '../../core/undo';
import { asOptions, Choice } from '../../kit/choice';
import { CopyButton } from '../../kit/copy';
import { Facts, FoldButton, FoldTable } from '../../kit/folds';
import { Mark } from '../../kit/mark';
import { Empty, Notice, Trouble } from '../../kit/notice';
import { BOARD, JOB_LOOK, JOB_STATES, late, type JobState } from './words';

const PAGE = 100;
/** What one answer holds at most; more is found by asking for one kind. */
const MOST = 500;
/** Where there is much to do, numbers change all the time. */
const LISTED = { room: BOARD, gapMs: 1000 };

const STATES = asOptions(JOB_STATES, (state) => JOB_LOOK[state].word);

type Verb = 'cancel' | 'retry' | 'run-now';
const DONE: Record<Verb, string> = { cancel: 'cancelled', retry: 'tried again', 'run-now': 'run now' };

async function act(job: Job, verb: Verb, changed: () => void): Promise<void> {
  const worked = await attempt(`The job of ${job.kind} was not ${DONE[verb]}.`,
    () => call<'cancelJob' | 'retryJob' | 'runJobNow'>(`/admin/jobs/${encodeURIComponent(job.id)}/${verb}`, { method: 'POST', keepalive: verb === 'cancel' }));
  if (worked) toast(`A job of ${job.kind} is ${DONE[verb]}.`);
  changed();
}

function Actions({ job, changed }: { job: Job; changed: () => void }) {
  const what = `the job of ${job.kind}, ${job.id}`;
  const cancel = (): void => afterUndo(`A job of ${job.kind} is taken away${job.state === 'failed' ? ', its error with it' : ': it will not happen'}.`, () => void act(job, 'cancel', changed));
  return (
    <>
      {job.state === 'failed' && <button type="button" onClick={() => void act(job, 'retry', changed)} aria-label={`Try again ${what}`}>Try again</button>}
      {job.state === 'waiting' && <button type="button" className="quiet" onClick={() => void act(job, 'run-now', changed)} aria-label={`Run now ${what}`}>Run now</button>}
      {(job.state === 'waiting' || job.state === 'failed') && !job.schedule && <button type="button" className="quiet" onClick={cancel} aria-label={`Cancel ${what}`}>Cancel</button>}
    </>
  );
}

function FiringLine({ firing }: { firing: JobFiring }) {
  return (
    <li>
      <span className="muted">{firing.attempt}.</span> <span title={exact(firing.started_at)}>{clock(firing.started_at)}</span>
      <span className="muted"> · due {clock(firing.due_at)}, {late(firing.lateness_ms)} late · took {late(firing.took_ms)} · on {firing.node}</span>
      {firing.error && <span className="firing-error">{firing.error}</span>}
    </li>
  );
}

/** JSON as people read it; anything else as it is. */
function readable(payload: string): string {
  try {
    return JSON.stringify(JSON.parse(payload), null, 2);
  } catch {
    return payload;
  }
}

function Detail({ id, state }: { id: string; state: JobState }) {
  const { value, trouble } = useLoad(() => call<'getJob'>(`/admin/jobs/${encodeURIComponent(id)}`), { every: 2000, key: `${id} ${state}`, ...LISTED });
  if (trouble) return <Trouble text={trouble} />;
  if (!value) return null;
  const lines: [string, ReactNode][] = [
    ['Number', value.id], ['Made', exact(value.made_at)], ['Due', exact(value.due_at)], ['Comes again', value.schedule], ['Lane', value.lane], ['Key', value.unique], ['Bundle', value.bundle], ['Runs on', value.node],
    ['For the handler', value.payload && <><pre className="payload">{readable(value.payload)}</pre><CopyButton text={value.payload} what="what the handler gets" /></>],
    ['Mind', value.maybe_begun && 'An earlier attempt began, and nobody knows how far it came; its handler is told.'],
  ];
  return (
    <div className="fold-detail">
      <Facts lines={lines.filter(([, shown]) => shown)} />
      <div className="attempts">
        <h3>Firings</h3>
        {value.error && <p className="firing-error">{value.error}</p>}
        {value.firings.length === 0 ? <p className="muted">It has not been fired yet.</p> : <ol>{value.firings.map((firing, index) => <FiringLine key={index} firing={firing} />)}</ol>}
      </div>
    </div>
  );
}

function Rows({ jobs, changed }: { jobs: Job[]; changed: () => void }) {
  const [open, setOpen] = useQuery('open');
  return (
    <FoldTable
      className="job-rows" rows={jobs} rowKey={(job) => job.id} width={7}
      head={<><th>Kind</th><th>State</th><th>Due</th><th className="number">Late</th><th className="number">Try</th><th>Error</th><th><span className="offscreen">Actions</span></th></>}
      row={(job) => (
        <tr className={open === job.id ? 'open' : ''} data-job={job.id}>
          <td><FoldButton mono open={open === job.id} toggle={() => setOpen(open === job.id ? '' : job.id)}>{job.kind}</FoldButton></td>
          <td><Mark {...JOB_LOOK[job.state]} /></td>
          <td><When at={job.due_at} /></td>
          <td className="number">{job.lateness_ms === null ? '' : late(job.lateness_ms)}</td>
          <td className="number">{job.attempt}</td>
          <td className="answer" title={job.error ?? ''}>{job.error}</td>
          <td className="act"><Actions job={job} changed={changed} /></td>
        </tr>
      )}
      detail={(job) => open === job.id && <Detail id={job.id} state={job.state} />}
    />
  );
}

/** One job that a link names, when it is not among the rows. */
function Named({ id, changed }: { id: string; changed: () => void }) {
  const { value, trouble } = useLoad(() => call<'getJob'>(`/admin/jobs/${encodeURIComponent(id)}`), { every: 2000, key: id, ...LISTED });
  if (trouble) return <Notice tone="plain">{trouble}</Notice>;
  return value && <div className="named"><Rows jobs={[value]} changed={changed} /></div>;
}

const NOTHING: Record<JobState, string> = {
  waiting: 'Nothing waits', running: 'Nothing runs at the moment', failed: 'Nothing has failed', done: 'Nothing is done yet',
};

/** `failed`: there are dead letters; they are then what is shown first. */
export function JobList({ failed, changed }: { failed: boolean; changed: () => void }) {
  const [kind] = useQuery('kind');
  const [asked, setState] = useQuery('state');
  const [open] = useQuery('open');
  const [limit, setLimit] = useState(PAGE);
  const state = JOB_STATES.find((one) => one === asked) ?? (failed ? 'failed' : 'waiting');
  const query = new URLSearchParams({ state, limit: String(limit), ...(kind ? { kind } : {}) });
  const { value, trouble, again } = useLoad(() => call<'listJobs'>(`/admin/jobs?${query}`), { every: 2000, key: query.toString(), ...LISTED });
  const both = (): void => { again(); changed(); };
  const jobs = value?.items ?? [];
  return (
    <section aria-labelledby="list-title">
      <div className="section-head">
        <h2 id="list-title">Jobs{kind && <> of <span className="mono">{kind}</span></>}</h2>
        {value && <span className="muted count">{jobs.length}{value.next ? '+' : ''}</span>}
        <span className="spring" />
        <Choice label="State" options={STATES} value={state} set={setState} />
      </div>
      <Trouble text={trouble} />
      {open && value && !jobs.some((job) => job.id === open) && <Named id={open} changed={both} />}
      {value && jobs.length === 0 && <Empty title={NOTHING[state]}>{state === 'failed' ? 'A job that has used up its tries stays here with its error until somebody tries it again or cancels it.' : 'Jobs appear here by themselves.'}</Empty>}
      {jobs.length > 0 && <Rows jobs={jobs} changed={both} />}
      {value?.next && (
        <p className="totals muted">
          {limit >= MOST && <span>These are the first {MOST}; choose a kind to see fewer.</span>}
          <span className="spring" />
          {limit < MOST && <button type="button" onClick={() => setLimit(Math.min(MOST, limit + 200))}>More</button>}
        </p>
      )}
    </section>
  );
}
