// Who is where: /board/CONTEST. Made to be read from the other end of a hall.
import { useEffect, useMemo, useState } from 'react';
import { call } from '../../core/api';
import { Left, When } from '../../core/clock';
import { CONTEST_LOOK, likeliest } from '../../core/contests';
import { useLoad } from '../../core/load';
import type { Board, Contest } from '../../core/openapi';
import { follow } from '../../core/rooms';
import { go, Link, usePath, useQuery } from '../../core/route';
import { say, useStore } from '../../core/store';
import { count } from '../../core/time';
import { Choice } from '../../kit/choice';
import { Mark } from '../../kit/mark';
import { Empty, Notice, Trouble } from '../../kit/notice';
import { Plot, type PlotTone } from '../../kit/plot';
import { after, solveOf } from './fold';
import './style.css';

const TONES: PlotTone[] = ['accent', 'good', 'wait', 'bad', 'muted'];

/** The steps of all, as one line each over the same times. */
function lines(items: { name: string; steps: { at: string; score: number }[] }[]) {
  const at = [...new Set(items.flatMap((one) => one.steps.map((step) => Date.parse(step.at) / 1000)))].sort((a, b) => a - b);
  return {
    at,
    lines: items.map((one, index) => {
      let next = 0;
      let score = 0;
      return {
        name: one.name, tone: TONES[index % TONES.length]!, dash: index < TONES.length ? undefined : [6, 3],
        values: at.map((time) => {
          for (; next < one.steps.length && Date.parse(one.steps[next]!.at) / 1000 <= time; next += 1) score = one.steps[next]!.score;
          return score;
        }),
      };
    }),
  };
}

function Race({ contest, version }: { contest: string; version: number }) {
  const { value } = useLoad(() => call<'getPlot'>(`/contests/${contest}/plot`), { key: `${contest} ${version}` });
  const drawn = useMemo(() => lines(value?.items ?? []), [value]);
  if (drawn.at.length < 2) return null;
  return <Plot label="The first ten over time" at={drawn.at} lines={drawn.lines} show={count} whole height={16} />;
}

function Places({ board, mine }: { board: Board; mine: string }) {
  return (
    <div className="table-frame">
      <table className="board-table">
        <thead>
          <tr>
            <th className="number">#</th><th>Name</th><th className="number">Points</th>
            <th className="board-tasks"><span className="offscreen">Solved</span></th><th className="board-last">Last</th>
          </tr>
        </thead>
        <tbody>
          {board.items.map((one) => (
            <tr key={one.owner} className={one.owner === mine ? 'mine' : ''} data-owner={one.name}>
              <td className="number">{one.position}</td>
              <td className="board-name">{one.name}{one.division && <span className="muted"> {one.division}</span>}</td>
              <td className="number"><b>{count(one.score)}</b></td>
              <td className="board-tasks">
                <span className="offscreen">{one.solved.length} of {board.challenges.length}</span>
                <span aria-hidden="true" className="board-dots">{board.challenges.map((task, index) => <i key={task.id ?? index} title={task.name} className={one.solved.includes(index) ? 'on' : ''} />)}</span>
              </td>
              <td className="muted board-last">{one.last_at ? <When at={one.last_at} /> : ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ContestBoard({ contest, contests, mine }: { contest: Contest; contests: Contest[]; mine: string }) {
  const [division, setDivision] = useQuery('division');
  const [told, setTold] = useState('');
  const [turn, setTurn] = useState(0);
  const [live, setLive] = useState<Board | null>(null);
  const query = division ? `?${new URLSearchParams({ division })}` : '';
  const { value, trouble } = useLoad(() => call<'getBoard'>(`/contests/${contest.id}/board${query}`), { key: `${contest.id} ${division} ${turn}`, every: 30_000 });
  useEffect(() => setLive(value), [value]);
  useEffect(() => follow(`contest:${contest.id}`, ({ body }) => {
    if (body.kind === 'announced' && typeof body.text === 'string') {
      setTold(body.text);
      say(body.text);
    }
    const solve = solveOf(body);
    if (!solve || division) {
      setTurn((before) => before + 1);
      return;
    }
    say(`${solve.name} has solved a challenge.`);
    setLive((before) => {
      const next = before && after(before, solve);
      if (!next) setTurn((last) => last + 1);
      return next ?? before;
    });
  }), [contest.id, division]);
  const board = live ?? value;
  const now = board?.contest ?? contest;
  return (
    <section className="board">
      <div className="section-head">
        <h1>{contest.title}</h1>
        {now.frozen && <Mark word="Frozen" tone="busy" shape="pause" title="It stays as it was for now; what is solved is kept" />}
        {now.state === 'runs' && now.ends_at && <Left until={now.ends_at} />}
        {now.state !== 'runs' && <Mark {...CONTEST_LOOK[now.state]} />}
        <span className="spring" />
        {contests.length > 1 && <Choice label="Contest" options={contests.map((one) => ({ key: one.id, word: one.title }))} value={contest.id} set={(id) => go(`/board/${id}`)} />}
        {now.divisions.length > 0 && <Choice label="Division" options={now.divisions.map((one) => ({ key: one, word: one }))} value={division} set={setDivision} clears />}
        <Link to={`/contest/${contest.id}`} className="button">Challenges</Link>
      </div>
      {told && <Notice tone="plain">{told}</Notice>}
      <Trouble text={trouble} />
      {board && board.items.length === 0 && <Empty title="Nobody has solved anything yet">Whoever hands in the first flag stands here.</Empty>}
      {board && board.items.length > 0 && (
        <>
          <Race contest={contest.id} version={board.items.reduce((sum, one) => sum + one.solved.length, 0)} />
          <Places board={board} mine={mine} />
        </>
      )}
    </section>
  );
}

export default function BoardPage() {
  const [, , wanted = ''] = usePath().split('/');
  const me = useStore().me;
  const { value, trouble } = useLoad(() => call<'listContests'>('/contests'), { every: 60_000 });
  const contests = value?.items ?? [];
  const contest = contests.find((one) => one.id === wanted) ?? (wanted ? undefined : likeliest(contests));
  if (!value) return <Trouble text={trouble} />;
  if (!contest) return <Empty title="There is no such contest"><Link to="/board">See what there is</Link></Empty>;
  return <ContestBoard key={contest.id} contest={contest} contests={contests} mine={me?.team?.id ?? me?.id ?? ''} />;
}
