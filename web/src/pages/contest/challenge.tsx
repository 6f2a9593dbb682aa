// One challenge: what it says, its machine, its hints, and the flag that is handed in.
import { useState } from 'react';
import { open, start } from '../../core/actions';
import { call } from '../../core/api';
import { When } from '../../core/clock';
import { attempt, useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Challenge, HandIn, Hint } from '../../core/openapi';
import { Link } from '../../core/route';
import { isLive } from '../../core/state';
import { say, useStore } from '../../core/store';
import { instanceLook } from '../../core/words';
import { Mark } from '../../kit/mark';
import { Notice, Trouble } from '../../kit/notice';
import { Sure } from '../../kit/sure';
import { shown } from './markdown';
import { answerWords } from './words';

function Machine({ template }: { template: string }) {
  const state = useStore();
  const mine = Object.values(state.instances).find((one) => one.template === template && isLive(one));
  const [asked, setAsked] = useState(false);
  if (!mine) {
    const begin = async (): Promise<void> => {
      setAsked(true);
      await start(template);
      setAsked(false);
    };
    return <button type="button" className="primary" disabled={asked} onClick={() => void begin()}>{asked ? 'Being started…' : 'Start a machine'}</button>;
  }
  return (
    <p className="task-machine">
      <Mark {...instanceLook(mine.state)} />
      {mine.endpoints.map((end) => (end.kind === 'http'
        ? <a key={end.name} href={end.url} target="_blank" rel="noopener noreferrer">{end.url}</a>
        : <code key={end.name}>{end.host} {end.port}</code>))}
      {mine.state === 'running' && <button type="button" onClick={() => open(mine)}>Open</button>}
      <Link to="/">All about it</Link>
    </p>
  );
}

function OneHint({ path, hint, taken }: { path: string; hint: Hint; taken: () => void }) {
  const take = async (): Promise<void> => {
    if (await attempt('The hint was not taken.', () => call<'takeHint'>(`${path}/hints/${hint.number}`, { method: 'POST', body: {} }))) taken();
  };
  if (hint.taken) return <li><h3>{hint.title}</h3><div className="prose" dangerouslySetInnerHTML={{ __html: shown(hint.text ?? '') }} /></li>;
  return (
    <li>
      <h3>{hint.title}</h3>
      {hint.cost === 0
        ? <button type="button" onClick={() => void take()}>Show it</button>
        : <Sure label={`Take it for ${hint.cost}`} question={`It costs ${hint.cost} of your points.`} run={() => void take()} />}
    </li>
  );
}

function HandInForm({ contest, task, done }: { contest: string; task: Challenge; done: () => void }) {
  const form = useForm();
  const [answer, setAnswer] = useState<HandIn | null>(null);
  const send = form.submit(async (fields) => {
    setAnswer(null);
    const got = await call<'submitFlag'>('/flags/submit', { method: 'POST', body: { contest, challenge: task.id ?? '', flag: fields.exactly('flag') } });
    setAnswer(got);
    say(answerWords(got));
    if (got.result === 'wrong') return;
    fields.reset();
    done();
  });
  const good = answer !== null && answer.result !== 'wrong';
  return (
    <form className="line-form task-form" aria-label="Hand in a flag" onSubmit={send}>
      <label>Flag<input name="flag" required maxLength={4096} className="mono" autoComplete="off" autoCapitalize="off" spellCheck={false} placeholder="what you have found" /></label>
      <button type="submit" className="primary" disabled={form.busy}>{form.busy ? 'Being looked at…' : 'Hand in'}</button>
      {answer && <Notice tone={good ? 'good' : 'bad'}>{answerWords(answer)}</Notice>}
      <Trouble text={form.trouble} />
    </form>
  );
}

export function ChallengeView({ contest, id, changed }: { contest: string; id: string; changed: () => void }) {
  const path = `/contests/${encodeURIComponent(contest)}/challenges/${encodeURIComponent(id)}`;
  const { value: task, trouble, again } = useLoad(() => call<'getChallenge'>(path), { key: path, every: 15_000, room: `contest:${contest}` });
  const refresh = (): void => { again(); changed(); };
  if (!task) return <Trouble text={trouble} />;
  return (
    <article className="task" aria-labelledby="task-title">
      <div className="section-head">
        <Link to={`/contest/${contest}`} className="button">All challenges</Link>
        <h1 id="task-title">{task.name}</h1>
        <span className="muted">{task.category}</span>
        {task.solved_at && <Mark word="Solved" tone="good" shape="disc" />}
        <span className="spring" />
        <b className="task-value">{task.value}</b>
      </div>
      <div className="prose" dangerouslySetInnerHTML={{ __html: shown(task.description) }} />
      {task.connection && <p><code>{task.connection}</code></p>}
      {task.files.length > 0 && (
        <ul className="task-files" aria-label="Files">
          {task.files.map((file) => <li key={file.url}><a className="button" href={file.url} download={file.url.startsWith('/') ? file.name : undefined} rel="noopener noreferrer">{file.name}</a></li>)}
        </ul>
      )}
      {task.template && !task.locked && <Machine template={task.template} />}
      {task.has_flag && !task.locked && <HandInForm contest={contest} task={task} done={refresh} />}
      {task.attempts_left !== null && !task.solved_at && <p className="muted">{task.attempts_left} of {task.attempts} attempts are left.</p>}
      {task.solved_at && task.next && <p><Link to={`/contest/${contest}/${task.next}`} className="button">Go on with the next one</Link></p>}
      {task.hints.length > 0 && <ul className="task-hints" aria-label="Hints">{task.hints.map((hint) => <OneHint key={hint.number} path={path} hint={hint} taken={refresh} />)}</ul>}
      <footer className="muted">
        {task.authors.length > 0 && <span>By {task.authors.join(', ')}</span>}
        {task.attribution && <span>{task.attribution}</span>}
        {task.closes_at && <span>Closes <When at={task.closes_at} /></span>}
      </footer>
      {task.solvers.length > 0 && (
        <section aria-labelledby="solvers-title">
          <h2 id="solvers-title">Solved by {task.solves}</h2>
          <ol className="task-solvers">{task.solvers.map((one) => <li key={one.owner}>{one.name} <span className="muted"><When at={one.at} /></span></li>)}</ol>
        </section>
      )}
    </article>
  );
}
