// What a field of the kind `datetime-local` holds is in the reader's own zone; everything else is in UTC.

export function toField(iso: string): string {
  const date = new Date(iso);
  if (!iso || Number.isNaN(date.getTime())) return '';
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export const fromField = (text: string): string => (text ? new Date(text).toISOString() : '');
