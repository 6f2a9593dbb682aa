// The snapshots of one's machines: /snapshots/ID. Taking one, going back to one, getting its files, removing it.
import { useState } from 'react';
import { call } from '../../core/api';
import { When } from '../../core/clock';
import { attempt, useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Snapshot } from '../../core/openapi';
import { go, usePath, useQuery } from '../../core/route';
import { toast, useStore } from '../../core/store';
import { bytes } from '../../core/time';
import { Icon } from '../../kit/icon';
import { Empty, Trouble } from '../../kit/notice';
import { Sure } from '../../kit/sure';
import { Table, type Column } from '../../kit/table';
import './style.css';

// The engine copies all that the machines have written before it answers.
const TAKES_AT_MOST_MS = 15 * 60_000;

const COLUMNS: Column<Snapshot>[] = [
  { key: 'name', title: 'Name', sort: (one) => one.name, show: (one) => one.name },
  { key: 'taken', title: 'Taken', sort: (one) => one.created_at, show: (one) => <><When at={one.created_at} /> <span className="muted">by {one.taken_by}</span></> },
  { key: 'size', title: 'Size', numeric: true, sort: (one) => one.bytes, show: (one) => bytes(one.bytes) },
];

function TakeForm({ path, again }: { path: string; again: () => void }) {
  const form = useForm();
  const send = form.submit(async (fields) => {
    const one = await call<'takeSnapshot'>(path, { method: 'POST', body: { name: fields.textOrNull('name') }, deadlineMs: TAKES_AT_MOST_MS });
    toast(`The machines are kept as they are, as “${one.name}”.`);
    fields.reset();
    again();
  });
  return (
    <>
      <form className="line-form" aria-label="Take a snapshot" onSubmit={send}>
        <label>Name<input name="name" maxLength={60} placeholder="by its time" autoComplete="off" /></label>
        <button type="submit" className="primary" disabled={form.busy}>{form.busy ? 'Being taken…' : 'Take one now'}</button>
      </form>
      <Trouble text={form.trouble} />
    </>
  );
}

export default function SnapshotsPage() {
  const id = usePath().split('/')[2] ?? '';
  const path = `/instances/${encodeURIComponent(id)}/snapshots`;
  const name = useStore().instances[id]?.template_name ?? id;
  const { value, trouble, again } = useLoad(() => call<'listSnapshots'>(path), { every: 10_000, key: id });
  const sort = useQuery('sort', '-taken');
  const [busy, setBusy] = useState('');
  const change = async (one: Snapshot, what: 'back' | 'remove'): Promise<void> => {
    setBusy(one.id);
    const worked = what === 'back'
      ? await attempt('The machines are as they were.', () => call<'rollBackInstance'>(`${path}/${one.id}/roll-back`, { method: 'POST' }))
      : await attempt('The snapshot is still there.', () => call<'removeSnapshot'>(`${path}/${one.id}`, { method: 'DELETE' }));
    if (worked) toast(what === 'back' ? `${name} begins anew with what “${one.name}” kept.` : `“${one.name}” is gone.`);
    setBusy('');
    again();
  };
  const act = (one: Snapshot) => (
    <>
      {one.machines.map((machine) => (
        <a
          key={machine.name} className="button quiet" aria-label={`Download the files of ${machine.name} as ${one.name} has them`}
          href={`/api/v1${path}/${one.id}/files?machine=${encodeURIComponent(machine.name)}`} download={`${id}-${machine.name}.tar`}
        >
          {one.machines.length > 1 ? `Files of ${machine.name}` : 'Files'}
        </a>
      ))}
      {busy !== one.id && (
        <>
          <Sure label="Roll back" question="Lose what is there now?" run={() => void change(one, 'back')} />
          <Sure label="Remove" question="Remove it?" run={() => void change(one, 'remove')} />
        </>
      )}
    </>
  );
  return (
    <section className="snapshots-page" aria-labelledby="snapshots-title">
      <div className="section-head">
        <h1 id="snapshots-title">Snapshots of {name}</h1>
        <span className="spring" />
        <button type="button" onClick={() => go('/')}><Icon name="close" />Leave</button>
      </div>
      <Trouble text={trouble} />
      <p className="muted">Files of the machines as they were, without what is in memory. They go with the machine: get the files of what must stay.</p>
      {value?.items.length === 0 && <Empty title="No snapshot yet">Take one before you try something that may go wrong; the machine stands still for a moment.</Empty>}
      {value && value.items.length > 0 && <Table columns={COLUMNS} rows={value.items} rowKey={(one) => one.id} sort={sort} act={act} />}
      {value && <TakeForm path={path} again={again} />}
    </section>
  );
}
