// How a list of flags that is being read takes up what changes. Pure.
import type { FarmFlag } from '../../core/openapi';

/** A row of the list; `left` when the flag no longer answers to the filters, but is kept where somebody is reading. */
export type Shown = FarmFlag & { left?: boolean };

export interface Page {
  items: FarmFlag[];
  /** Flags from this number on were not asked for; Infinity for the first page. */
  below: number;
  /** The list ends with this page. */
  last: boolean;
}

/**
 * Lays a page that has just come over what is shown, the newest first. With `settle`, new flags appear and those that have
 * left the filters go; without, nobody's lines move: new ones wait (see waitingOf) and those that left stay, marked.
 */
export function mergePage(shown: Shown[], page: Page, settle: boolean): Shown[] {
  const come = new Map(page.items.map((flag) => [flag.id, flag]));
  const lowest = page.last ? 0 : page.items[page.items.length - 1]?.id ?? page.below;
  const asked = (id: number): boolean => id < page.below && id >= lowest;
  const newest = shown[0]?.id ?? 0;
  const kept: Shown[] = [];
  for (const row of shown) {
    const fresh = come.get(row.id);
    if (fresh) kept.push(fresh);
    else if (!asked(row.id)) kept.push(row);
    else if (!settle) kept.push({ ...row, left: true });
  }
  const known = new Set(shown.map((row) => row.id));
  const added = page.items.filter((flag) => !known.has(flag.id) && (settle || flag.id < newest));
  return added.length === 0 ? kept : [...kept, ...added].sort((a, b) => b.id - a.id);
}

/** How many flags of a first page are newer than all that is shown. */
export function waitingOf(shown: Shown[], items: FarmFlag[]): number {
  const newest = shown[0]?.id ?? 0;
  return items.filter((flag) => flag.id > newest).length;
}
