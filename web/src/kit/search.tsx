import { Icon } from './icon';

/** The page's search field; the key `/` leads to it. */
export function Search({ value, set, placeholder, label, className = '', maxLength }: {
  value: string; set: (value: string) => void; placeholder: string; label: string; className?: string; maxLength?: number;
}) {
  return (
    <label className={`search ${className}`}>
      <Icon name="search" />
      <input
        id="search" type="search" value={value} onChange={(event) => set(event.target.value)} placeholder={placeholder} aria-label={label}
        autoComplete="off" spellCheck={false} maxLength={maxLength}
      />
      <kbd>/</kbd>
    </label>
  );
}
