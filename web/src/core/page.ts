// What a page says of itself. Its folder is pages/NAME; page.ts in it exports this, and nothing else names the page.
import type { ComponentType } from 'react';
import type { Me, Role } from './openapi';
import { atLeast } from './roles';

interface Said {
  path: string;
  /** Other paths that it answers. */
  also?: string[];
  /** The paths below `path` are its too. */
  below?: boolean;
  title: string;
  /** The title where there is little room. */
  short?: string;
  /** Where its link stands: in the row of pages, first those for everybody, then those for staff; or behind one's own name. */
  nav?: 'main' | 'staff' | 'me';
  /** Its place in the row, the smallest first. */
  order?: number;
  /** Its keys, for the list of them. `g x` leads to the page; the others are its own (core/keys.ts). */
  keys?: [string, string][];
  /** The switch that it hangs on: off for somebody, it is not there for them. One that nobody has declared is on. */
  feature?: string;
}

/** A page of who is signed in, with this role or one above it. */
export interface Page extends Said {
  role: Role;
  load: () => Promise<{ default: ComponentType<{ me: Me }> }>;
}

/** A page of who is not. */
export interface Door extends Said {
  role: 'anyone';
  load: () => Promise<{ default: ComponentType }>;
}

/** Switches, and whether they are on for who is signed in; null while that is not known. */
export type Features = Record<string, boolean> | null;

/** Whether somebody may see a page, and it is switched on for them. */
export const sees = (me: Me, features: Features, page: Pick<Page, 'role' | 'feature'>): boolean =>
  atLeast(me, page.role) && (page.feature === undefined || (features !== null && features[page.feature] !== false));
