// Contests, for staff: /contests, and one of them: /contests/ID.
import { call } from '../../core/api';
import { When } from '../../core/clock';
import { CONTEST_LOOK } from '../../core/contests';
import { useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Submission } from '../../core/openapi';
import { go, Link, usePath, useQuery } from '../../core/route';
import { toast } from '../../core/store';
import { Choice } from '../../kit/choice';
import { Mark } from '../../kit/mark';
import { Empty, Trouble } from '../../kit/notice';
import { Table, type Column } from '../../kit/table';
import type { Look } from '../../kit/look';
import { Cases } from './cases';
import { Settings } from './settings';
import './style.css';
import { slug } from './words';

const RESULT: Record<string, Look> = {
  correct: { word: 'Correct', tone: 'good', shape: 'disc' }, part: { word: 'A part', tone: 'good', shape: 'ring' }, wrong: { word: 'Wrong', tone: 'off', shape: 'dash' },
  foreign: { word: 'Another’s', tone: 'bad', shape: 'triangle' }, 'already-solved': { word: 'Again', tone: 'off', shape: 'square' },
};
const TABS = [{ key: 'cases', word: 'Others’ flags' }, { key: 'submissions', word: 'Handed in' }, { key: 'settings', word: 'Settings' }] as const;

const COLUMNS: Column<Submission>[] = [
  { key: 'at', title: 'When', sort: (one) => one.at, show: (one) => <When at={one.at} /> },
  { key: 'owner', title: 'Who', sort: (one) => one.owner.name, show: (one) => (one.owner.id === one.user.id ? one.owner.name : `${one.user.name} of ${one.owner.name}`) },
  { key: 'challenge', title: 'Challenge', sort: (one) => one.challenge, show: (one) => one.challenge },
  { key: 'result', title: 'Result', sort: (one) => one.result, show: (one) => <Mark {...RESULT[one.result] ?? { word: one.result, tone: 'off', shape: 'dash' }} /> },
  { key: 'text', title: 'Text', sort: (one) => one.text, show: (one) => <code>{one.text}</code> },
  { key: 'address', title: 'Address', sort: (one) => one.address, show: (one) => <span className="mono">{one.address}</span> },
];

function Submissions({ contest }: { contest: string }) {
  const sort = useQuery('sort', '-at');
  const { value, trouble } = useLoad(() => call<'listSubmissions'>(`/admin/contests/${contest}/submissions`), { key: contest, every: 5000, room: `contest:${contest}` });
  return (
    <>
      <Trouble text={trouble} />
      {value?.items.length === 0 && <Empty title="Nothing was handed in yet">The newest hundred stand here.</Empty>}
      {value && value.items.length > 0 && <Table columns={COLUMNS} rows={value.items} rowKey={(one) => one.id} sort={sort} />}
    </>
  );
}

function Announce({ contest }: { contest: string }) {
  const form = useForm();
  const send = form.submit(async (fields) => {
    await call<'announce'>(`/admin/contests/${contest}/announcements`, { method: 'POST', body: { text: fields.text('text') } });
    fields.reset();
    toast('Everybody who looks at the contest is told.');
  });
  return (
    <form className="line-form" aria-label="Announce" onSubmit={send}>
      <label>Tell everybody<input name="text" required maxLength={1000} /></label>
      <button type="submit" disabled={form.busy}>Announce</button>
      <Trouble text={form.trouble} />
    </form>
  );
}

function OneContest({ id }: { id: string }) {
  const [tab, setTab] = useQuery('show', 'cases');
  const { value, trouble, again } = useLoad(() => call<'getContest'>(`/admin/contests/${encodeURIComponent(id)}`), { key: id });
  if (!value) return <Trouble text={trouble} />;
  return (
    <section className="contests">
      <div className="section-head">
        <Link to="/contests" className="button">All contests</Link>
        <h1>{value.title}</h1>
        <Mark {...CONTEST_LOOK[value.state]} />
        <Choice label="What" options={TABS} value={tab} set={(key) => setTab(key || 'cases')} />
        <span className="spring" />
        <Link to={`/contest/${id}`} className="button">Challenges</Link>
        <Link to={`/board/${id}`} className="button">Board</Link>
      </div>
      {tab === 'cases' && <Cases contest={id} />}
      {tab === 'submissions' && <Submissions contest={id} />}
      {tab === 'settings' && (id === 'practice'
        ? <Empty title="Practice is always there">Every challenge that is in no contest, or whose contest is over. <code>contest.practice = false</code> switches it off.</Empty>
        : <Settings contest={value} again={again} />)}
      {tab !== 'settings' && <Announce contest={id} />}
    </section>
  );
}

function NewContest() {
  const form = useForm();
  const send = form.submit(async (fields) => {
    const title = fields.text('title');
    const id = slug(title);
    await call<'putContest'>(`/admin/contests/${id || 'contest'}`, { method: 'PUT', body: { title } });
    go(`/contests/${id || 'contest'}?show=settings`);
  });
  return (
    <form className="line-form" aria-label="Make a contest" onSubmit={send}>
      <label>Title<input name="title" required maxLength={100} placeholder="Spring 2027" /></label>
      <button type="submit" className="primary" disabled={form.busy}>Make a contest</button>
      <Trouble text={form.trouble} />
    </form>
  );
}

export default function ContestsPage() {
  const id = usePath().split('/')[2] ?? '';
  const { value, trouble } = useLoad(() => call<'listContests'>('/contests'), { every: 30_000, key: id });
  if (id) return <OneContest id={id} />;
  return (
    <section className="contests">
      <div className="section-head"><h1>Contests</h1></div>
      <Trouble text={trouble} />
      <ul className="contest-list">
        {value?.items.map((one) => (
          <li key={one.id} data-item>
            <Link to={`/contests/${one.id}`}>{one.title}</Link>
            {one.id !== 'practice' && <Mark {...CONTEST_LOOK[one.state]} />}
            <span className="muted">{one.starts_at && <>begins <When at={one.starts_at} /></>}{one.ends_at && <>, ends <When at={one.ends_at} /></>}</span>
          </li>
        ))}
      </ul>
      <NewContest />
    </section>
  );
}
