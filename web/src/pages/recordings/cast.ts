// A recording (asciicast v2) as it is read and played. It shows what a machine wrote, and may be cut anywhere: what does not read is
// left out, whatever it says is bounded, and nothing in it is believed.

export interface Moment {
  /** Seconds from the beginning. */
  at: number;
  /** Shown; a size; or a mark of the recorder's. */
  code: 'o' | 'r' | 'm';
  data: string;
}

export interface Cast {
  columns: number;
  rows: number;
  /** When it began, seconds since 1970; 0: it does not say. */
  began: number;
  moments: Moment[];
}

/** A line of text as it was on the screen once, and when. */
export interface Line {
  at: number;
  text: string;
}

const LONGEST_LINE = 4 * 1024 * 1024;
const MOST_SIZE = 1000;
/** What is shown within this time is one moment: nobody sees the difference, and a million letters are not a million objects. */
const JOINED_S = 0.01;
const JOINED_LENGTH = 64 * 1024;

const size = (value: unknown, fallback: number): number =>
  (typeof value === 'number' && value >= 1 ? Math.min(MOST_SIZE, Math.floor(value)) : fallback);

/** `columns x rows` as the recording says it, within what a screen can be; null where it says none. */
export function sizeOf(data: string): [number, number] | null {
  const found = /^(\d{1,9})x(\d{1,9})$/.exec(data);
  return found ? [size(Number(found[1]), 1), size(Number(found[2]), 1)] : null;
}

/** Reads a recording piece by piece. */
export class CastReader {
  readonly cast: Cast = { columns: 80, rows: 24, began: 0, moments: [] };
  /** What it said first is no head of a recording. */
  wrong = false;
  private rest = '';
  private headed = false;
  private tooLong = false;

  take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      if (this.tooLong) this.tooLong = false;
      else this.line(line);
    }
    if (this.rest.length > LONGEST_LINE) {
      this.rest = '';
      this.tooLong = true;
    }
  }

  private line(text: string): void {
    if (text.trim() === '' || this.wrong) return;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      this.wrong = !this.headed;
      return;
    }
    if (!this.headed) this.head(value);
    else if (Array.isArray(value)) this.moment(value);
  }

  private head(value: unknown): void {
    const said = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
    this.wrong = said.version !== 2;
    this.headed = true;
    this.cast.columns = size(said.width, 80);
    this.cast.rows = size(said.height, 24);
    this.cast.began = typeof said.timestamp === 'number' ? said.timestamp : 0;
  }

  private moment([at, code, data]: unknown[]): void {
    if (typeof at !== 'number' || !Number.isFinite(at) || typeof data !== 'string' || (code !== 'o' && code !== 'r' && code !== 'm')) return;
    const { moments } = this.cast;
    const last = moments[moments.length - 1];
    // Time does not go back.
    const time = Math.max(0, at, last?.at ?? 0);
    if (last?.code === 'o' && code === 'o' && time - last.at < JOINED_S && last.data.length < JOINED_LENGTH) last.data += data;
    else moments.push({ at: time, code, data });
  }
}

/** When each moment is played: `pause` seconds without anything become at most so many. */
export function timesOf(moments: Moment[], pause = Infinity): Float64Array {
  const times = new Float64Array(moments.length);
  let [now, before] = [0, 0];
  moments.forEach((one, index) => {
    now += Math.min(one.at - before, pause);
    before = one.at;
    times[index] = now;
  });
  return times;
}

/** How many of `times` are not after `time`. */
export function countUntil(times: Float64Array, time: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

const MOST_TEXT = 16 * 1024 * 1024;
const LONGEST_TEXT = 1000;

/** The text of a recording line by line, without what colours it and moves it about; a jump of the cursor begins another line. */
export function linesOf(moments: Moment[]): Line[] {
  const lines: Line[] = [];
  let [text, at, taken] = ['', 0, 0];
  let state: 'text' | 'escape' | 'csi' | 'string' | 'string-escape' | 'one' = 'text';
  const end = (): void => {
    if (text.trim() !== '' && taken < MOST_TEXT) {
      lines.push({ at, text: text.trimEnd() });
      taken += text.length;
    }
    text = '';
  };
  for (const one of moments) {
    if (one.code !== 'o') continue;
    for (const char of one.data) {
      const code = char.codePointAt(0) ?? 0;
      if (code === 0x18 || code === 0x1a) state = 'text';
      else if (state === 'string-escape') state = char === '\\' ? 'text' : 'string';
      else if (state === 'string') state = code === 7 ? 'text' : code === 27 ? 'string-escape' : 'string';
      else if (code === 27) state = 'escape';
      else if (state === 'escape') {
        state = char === '[' ? 'csi' : ']PX^_'.includes(char) ? 'string' : '()*+-./#% '.includes(char) ? 'one' : 'text';
      } else if (state === 'one') state = 'text';
      else if (state === 'csi') {
        if (code >= 0x40 && code <= 0x7e) {
          state = 'text';
          if ('HfdABEFJ'.includes(char)) end();
          else if (char === 'C') text += ' ';
        }
      } else if (char === '\n') end();
      else if (char === '\b') text = text.slice(0, -1);
      else if (char === '\t') text += ' ';
      else if (code >= 32 && code !== 127) {
        if (text === '') at = one.at;
        if (text.length < LONGEST_TEXT) text += char;
      }
    }
  }
  end();
  return lines;
}

const MOST_FOUND = 200;

/** Where a text stands, in whatever case; the first 200. */
export function find(lines: Line[], wanted: string): Line[] {
  const word = wanted.trim().toLowerCase();
  const found: Line[] = [];
  for (const line of word === '' ? [] : lines) {
    if (!line.text.toLowerCase().includes(word)) continue;
    found.push(line);
    if (found.length === MOST_FOUND) break;
  }
  return found;
}
