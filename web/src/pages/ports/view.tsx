// The ports of one's machines: /ports/ID. Which listen, which are open, and opening one more.
import { useRef } from 'react';
import { call } from '../../core/api';
import { wayTo as doorTo } from '../../core/door';
import { attempt, useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Ports } from '../../core/openapi';
import { go, usePath, useQuery } from '../../core/route';
import { toast, useStore } from '../../core/store';
import { CopyButton } from '../../kit/copy';
import { Icon } from '../../kit/icon';
import { Mark } from '../../kit/mark';
import { Empty, Notice, Trouble } from '../../kit/notice';
import { Table, type Column } from '../../kit/table';
import { policyWords, rowsOf, wayTo, type Row } from './rows';
import './style.css';

const KIND_WORDS: Record<string, string> = { http: 'Page (HTTP)', tcp: 'Raw TCP', udp: 'UDP', tls: 'TLS by name' };

const COLUMNS: Column<Row>[] = [
  { key: 'port', title: 'Port', numeric: true, sort: (row) => row.port, show: (row) => <span className="mono">{row.port}/{row.protocol}</span> },
  { key: 'machine', title: 'Machine', sort: (row) => row.machine, show: (row) => row.machine },
  { key: 'program', title: 'Program', sort: (row) => row.program, show: (row) => <span title={row.addresses.join(', ')}>{row.program || '–'}</span> },
  {
    key: 'state', title: 'State', sort: (row) => row.look.word,
    show: (row) => <span className="port-state"><Mark {...row.look} />{row.why && <span className="muted">{row.why}</span>}</span>,
  },
  {
    key: 'way', title: 'Way in', sort: (row) => row.name,
    show: ({ endpoint }) => endpoint && (
      <span className="port-way">
        {'url' in endpoint
          ? <a className="mono" href={doorTo(endpoint)} target="_blank" rel="noopener noreferrer">{endpoint.url.replace(/^https?:\/\//, '').replace(/\/$/, '')}</a>
          : <span className="mono">{wayTo(endpoint)}</span>}
        <CopyButton text={wayTo(endpoint)} what={`the address of ${endpoint.name}`} />
      </span>
    ),
  },
];

function OpenForm({ all, open, path }: { all: Ports; open: (port: number, kind: string, machine: string) => Promise<void>; path: string }) {
  const form = useForm();
  const number = useRef<HTMLInputElement>(null);
  const machine = useRef<HTMLSelectElement>(null);
  const names = all.machines.map((one) => one.name);
  const give = async (): Promise<void> => {
    const wanted = machine.current?.value ?? names[0];
    await attempt('No port is free.', async () => {
      const given = await call<'givePort'>(`${path}/free`, { method: 'POST', body: wanted ? { machine: wanted } : {} });
      if (number.current) number.current.value = String(given.port);
      toast(`Port ${given.port} of ${given.machine} is free, and kept for you for ${Math.round(given.kept_s / 60)} minutes.`);
    });
  };
  return (
    <>
      <form
        className="line-form" aria-label="Open a port"
        onSubmit={form.submit(async (fields) => {
          await open(fields.number('port') ?? 0, fields.text('kind'), fields.text('machine') || (names[0] ?? ''));
          fields.reset();
        })}
      >
        <label>Port of the machine<input ref={number} name="port" type="number" min={1} max={65535} required placeholder="5173" /></label>
        <label>As<select name="kind">{all.policy.kinds.map((kind) => <option key={kind} value={kind}>{KIND_WORDS[kind] ?? kind}</option>)}</select></label>
        {names.length > 1 && <label>Machine<select ref={machine} name="machine">{names.map((name) => <option key={name}>{name}</option>)}</select></label>}
        <button type="submit" className="primary" disabled={form.busy}>Open</button>
        <button type="button" onClick={() => void give()} title="One that nobody uses, for a program of yours">A free one</button>
      </form>
      <Trouble text={form.trouble} />
    </>
  );
}

export default function PortsPage() {
  const id = usePath().split('/')[2] ?? '';
  const path = `/instances/${encodeURIComponent(id)}/ports`;
  const name = useStore().instances[id]?.template_name ?? id;
  const { value: all, trouble, again } = useLoad(() => call<'listPorts'>(path), { every: 5000, key: id });
  const sort = useQuery('sort', 'port');
  const open = async (port: number, kind: string, machine: string): Promise<void> => {
    const opened = await call<'openPort'>(path, { method: 'POST', body: { port, kind, machine } });
    toast(opened.listens ? `Port ${port} is open.` : `Port ${port} is open; nothing listens there yet.`);
    again();
  };
  const close = async (row: Row): Promise<void> => {
    const closed = await attempt(`${row.name} is still open.`, () => call<'closePort'>(`${path}/${encodeURIComponent(row.name)}`, { method: 'DELETE' }));
    if (closed) toast(`Port ${row.port} is closed; what was connected is cut.`);
    again();
  };
  const act = (row: Row) => {
    if (row.closable) return <button type="button" className="quiet" onClick={() => void close(row)} aria-label={`Close ${row.name}`}>Close</button>;
    return row.kinds.map((kind) => (
      <button
        key={kind} type="button" className="quiet" aria-label={`Open port ${row.port} as ${KIND_WORDS[kind] ?? kind}`}
        onClick={() => void attempt(`Port ${row.port} is not open.`, () => open(row.port, kind, row.machine))}
      >
        {kind === 'http' ? 'Open as page' : `Open as ${kind.toUpperCase()}`}
      </button>
    ));
  };
  const rows = all ? rowsOf(all) : [];
  return (
    <section className="ports-page stacked" aria-labelledby="ports-title">
      <div className="section-head">
        <h1 id="ports-title">Ports of {name}</h1>
        <span className="spring" />
        <button type="button" onClick={() => go('/')}><Icon name="close" />Leave</button>
      </div>
      <Trouble text={trouble} />
      {all && <p className="muted">{policyWords(all)}</p>}
      {all?.machines.filter((one) => one.why).map((one) => <Notice key={one.name} tone="plain">{one.name}: {one.why}</Notice>)}
      {all && rows.length === 0 && <Empty title="No port to show">A program in the machine that listens appears here within seconds.</Empty>}
      {rows.length > 0 && <Table columns={COLUMNS} rows={rows} rowKey={(row) => `${row.machine} ${row.port} ${row.protocol}`} sort={sort} act={act} />}
      {all && all.policy.left > 0 && <OpenForm all={all} open={open} path={path} />}
    </section>
  );
}
