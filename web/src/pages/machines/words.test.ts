import assert from 'node:assert/strict';
import test from 'node:test';
import { lineWords, stepWords, TEMPLATE_LOOK, waitWords } from './words';

test('R11.1 no two states of a template look the same without colour', () => {
  const words = Object.values(TEMPLATE_LOOK).map((look) => look.word);
  assert.equal(new Set(words).size, words.length);
});

test('R11.1 a step that the page does not know is shown by its name', () => {
  assert.equal(stepWords('weighing'), 'weighing');
  assert.equal(stepWords(''), 'Under way');
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
