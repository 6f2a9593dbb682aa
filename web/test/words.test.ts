import assert from 'node:assert/strict';
import test from 'node:test';
import { Failure } from '../src/api';
import { extendTrouble, INSTANCE_LOOK, instanceLook, lineWords, sentence, startTrouble, stepWords, TEMPLATE_LOOK, waitWords } from '../src/words';
import type { Instance } from '../src/types';

test('R11.1 no two states look the same without colour', () => {
  for (const table of [INSTANCE_LOOK, TEMPLATE_LOOK]) {
    const words = Object.values(table).map((look) => look.word);
    assert.equal(new Set(words).size, words.length);
  }
  assert.equal(instanceLook('something-new').word, 'something-new');
});

test('R11.1 a failed start says what to do now', () => {
  const limit = new Failure(429, 'limit-reached', 'x', { limit: 2, current: 2, limited_by: 'instances_per_owner' });
  assert.equal(startTrouble(limit, { name: 'Echo' }), 'You have 2 of 2 machines. Stop one, then start Echo.');
  const full = new Failure(429, 'limit-reached', 'All 10 places of this template are taken.', { limit: 10, current: 10, limited_by: 'max_instances' });
  assert.equal(startTrouble(full, { name: 'Echo' }), 'Echo was not started. All 10 places of this template are taken.');
  const away = new Failure(503, 'engine-unavailable', 'The engine is away.');
  assert.equal(startTrouble(away, { name: 'Echo' }), 'Echo was not started. The engine is away.');
});

test('R11.1 an extension that is too early says when', () => {
  const early = new Failure(409, 'not-extendable-yet', 'x', { extendable_at: '2026-01-31T12:05:00.000Z' });
  const one = { template_name: 'Echo' } as Instance;
  assert.equal(extendTrouble(early, one, Date.parse('2026-01-31T12:00:00.000Z')), 'Echo can be extended in 5 min.');
});

test('R11.1 a reason of the server reads as a sentence', () => {
  assert.equal(sentence('waiting for the base image tiltyard/debian:12'), 'Waiting for the base image tiltyard/debian:12.');
  assert.equal(sentence('It failed.'), 'It failed.');
  assert.equal(sentence(' '), '');
});

test('R11.1 a step that the page does not know is still readable', () => {
  assert.equal(stepWords('warm_up-disk'), 'Warm up disk');
  assert.equal(stepWords('network'), 'Making the network');
});

test('R1.7 a place in the queue reads as people say it', () => {
  assert.deepEqual([1, 2, 3, 4, 11, 12, 13, 21, 22, 103, 111].map(lineWords), [
    'Next in line', '2nd in line', '3rd in line', '4th in line', '11th in line', '12th in line', '13th in line', '21st in line',
    '22nd in line', '103rd in line', '111th in line']);
});

test('R1.7 an estimate is calm while it is long, never rounded down, and says when it is over', () => {
  assert.deepEqual([-500, 0, 1, 1000, 8200, 19_900, 21_000, 56_000, 61_000, 89_000, 120_000, 400_000].map(waitWords), [
    'any moment now', 'any moment now', 'about 1 s', 'about 1 s', 'about 9 s', 'about 20 s', 'about 25 s', 'about 1 min',
    'about 1 min 15 s', 'about 1 min 30 s', 'about 2 min', 'about 7 min']);
  let before = waitWords(240_000);
  let changes = 0;
  for (let left = 239_900; left > 60_000; left -= 100) {
    const now = waitWords(left);
    if (now !== before) changes++;
    before = now;
  }
  assert.ok(changes <= 13, `${changes} changes within three minutes`);
});
