/** How far something is, from 0 to 1; `unknown` when nobody can tell. Says it in words where `text` has some. */
export function Bar({ label, share, tone = '', unknown = false, text }: { label: string; share: number; tone?: 'wait' | ''; unknown?: boolean; text?: string }) {
  return (
    <div
      className={`bar ${tone} ${unknown ? 'unknown' : ''}`} role="progressbar" aria-label={label}
      aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)} aria-valuetext={text}
    >
      <span style={{ width: `${share * 100}%` }} />
    </div>
  );
}
