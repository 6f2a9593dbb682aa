import type { HandIn } from '../../core/openapi';

const points = (count: number): string => `${count} ${count === 1 ? 'point' : 'points'}`;
const ORDINAL = ['', 'the first', 'the second', 'the third'];

/** What came of a hand-in, as a sentence. */
export function answerWords(answer: HandIn): string {
  if (!answer.counts) return answer.result === 'wrong' ? 'Wrong. (What staff try does not count.)' : 'Right. (What staff try does not count.)';
  if (answer.result === 'correct') return `Correct: ${points(answer.value ?? 0)}${answer.blood ? `, and you are ${ORDINAL[answer.blood]} to solve it` : ''}.`;
  if (answer.result === 'already-solved') return 'You have solved this already.';
  if (answer.result === 'part') return `Right: ${answer.found ?? 1} of ${answer.wanted}. The others are still wanted.`;
  if (answer.attempts_left === null) return 'That is not it.';
  return `That is not it. ${answer.attempts_left === 0 ? 'No attempts are left.' : answer.attempts_left === 1 ? 'One attempt is left.' : `${answer.attempts_left} attempts are left.`}`;
}

/** In groups, in the order of their names; what is open before what is locked, cheap before dear. */
export function byCategory<T extends { category: string; locked: boolean; value: number; name: string | null }>(tasks: T[]): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const task of tasks) groups.set(task.category, [...(groups.get(task.category) ?? []), task]);
  for (const group of groups.values()) group.sort((a, b) => Number(a.locked) - Number(b.locked) || a.value - b.value || (a.name ?? '').localeCompare(b.name ?? ''));
  return [...groups].sort(([a], [b]) => a.localeCompare(b));
}
