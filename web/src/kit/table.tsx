import type { ReactNode } from 'react';

export interface Column<T> {
  key: string;
  title: string;
  numeric?: boolean;
  sort: (row: T) => string | number;
  show: (row: T) => ReactNode;
}

/** A table that sorts by its heads. `sort` says by which and how that changes; `-key` is descending. */
export function Table<T>({ columns, rows, rowKey, sort: [sort, setSort], act }: {
  columns: Column<T>[]; rows: T[]; rowKey: (row: T) => string; sort: [string, (next: string) => void]; act?: (row: T) => ReactNode;
}) {
  const down = sort.startsWith('-');
  const column = columns.find((each) => each.key === sort.replace(/^-/, '')) ?? columns[0];
  const sorted = [...rows].sort((a, b) => {
    if (!column) return 0;
    const [left, right] = [column.sort(a), column.sort(b)];
    const order = typeof left === 'number' && typeof right === 'number' ? left - right : String(left).localeCompare(String(right));
    return down ? -order : order;
  });
  return (
    <div className="table-frame">
      <table>
        <thead>
          <tr>
            {columns.map((each) => {
              const mine = each === column;
              return (
                <th key={each.key} className={each.numeric ? 'number' : ''} aria-sort={mine ? (down ? 'descending' : 'ascending') : 'none'}>
                  <button type="button" onClick={() => setSort(mine ? (down ? each.key : `-${each.key}`) : each.numeric ? `-${each.key}` : each.key)}>
                    {each.title}<span aria-hidden="true" className="arrow">{mine ? (down ? '↓' : '↑') : ''}</span>
                  </button>
                </th>
              );
            })}
            {act && <th><span className="offscreen">Action</span></th>}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map((each) => <td key={each.key} className={each.numeric ? 'number' : ''} data-title={each.title}>{each.show(row)}</td>)}
              {act && <td className="act">{act(row)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
