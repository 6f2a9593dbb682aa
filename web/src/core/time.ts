// How times and amounts are written. All pure, so that they can be tested.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const two = (n: number): string => String(n).padStart(2, '0');

/** A count-down that changes every second: `4:05`, `1:04:05`, `2 d 3 h`. Never negative. */
export function countdown(ms: number): string {
  // Rounded up: while any time is left it does not say 0:00.
  const seconds = Math.max(0, Math.ceil(ms / SECOND));
  if (seconds >= 48 * 3600) return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** A length of time in words, for reading rather than watching: `300 ms`, `4.2 s`, `42 s`, `5 min`, `1 h 30 min`, `2 d`. */
export function duration(ms: number): string {
  if (ms < 0) return duration(0);
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 9.95 * SECOND) return `${(ms / SECOND).toFixed(1).replace('.0', '')} s`;
  if (ms < 99.5 * SECOND) return `${Math.round(ms / SECOND)} s`;
  const minutes = Math.round(ms / MINUTE);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) {
    const rest = minutes % 60;
    return rest === 0 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
  }
  const hours = Math.round(ms / HOUR);
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A time that is running: keeps its tenth below ten seconds, so that the line does not jump. */
export function stopwatch(ms: number): string {
  return ms < 9950 ? `${(Math.max(0, ms) / SECOND).toFixed(1)} s` : duration(ms);
}

/** A time as seen from now: `just now`, `5 min ago`, `in 3 h`. */
export function relative(at: number, now: number): string {
  const away = Math.abs(at - now);
  if (away < 10 * SECOND) return 'just now';
  const words = away >= DAY ? `${Math.round(away / DAY)} d` : away >= HOUR ? `${Math.round(away / HOUR)} h`
    : away >= MINUTE ? `${Math.round(away / MINUTE)} min` : `${Math.round(away / SECOND)} s`;
  return at > now ? `in ${words}` : `${words} ago`;
}

/** The exact moment in the reader's own zone: `2026-01-31 14:05:09 UTC+2`. */
export function exact(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const offset = -date.getTimezoneOffset();
  const hours = Math.trunc(offset / 60);
  const minutes = Math.abs(offset % 60);
  const zone = offset === 0 ? 'UTC' : `UTC${offset > 0 ? '+' : '-'}${Math.abs(hours)}${minutes ? `:${two(minutes)}` : ''}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`;
}

/** The time of day to the millisecond, in the reader's own zone: `14:05:09.042`. */
export function clock(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** Bytes in powers of 1024: `256 MB`, `1.5 GB`. */
export function bytes(count: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 && value % 1 !== 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** A number for a table: three places below 1, two below 10, one below 1000, then none but thin groups. */
export function amount(value: number): string {
  if (value === 0) return '0';
  if (value < 0.0005) return '< 0.001';
  if (Number.isInteger(value) && value < 1000) return String(value);
  const places = value < 1 ? 3 : value < 10 ? 2 : value < 1000 ? 1 : 0;
  return value.toFixed(places).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** `12 345`: a count, in thin groups. */
export const count = (value: number): string => amount(Math.round(value));
