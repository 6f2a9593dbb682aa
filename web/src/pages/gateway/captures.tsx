// What is captured, and what is kept of it.
import { useState } from 'react';
import { call } from '../../core/api';
import { When } from '../../core/clock';
import { attempt, useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Capture } from '../../core/openapi';
import { useQuery } from '../../core/route';
import { toast } from '../../core/store';
import { bytes, count, exact } from '../../core/time';
import { CopyButton } from '../../kit/copy';
import { Mark } from '../../kit/mark';
import { Empty, Trouble } from '../../kit/notice';
import { Sure } from '../../kit/sure';
import { Table, type Column } from '../../kit/table';
import { CAPTURE_LOOK, endWords, missing } from './words';

const MIB = 1024 * 1024;

/** Asks for what a capture needs, under the row of the route. */
export function StartCapture({ instance, name, close }: { instance: string; name: string; close: () => void }) {
  const form = useForm();
  const send = form.submit(async (fields) => {
    const minutes = fields.number('minutes');
    const keep = fields.number('keep');
    await call<'startCapture'>('/admin/captures', {
      method: 'POST',
      body: { instance, filter: fields.textOrNull('filter'), for_s: minutes === null ? null : Math.round(minutes * 60), most_bytes: keep === null ? null : Math.round(keep * MIB) },
    });
    toast(`Packets of ${name} are being captured.`);
    close();
  });
  const command = `tiltyard capture ${instance} -w - | wireshark -k -i -`;
  return (
    <form className="line-form capture-form" onSubmit={send} onKeyDown={(event) => { if (event.key === 'Escape') close(); }}>
      <label>Only what fits<input name="filter" className="mono" maxLength={1000} placeholder="everything, or: tcp port 80" autoFocus spellCheck={false} autoComplete="off" /></label>
      <label>End after, minutes<input type="number" name="minutes" min={1} max={43_200} placeholder="with the machine" /></label>
      <label>Keep the newest, MiB<input type="number" name="keep" min={1} max={1_000_000} placeholder="as configured" /></label>
      <button type="submit" disabled={form.busy}>Capture</button>
      <button type="button" className="quiet" onClick={close}>Cancel</button>
      <Trouble text={form.trouble} />
      <p className="muted capture-live">Or look on live: <code>{command}</code> <CopyButton text={command} what="the command" /></p>
    </form>
  );
}

const COLUMNS: Column<Capture>[] = [
  { key: 'state', title: 'State', sort: (one) => one.state, show: (one) => <Mark {...CAPTURE_LOOK[one.state]} title={endWords(one.end_reason)} /> },
  { key: 'what', title: 'Machine', sort: (one) => one.template_name, show: (one) => <span className="route-machine" title={one.instance}><span>{one.template_name}</span><span className="muted">of {one.owner_name}</span></span> },
  { key: 'started', title: 'Began', sort: (one) => one.started_at, show: (one) => <><When at={one.started_at} />{one.started_by && <span className="muted capture-by">by {one.started_by}</span>}{one.cause !== 'staff' && <span className="tag">{one.cause}</span>}</> },
  { key: 'filter', title: 'Only', sort: (one) => one.filter ?? '', show: (one) => (one.filter ? <code className="capture-filter">{one.filter}</code> : <span className="muted">everything</span>) },
  { key: 'packets', title: 'Packets', numeric: true, sort: (one) => one.packets, show: (one) => count(one.packets) },
  { key: 'kept', title: 'Kept', numeric: true, sort: (one) => one.kept_bytes, show: (one) => bytes(one.kept_bytes) },
  {
    key: 'lost', title: 'Missing', numeric: true, sort: (one) => one.lost.not_read + one.lost.not_written,
    show: (one) => (missing(one) ? <span className="capture-lost" title={one.gaps.map((gap) => `${exact(gap.from)} to ${exact(gap.to)}`).join('\n')}>{missing(one)}</span> : <span className="muted">nothing</span>),
  },
];

export function Captures() {
  const { value, trouble, again } = useLoad(() => call<'listCaptures'>('/admin/captures'), { every: 2000 });
  const sort = useQuery('captures', '-started');
  const [busy, setBusy] = useState('');
  const change = async (one: Capture, what: 'stop' | 'remove'): Promise<void> => {
    setBusy(one.id);
    const path = `/admin/captures/${one.id}`;
    const worked = what === 'stop'
      ? await attempt('The capture goes on.', () => call<'stopCapture'>(`${path}/stop`, { method: 'POST' }))
      : await attempt('The capture was not removed.', () => call<'removeCapture'>(path, { method: 'DELETE' }));
    if (worked) toast(what === 'stop' ? 'The capture has ended; what it kept stays for a while.' : 'The capture is gone.');
    setBusy('');
    again();
  };
  const named = (one: Capture): string => `the capture of ${one.template_name} of ${one.owner_name}`;
  return (
    <section className="captures stacked" aria-labelledby="captures-title">
      <div className="section-head"><h2 id="captures-title">Captures</h2>{value && <span className="muted count">{value.items.length}</span>}</div>
      <Trouble text={trouble} />
      {value?.items.length === 0 && <Empty title="Nothing is captured">“Capture” at a route above writes down all packets of its machines, for Wireshark.</Empty>}
      {value && value.items.length > 0 && (
        <Table
          columns={COLUMNS} rows={value.items} rowKey={(one) => one.id} sort={sort}
          act={(one) => (
            <>
              <a className="button quiet" href={`/api/v1/admin/captures/${one.id}/file`} download={`capture-${one.id}.pcapng`} aria-label={`Download ${named(one)}`}>Download</a>
              {one.state === 'ended'
                ? <Sure label="Remove" question="Remove what is kept?" run={() => void change(one, 'remove')} />
                : <button type="button" className="quiet" disabled={busy === one.id} aria-label={`Stop ${named(one)}`} onClick={() => void change(one, 'stop')}>Stop</button>}
            </>
          )}
        />
      )}
    </section>
  );
}
