// Challenges of a contest: /contest/CONTEST, and one of them: /contest/CONTEST/CHALLENGE.
import { call } from '../../core/api';
import { Left, When } from '../../core/clock';
import { CONTEST_LOOK, likeliest } from '../../core/contests';
import { useLoad } from '../../core/load';
import type { ChallengeInList, Contest } from '../../core/openapi';
import { go, Link, usePath, useQuery } from '../../core/route';
import { Choice } from '../../kit/choice';
import { Mark } from '../../kit/mark';
import { Empty, Trouble } from '../../kit/notice';
import { ChallengeView } from './challenge';
import { shown } from './markdown';
import './style.css';
import { byCategory } from './words';

function Task({ contest, task }: { contest: string; task: ChallengeInList }) {
  const solved = task.solved_at !== null;
  const inside = (
    <>
      <span className="task-name">{task.name ?? 'Locked'}</span>
      <b className="task-value">{task.value}</b>
      <span className="muted">{task.locked ? 'Others come first' : `${task.solves} ${task.solves === 1 ? 'solve' : 'solves'}`}</span>
      {solved && <Mark word="Solved" tone="good" shape="disc" />}
      {task.hidden && <Mark word="Hidden" tone="off" shape="dash" />}
      {task.problem !== null && <Mark word="Broken" tone="bad" shape="triangle" title={task.problem} />}
    </>
  );
  const look = `task-card ${solved ? 'solved' : ''}`;
  return task.id === null || task.locked
    ? <div className={`${look} locked`}>{inside}</div>
    : <Link to={`/contest/${contest}/${task.id}`} className={look}>{inside}</Link>;
}

function Head({ contest, contests, score }: { contest: Contest; contests: Contest[]; score: number }) {
  return (
    <div className="section-head">
      <h1>{contest.title}</h1>
      {contest.id !== 'practice' && <Mark {...CONTEST_LOOK[contest.state]} />}
      {contest.frozen && <Mark word="Frozen" tone="busy" shape="pause" title="Boards and values stay as they were for now" />}
      {contest.state === 'waits' && contest.starts_at && <span className="muted">begins <When at={contest.starts_at} /></span>}
      {contest.state === 'runs' && contest.ends_at && <Left until={contest.ends_at} />}
      <span className="spring" />
      {contests.length > 1 && <Choice label="Contest" options={contests.map((one) => ({ key: one.id, word: one.title }))} value={contest.id} set={(id) => go(`/contest/${id}`)} />}
      <b>{score} {score === 1 ? 'point' : 'points'}</b>
      <Link to={`/board/${contest.id}`} className="button">Board</Link>
    </div>
  );
}

function Challenges({ contest, contests }: { contest: Contest; contests: Contest[] }) {
  const { value, trouble } = useLoad(() => call<'listChallenges'>(`/contests/${contest.id}/challenges`), { key: contest.id, every: 15_000, room: `contest:${contest.id}` });
  const [show, setShow] = useQuery('show', 'all');
  const tasks = (value?.items ?? []).filter((task) => show !== 'open' || (task.solved_at === null && !task.locked));
  return (
    <section className="contest">
      <Head contest={value?.contest ?? contest} contests={contests} score={value?.score ?? 0} />
      <Trouble text={trouble} />
      {contest.about && <div className="prose" dangerouslySetInnerHTML={{ __html: shown(contest.about) }} />}
      {value && value.items.length === 0 && (
        <Empty title={contest.state === 'waits' ? 'The challenges appear at the beginning' : 'There are no challenges here'}>
          {contest.state === 'waits' ? 'This page shows them by itself.' : 'Organisers put a challenge.toml beside a template, or into a folder of its own.'}
        </Empty>
      )}
      {value && value.items.length > 0 && <Choice label="Which" options={[{ key: 'all', word: 'All' }, { key: 'open', word: 'To be solved' }]} value={show} set={(key) => setShow(key || 'all')} />}
      {byCategory(tasks).map(([category, group]) => (
        <section key={category} aria-label={category}>
          <h2>{category} <span className="muted count">{group.filter((task) => task.solved_at !== null).length} of {group.length}</span></h2>
          <div className="tasks">{group.map((task, index) => <Task key={task.id ?? index} contest={contest.id} task={task} />)}</div>
        </section>
      ))}
    </section>
  );
}

export default function ContestPage() {
  const [, , wanted = '', challenge = ''] = usePath().split('/');
  const { value, trouble, again } = useLoad(() => call<'listContests'>('/contests'), { every: 60_000 });
  const contests = value?.items ?? [];
  const contest = contests.find((one) => one.id === wanted) ?? (wanted === '' ? likeliest(contests) : undefined);
  if (!value) return <Trouble text={trouble} />;
  if (!contest) {
    return <Empty title={wanted ? 'There is no such contest' : 'There is no contest'}>{wanted ? <Link to="/contest">See what there is</Link> : 'Staff make one under Contests.'}</Empty>;
  }
  if (challenge) return <ChallengeView contest={contest.id} id={decodeURIComponent(challenge)} changed={again} />;
  return <Challenges contest={contest} contests={contests} />;
}
