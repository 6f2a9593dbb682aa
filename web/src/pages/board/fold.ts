// A board that is open follows solves without asking for all of it again.
import type { Board, BoardPlace } from '../../core/openapi';

export interface Solve {
  challenge: string;
  value: number;
  solves: number;
  owner: string;
  name: string;
  blood: number | null;
  at: string;
}

/** What a room said, if it is a solve. */
export function solveOf(body: Record<string, unknown>): Solve | null {
  const { kind, challenge, value, solves, owner, name, blood, at } = body;
  if (kind !== 'solved' || typeof challenge !== 'string' || typeof value !== 'number' || typeof solves !== 'number') return null;
  if (typeof owner !== 'string' || typeof name !== 'string' || typeof at !== 'string') return null;
  return { challenge, value, solves, owner, name, blood: typeof blood === 'number' ? blood : null, at };
}

/**
 * The board after a solve: the value of its challenge as it is now, for everybody who has it. Null: the board must be asked for,
 * since first solves pay a bonus there, or it does not know the challenge.
 */
export function after(board: Board, solve: Solve): Board | null {
  const number = board.challenges.findIndex((one) => one.id === solve.challenge);
  const task = board.challenges[number];
  if (!task || board.contest.bloods.some((bonus) => bonus > 0)) return null;
  if (board.items.some((one) => one.owner === solve.owner && one.solved.includes(number))) return board;
  const change = solve.value - task.value;
  const places: BoardPlace[] = board.items.map((one) => (one.solved.includes(number) ? { ...one, score: one.score + change } : one));
  const mine = places.findIndex((one) => one.owner === solve.owner);
  const before = places[mine];
  const place: BoardPlace = before
    ? { ...before, score: before.score + solve.value, last_at: solve.at, solved: [...before.solved, number] }
    : { position: 0, owner: solve.owner, name: solve.name, team: false, division: null, score: solve.value, last_at: solve.at, solved: [number] };
  if (mine >= 0) places[mine] = place;
  else places.push(place);
  places.sort((a, b) => b.score - a.score || (a.last_at ?? '').localeCompare(b.last_at ?? ''));
  return {
    ...board,
    challenges: board.challenges.map((one, index) => (index === number ? { ...one, value: solve.value, solves: solve.solves } : one)),
    items: places.map((one, index) => (one.position === index + 1 ? one : { ...one, position: index + 1 })),
  };
}
