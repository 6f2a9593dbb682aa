import assert from 'node:assert/strict';
import test from 'node:test';
import type { Board } from '../../core/openapi';
import { after, solveOf } from './fold';

const BOARD: Board = {
  contest: { id: 'c', title: 'C', about: '', starts_at: null, ends_at: null, freeze_at: null, frozen: false, state: 'runs', divisions: [], bloods: [0, 0, 0] },
  version: 1, next: null,
  challenges: [{ id: 'web', name: 'Web', category: 'web', value: 400, solves: 2 }, { id: 'pwn', name: 'Pwn', category: 'pwn', value: 300, solves: 1 }],
  items: [
    { position: 1, owner: 'a', name: 'Ann', team: false, division: null, score: 700, last_at: '2026-01-01T00:00:02Z', solved: [0, 1] },
    { position: 2, owner: 'b', name: 'Bob', team: false, division: null, score: 400, last_at: '2026-01-01T00:00:01Z', solved: [0] },
  ],
};
const told = { kind: 'solved', challenge: 'web', value: 300, solves: 3, owner: 'c', name: 'Cat', blood: null, at: '2026-01-01T00:00:09Z' };

test('R5.3 a solve changes what all have for the same', () => {
  const solve = solveOf(told);
  assert.ok(solve);
  const next = after(BOARD, solve);
  assert.deepEqual(next?.items.map((one) => [one.position, one.name, one.score]), [[1, 'Ann', 600], [2, 'Bob', 300], [3, 'Cat', 300]]);
  assert.deepEqual(next?.challenges[0], { id: 'web', name: 'Web', category: 'web', value: 300, solves: 3 });
  assert.equal(next && after(next, solve), next, 'told twice it counts once');
});

test('R5.3 where first solves pay, or the challenge is new, the board is asked for', () => {
  const solve = solveOf(told)!;
  assert.equal(after({ ...BOARD, contest: { ...BOARD.contest, bloods: [50, 30, 10] } }, solve), null);
  assert.equal(after(BOARD, { ...solve, challenge: 'new' }), null);
  assert.equal(solveOf({ kind: 'announced', text: 'x' }), null);
  assert.equal(solveOf({ ...told, value: 'x' }), null);
});
