/** RFC 3339 to what a field for a time has: the reader's own zone, to the minute. */
export function toLocal(at: string | null): string {
  if (at === null) return '';
  const date = new Date(at);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

export const fromLocal = (text: string): string | null => (text === '' ? null : new Date(text).toISOString());

/** Words with commas between them. */
export const list = (text: string): string[] => text.split(',').map((one) => one.trim()).filter((one) => one !== '');

/** A name for paths out of a title. */
export const slug = (title: string): string =>
  title.normalize('NFKD').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 40).replace(/-+$/, '');
