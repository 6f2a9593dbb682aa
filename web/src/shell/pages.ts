// The pages there are: every folder of pages/ with a manifest, and of another folder for a build with more (web/build-with). Nothing names
// them one by one.
import { lazy } from 'react';
import type { Me } from '../core/openapi';
import { sees, type Door, type Features, type Page } from '../core/page';

const found = Object.values(import.meta.glob<Page | Door>(['../pages/*/page.ts', '@more-pages/*/page.ts'], { eager: true, import: 'default' }));

const NAV: Page['nav'][] = ['main', 'staff', 'me', undefined];
const place = (page: Page): number => NAV.indexOf(page.nav) * 1000 + (page.order ?? 0);
const isDoor = (page: Page | Door): page is Door => page.role === 'anyone';

const PAGES = found.filter((page): page is Page => !isDoor(page)).sort((a, b) => place(a) - place(b)).map((page) => ({ ...page, View: lazy(page.load) }));
const DOORS = found.filter(isDoor).map((page) => ({ ...page, View: lazy(page.load) }));

const answers = (path: string) => (page: Page | Door): boolean =>
  page.path === path || (page.also ?? []).includes(path) || (page.below === true && path.startsWith(`${page.path}/`));

export const pageAt = (path: string) => PAGES.find(answers(path));
export const doorAt = (path: string) => DOORS.find(answers(path));

/** Where somebody who is not signed in is led to. */
export const FRONT_DOOR = DOORS[0]?.path ?? '/';

/** The page behind one's own name. */
export const OWN_PAGE = PAGES.find((page) => page.nav === 'me')?.path ?? '/';

/** Begins to load what is at a path. */
export function prepare(path: string): void {
  (pageAt(path) ?? doorAt(path))?.load().catch(() => {});
}

export const pagesOf = (me: Me, features: Features) => PAGES.filter((page) => sees(me, features, page));
