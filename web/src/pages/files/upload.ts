// Files on their way into a machine: piece by piece, and on again after a break.
import { asFailure, call } from '../../core/api';
import { below, uploadKey } from './paths';

const PIECE = 2 * 1024 * 1024;
const PIECE_DEADLINE_MS = 300_000;
const TRIES = 12;

/** What a machine or a network that comes back soon answers. */
const PASSES = new Set([0, 429, 503, 504]);

export interface Dropped {
  file: File;
  /** Below the folder that it is dropped on. */
  path: string;
}

export interface Place {
  files: string;  // the address of the instance's files
  machine: string;
  folder: string;
}

const pause = (ms: number): Promise<void> => new Promise((done) => { setTimeout(done, ms); });

/** Sends one file; `tell` hears how many bytes are there. Throws Failure, or what `signal` was ended with. */
export async function send({ files, machine, folder }: Place, { file, path }: Dropped, tell: (bytes: number) => void, signal: AbortSignal): Promise<void> {
  const place = below(folder, path);
  const upload = uploadKey(place, file);
  const query = new URLSearchParams({ machine, path: place, upload });
  let offset = 0;
  let ask = file.size > PIECE;
  for (let tries = 0; ;) {
    signal.throwIfAborted();
    try {
      if (ask) {
        offset = (await call<'getUpload'>(`${files}/upload?${query}`)).offset;
        // All of it is there but for the last step, which comes with the last piece.
        if (offset >= file.size) offset = 0;
        ask = false;
      }
      const piece = file.slice(offset, offset + PIECE);
      const sent = await call<'sendFile'>(`${files}/content?${query}&offset=${offset}&total=${file.size}`, { method: 'PUT', raw: piece, deadlineMs: PIECE_DEADLINE_MS });
      offset = sent.offset;
      tries = 0;
      tell(offset);
      if (sent.done) return;
    } catch (error) {
      const failure = asFailure(error);
      if (!(PASSES.has(failure.status) || failure.reason === 'upload-offset') || ++tries >= TRIES) throw failure;
      ask = true;
      await pause(Math.min(10_000, 250 * 2 ** tries));
    }
  }
}

const entriesOf = (folder: FileSystemDirectoryReader): Promise<FileSystemEntry[]> => new Promise((good, bad) => { folder.readEntries(good, bad); });
const fileOf = (entry: FileSystemFileEntry): Promise<File> => new Promise((good, bad) => { entry.file(good, bad); });

async function walk(entry: FileSystemEntry, into: Dropped[]): Promise<void> {
  if (entry.isFile) into.push({ file: await fileOf(entry as FileSystemFileEntry), path: entry.fullPath.replace(/^\//, '') });
  if (!entry.isDirectory) return;
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  // A browser gives them a hundred at a time.
  for (let some = await entriesOf(reader); some.length > 0; some = await entriesOf(reader)) {
    for (const one of some) await walk(one, into);
  }
}

/** What was dropped, with all that is in its folders. */
export async function droppedFiles(data: DataTransfer): Promise<Dropped[]> {
  // Both lists are empty as soon as the event is over.
  const entries = Array.from(data.items).map((item) => item.webkitGetAsEntry());
  const plain = Array.from(data.files);
  const out: Dropped[] = [];
  for (const entry of entries) if (entry) await walk(entry, out);
  return out.length > 0 ? out : plain.map((file) => ({ file, path: file.name }));
}

export const chosenFiles = (list: FileList): Dropped[] => Array.from(list).map((file) => ({ file, path: file.webkitRelativePath || file.name }));
