import type { ReactNode } from 'react';

/** A number with a bar beside it that shows how much of the most it is. */
export function Share({ part, of, children }: { part: number; of: number; children: ReactNode }) {
  return (
    <span className="bar-cell">
      <span className="share" aria-hidden="true"><span style={{ width: `${of > 0 ? Math.min(100, (100 * part) / of) : 0}%` }} /></span>
      <span className="bar-number">{children}</span>
    </span>
  );
}
