import assert from 'node:assert/strict';
import test from 'node:test';
import type { Contest, HandIn } from '../../core/openapi';
import { likeliest } from '../../core/contests';
import { answerWords, byCategory } from './words';

const answer = (more: Partial<HandIn>): HandIn => ({
  result: 'wrong', contest: 'c', challenge: 'x', counts: true, value: null, blood: null, found: null, wanted: 1, attempts_left: null, ...more,
});

test('R5.3 what came of a hand-in is said in a sentence', () => {
  assert.equal(answerWords(answer({})), 'That is not it.');
  assert.equal(answerWords(answer({ attempts_left: 1 })), 'That is not it. One attempt is left.');
  assert.equal(answerWords(answer({ result: 'correct', value: 1 })), 'Correct: 1 point.');
  assert.equal(answerWords(answer({ result: 'correct', value: 500, blood: 1 })), 'Correct: 500 points, and you are the first to solve it.');
  assert.equal(answerWords(answer({ result: 'part', found: 1, wanted: 3 })), 'Right: 1 of 3. The others are still wanted.');
  assert.match(answerWords(answer({ result: 'correct', counts: false })), /does not count/);
});

test('R5.3 the contest that runs comes first', () => {
  const one = (id: string, state: Contest['state']): Contest => ({ id, state }) as Contest;
  assert.equal(likeliest([one('old', 'over'), one('practice', 'runs'), one('next', 'waits')])?.id, 'next');
  assert.equal(likeliest([one('old', 'over'), one('practice', 'runs')])?.id, 'practice');
  assert.equal(likeliest([one('practice', 'runs'), one('now', 'runs')])?.id, 'now');
  assert.equal(likeliest([]), undefined);
});

test('R5.3 what is open stands before what is locked, cheap before dear', () => {
  const task = (category: string, name: string | null, value: number, locked = false) => ({ category, name, value, locked });
  const groups = byCategory([task('web', 'b', 300), task('pwn', 'a', 100), task('web', null, 50, true), task('web', 'a', 100)]);
  assert.deepEqual(groups.map(([name, tasks]) => [name, tasks.map((each) => each.value)]), [['pwn', [100]], ['web', [100, 300, 50]]]);
});
