import type { ReactNode } from 'react';

export interface Option<K extends string> {
  key: K;
  word: ReactNode;
}

/** One of a few, as buttons in a row; `clears` makes a press on the chosen one take it back to none. */
export function Choice<K extends string>({ label, options, value, set, clears }: {
  label: string; options: readonly Option<K>[]; value: string; set: (key: K | '') => void; clears?: boolean;
}) {
  return (
    <div className="chips" role="group" aria-label={label}>
      {options.map(({ key, word }) => (
        <button type="button" key={key} aria-pressed={value === key} onClick={() => set(clears && value === key ? '' : key)}>{word}</button>
      ))}
    </div>
  );
}

/** Options that are called as they are written. */
export const asOptions = <K extends string>(keys: readonly K[], word: (key: K) => string = (key) => key): Option<K>[] => keys.map((key) => ({ key, word: word(key) }));
