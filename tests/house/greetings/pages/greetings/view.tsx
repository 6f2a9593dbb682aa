// What was said, kept fresh by the capability's own room.
import { call } from '@tiltyard/core/api';
import { useLoad } from '@tiltyard/core/load';
import { useQuery } from '@tiltyard/core/route';
import { Empty, Trouble } from '@tiltyard/kit/notice';
import { Table, type Column } from '@tiltyard/kit/table';
import './style.css';

interface Greeting {
  text: string;
  counted: boolean;
}

const COLUMNS: Column<Greeting>[] = [
  { key: 'text', title: 'Greeting', sort: (row) => row.text, show: (row) => <span className="greeting">{row.text}</span> },
  { key: 'counted', title: 'Counted', sort: (row) => (row.counted ? 1 : 0), show: (row) => (row.counted ? 'yes' : 'no') },
];

// The API's document is the server's; what this capability answers is said here.
const load = async (): Promise<Greeting[]> => ((await call('/greetings')) as unknown as { items: Greeting[] }).items;

export default function GreetingsPage() {
  const { value, trouble } = useLoad(load, { every: 60_000, room: 'greetings' });
  const sort = useQuery('sort', 'text');
  return (
    <section aria-labelledby="greetings-title">
      <div className="section-head"><h1 id="greetings-title">Greetings</h1></div>
      <Trouble text={trouble} />
      {value?.length === 0 && <Empty title="Nobody has said anything">Say something: tiltyard greet hello</Empty>}
      {value && value.length > 0 && <Table columns={COLUMNS} rows={value} rowKey={(row) => row.text} sort={sort} />}
    </section>
  );
}
