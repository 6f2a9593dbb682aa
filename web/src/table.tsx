import type { ReactNode } from 'react';
import { useQuery } from './route';

export interface Column<T> {
  key: string;
  title: string;
  numeric?: boolean;
  sort: (row: T) => string | number;
  show: (row: T) => ReactNode;
}

/**
 * A table that sorts by its heads; the URL holds by which (`sort=-key` is descending; `query` names it otherwise where a page
 * has several tables).
 */
export function Table<T>({ columns, rows, rowKey, first, act, query = 'sort' }: {
  columns: Column<T>[]; rows: T[]; rowKey: (row: T) => string; first: string; act?: (row: T) => ReactNode; query?: string;
}) {
  const [sort, setSort] = useQuery(query, first);
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
              {columns.map((each) => <td key={each.key} className={each.numeric ? 'number' : ''}>{each.show(row)}</td>)}
              {act && <td className="act">{act(row)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
