import { Fragment, useRef, type KeyboardEvent, type ReactNode } from 'react';

/** The button in a row that shows what is below the row. */
export function FoldButton({ open, toggle, mono = false, children }: { open: boolean; toggle: () => void; mono?: boolean; children: ReactNode }) {
  return <button type="button" className={`quiet fold-button ${mono ? 'mono' : ''}`} aria-expanded={open} onClick={toggle}>{children}</button>;
}

/**
 * A table whose rows open: each row is a `<tr>` of the caller's with a FoldButton in it, and what it shows when it is open. Up
 * and down go from button to button.
 */
export function FoldTable<T>({ className = '', head, rows, rowKey, width, row, detail }: {
  className?: string; head: ReactNode; rows: T[]; rowKey: (row: T) => string; width: number; row: (row: T) => ReactNode; detail: (row: T) => ReactNode | null;
}) {
  const body = useRef<HTMLTableSectionElement>(null);
  const move = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    const buttons = [...(body.current?.querySelectorAll<HTMLButtonElement>('.fold-button') ?? [])];
    const at = buttons.findIndex((button) => button === document.activeElement);
    if (at < 0) return;
    event.preventDefault();
    buttons[at + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
  };
  return (
    <div className={`table-frame folds ${className}`}>
      <table>
        <thead><tr>{head}</tr></thead>
        <tbody ref={body} onKeyDown={move}>
          {rows.map((each) => {
            const shown = detail(each);
            return (
              <Fragment key={rowKey(each)}>
                {row(each)}
                {shown && <tr className="open"><td colSpan={width}>{shown}</td></tr>}
              </Fragment>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** What a row shows when it is open: names and values. */
export function Facts({ lines }: { lines: [string, ReactNode][] }) {
  return <dl>{lines.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}
