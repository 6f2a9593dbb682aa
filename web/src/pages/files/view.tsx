// The files of one's machines: /files/ID?machine=…&path=…. Looking, fetching, sending, moving, taking away.
import { useRef, useState, type DragEvent } from 'react';
import { asFailure, call, type Answer } from '../../core/api';
import { attempt, useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import { go, usePath, useQuery } from '../../core/route';
import { toast, useStore } from '../../core/store';
import { bytes } from '../../core/time';
import { Bar } from '../../kit/bar';
import { Icon } from '../../kit/icon';
import { Empty, Notice, Trouble } from '../../kit/notice';
import { Sure } from '../../kit/sure';
import { Table, type Column } from '../../kit/table';
import { plural } from '../../kit/text';
import { below, modeWords, steps } from './paths';
import { chosenFiles, droppedFiles, send, type Dropped } from './upload';
import './style.css';

type Entry = Answer<'listFiles'>['items'][number];

/** How far the files are that are being sent; null: none is. */
interface Sending {
  name: string;
  done: number;
  total: number;
  left: number;
}

const KINDS: Record<Entry['kind'], string> = { folder: 'Folder', file: 'File', link: 'Link', other: 'Other' };

function useSending(files: string, machine: string, folder: string, again: () => void) {
  const [sending, setSending] = useState<Sending | null>(null);
  const [trouble, setTrouble] = useState('');
  const abort = useRef<AbortController | null>(null);
  const start = async (all: Dropped[]): Promise<void> => {
    if (all.length === 0 || abort.current) return;
    const control = new AbortController();
    abort.current = control;
    setTrouble('');
    const total = all.reduce((sum, { file }) => sum + file.size, 0);
    let before = 0;
    try {
      for (const [index, one] of all.entries()) {
        const show = (count: number): void => setSending({ name: one.path, done: before + count, total, left: all.length - index });
        show(0);
        await send({ files, machine, folder }, one, show, control.signal);
        before += one.file.size;
      }
      toast(`${plural(all.length, 'file')} sent.`);
    } catch (error) {
      setTrouble(control.signal.aborted ? 'Stopped; the same files go on where they are.' : asFailure(error).message);
    }
    abort.current = null;
    setSending(null);
    again();
  };
  return { sending, trouble, start, stop: () => abort.current?.abort() };
}

function Ways({ path, to }: { path: string; to: (path: string) => void }) {
  return (
    <nav aria-label="Folder" className="file-steps mono">
      {steps(path).map((step, index, all) => (
        <span key={step.path}>
          <button type="button" className="quiet" aria-current={index === all.length - 1 ? 'page' : undefined} onClick={() => to(step.path)}>{step.name}</button>
          {index > 0 && index < all.length - 1 && '/'}
        </span>
      ))}
    </nav>
  );
}

function FolderForm({ files, machine, folder, again }: { files: string; machine: string; folder: string; again: () => void }) {
  const form = useForm();
  return (
    <form
      className="line-form" aria-label="New folder"
      onSubmit={form.submit(async (fields) => {
        await call<'makeFolder'>(`${files}/folder`, { method: 'POST', body: { path: below(folder, fields.text('name')), ...(machine && { machine }) } });
        fields.reset();
        again();
      })}
    >
      <label>New folder<input name="name" required maxLength={255} pattern="[^\/]+" /></label>
      <button type="submit" disabled={form.busy}>Make</button>
      <Trouble text={form.trouble} />
    </form>
  );
}

function Choose({ start, busy }: { start: (all: Dropped[]) => Promise<void>; busy: boolean }) {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const chosen = (input: HTMLInputElement): void => {
    if (input.files) void start(chosenFiles(input.files));
    input.value = '';
  };
  return (
    <>
      <input ref={files} type="file" multiple hidden aria-label="Files to send" onChange={(event) => chosen(event.currentTarget)} />
      <input ref={folder} type="file" multiple hidden aria-label="Folder to send" {...{ webkitdirectory: '' }} onChange={(event) => chosen(event.currentTarget)} />
      <button type="button" className="primary" disabled={busy} onClick={() => files.current?.click()}>Send files</button>
      <button type="button" disabled={busy} onClick={() => folder.current?.click()}>Send a folder</button>
    </>
  );
}

export default function FilesPage() {
  const id = usePath().split('/')[2] ?? '';
  const files = `/instances/${encodeURIComponent(id)}/files`;
  const instance = useStore().instances[id];
  const [wanted, setWanted] = useQuery('path');
  const [machine, setMachine] = useQuery('machine');
  const sort = useQuery('sort', 'name');
  const [over, setOver] = useState(false);
  const query = (path: string): string => new URLSearchParams({ machine, path }).toString();
  const { value: folder, trouble, again } = useLoad(() => call<'listFiles'>(`${files}?${query(wanted)}`), { key: `${id} ${machine} ${wanted}` });
  const path = folder?.path ?? '/';
  const { sending, trouble: unsent, start, stop } = useSending(files, machine, path, again);
  const address = (entry: Entry): string => `/api/v1${files}/content?${query(below(path, entry.name))}`;
  const columns: Column<Entry>[] = [
    {
      key: 'name', title: 'Name', sort: (entry) => `${entry.kind === 'folder' ? 0 : 1} ${entry.name}`,
      show: (entry) => {
        if (!entry.usable) return <span className="mono" title="The name is not UTF-8">{entry.name}</span>;
        if (entry.kind === 'folder' || entry.kind === 'link') return <button type="button" className="quiet mono" onClick={() => setWanted(below(path, entry.name))}>{entry.name}{entry.kind === 'folder' ? '/' : ''}</button>;
        return entry.kind === 'file' ? <a className="mono" href={address(entry)} download={entry.name}>{entry.name}</a> : <span className="mono">{entry.name}</span>;
      },
    },
    { key: 'kind', title: 'Kind', sort: (entry) => entry.kind, show: (entry) => KINDS[entry.kind] },
    { key: 'size', title: 'Size', numeric: true, sort: (entry) => entry.size, show: (entry) => (entry.kind === 'file' ? bytes(entry.size) : '') },
    { key: 'modified', title: 'Changed', sort: (entry) => entry.modified_at, show: (entry) => <time dateTime={entry.modified_at}>{entry.modified_at.slice(0, 16).replace('T', ' ')}</time> },
    { key: 'mode', title: 'Permissions', sort: (entry) => entry.mode, show: (entry) => <span className="mono">{modeWords(entry.mode)}</span> },
  ];
  const remove = async (entry: Entry): Promise<void> => {
    const gone = await attempt(`${entry.name} is still there.`, () => call<'removeFile'>(`${files}?${query(below(path, entry.name))}`, { method: 'DELETE' }));
    if (gone) toast(`${entry.name} is gone.`);
    again();
  };
  const act = (entry: Entry) => entry.usable && (
    <>
      {(entry.kind === 'file' || entry.kind === 'folder') && (
        <a className="button quiet" href={address(entry)} download aria-label={`Fetch ${entry.name}`}>{entry.kind === 'folder' ? 'Fetch as tar' : 'Fetch'}</a>
      )}
      <Sure label="Remove" question={entry.kind === 'folder' ? `Remove ${entry.name} and all in it` : `Remove ${entry.name}`} run={() => void remove(entry)} />
    </>
  );
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    void droppedFiles(event.dataTransfer).then(start);
  };
  return (
    <section
      className={`files-page ${over ? 'over' : ''}`} aria-labelledby="files-title"
      onDragOver={(event) => { event.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={drop}
    >
      <div className="section-head">
        <h1 id="files-title">Files of {instance?.template_name ?? id}</h1>
        <span className="spring" />
        <button type="button" onClick={() => go('/')}><Icon name="close" />Leave</button>
      </div>
      {(instance?.machines.length ?? 0) > 1 && (
        <label>Machine
          <select value={machine || folder?.machine} onChange={(event) => setMachine(event.target.value)}>
            {instance?.machines.map((one) => <option key={one.name}>{one.name}</option>)}
          </select>
        </label>
      )}
      <Ways path={path} to={setWanted} />
      <Trouble text={trouble} />
      <Trouble text={unsent} />
      {sending && (
        <div className="file-sending">
          <Bar label="Sent" share={sending.total ? sending.done / sending.total : 1} text={`${bytes(sending.done)} of ${bytes(sending.total)}`} />
          <span>{sending.name}: {bytes(sending.done)} of {bytes(sending.total)}, {plural(sending.left, 'file')} left</span>
          <button type="button" onClick={stop}>Stop</button>
        </div>
      )}
      {folder?.items.length === 0 && <Empty title="Nothing is in this folder">Drop files or folders here to send them.</Empty>}
      {folder && folder.items.length > 0 && <Table columns={columns} rows={folder.items} rowKey={(entry) => entry.name} sort={sort} act={act} />}
      {folder?.more && <Notice tone="plain">There is more in this folder than is listed; fetched as tar it comes whole.</Notice>}
      {folder && (
        <>
          <div className="line-form"><Choose start={start} busy={sending !== null} /><span className="muted">or drop them here</span></div>
          <FolderForm files={files} machine={machine} folder={path} again={again} />
        </>
      )}
    </section>
  );
}
