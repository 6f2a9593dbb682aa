import type { Me, Role } from './openapi';

export const ROLES: readonly Role[] = ['player', 'author', 'operator', 'admin'];

/** Each role can do what those below it can; the highest says it all. */
export const highestRole = (me: Me): Role => [...ROLES].reverse().find((role) => me.roles.includes(role)) ?? 'player';

export const atLeast = (me: Me, role: Role): boolean => ROLES.indexOf(highestRole(me)) >= ROLES.indexOf(role);

export const isStaff = (me: Me): boolean => atLeast(me, 'operator');
export const isAdmin = (me: Me): boolean => atLeast(me, 'admin');
/** Authors see what is wrong with templates. */
export const seesProblems = (me: Me): boolean => atLeast(me, 'author');
