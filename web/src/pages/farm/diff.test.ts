import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesOf, diffLines, type DiffLine } from './diff';

const written = (lines: (DiffLine | null)[]): string => lines.map((line) => (line === null ? '…' : `${{ same: ' ', gone: '-', new: '+' }[line.kind]}${line.text}`)).join('\n');

/** What the new text is, and what the old one was, told from the differences alone. */
const sides = (lines: DiffLine[]): [string, string] => [
  lines.filter((line) => line.kind !== 'new').map((line) => line.text).join('\n'), lines.filter((line) => line.kind !== 'gone').map((line) => line.text).join('\n'),
];

test('R6.2 a diff of equal texts shows nothing', () => {
  const lines = diffLines('a\nb', 'a\nb');
  assert.equal(written(lines), ' a\n b');
  assert.deepEqual(changesOf(lines), []);
});

test('R6.2 a changed, an added and a removed line are shown as such, with their numbers', () => {
  const lines = diffLines('a\nb\nc\nd', 'a\nB\nc\nd\ne');
  assert.equal(written(lines), ' a\n-b\n+B\n c\n d\n+e');
  assert.deepEqual(lines.filter((line) => line.kind === 'new').map((line) => line.line), [2, 5]);
  assert.deepEqual(lines.filter((line) => line.kind === 'gone').map((line) => line.line), [2]);
});

test('R6.2 what is unchanged and far away is left out', () => {
  const old = Array.from({ length: 40 }, (_, index) => `line ${index}`);
  const young = [...old];
  young[3] = 'changed';
  young[30] = 'changed too';
  const shown = changesOf(diffLines(old.join('\n'), young.join('\n')), 1);
  assert.equal(written(shown), ' line 2\n-line 3\n+changed\n line 4\n…\n line 29\n-line 30\n+changed too\n line 31');
});

test('R6.2 any two texts: both can be told from their differences, and the shortest way is taken', () => {
  let seed = 7;
  const random = (below: number): number => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % below; };
  for (let round = 0; round < 300; round++) {
    const text = (): string => Array.from({ length: random(9) }, () => 'abcd'[random(4)]).join('\n');
    const [old, young] = [text(), text()];
    const lines = diffLines(old, young);
    assert.deepEqual(sides(lines), [old, young]);
    assert.equal(lines.filter((line) => line.kind === 'same').length, common(old.split('\n'), young.split('\n')));
  }
});

/** The length of the longest common subsequence, by the plain recursion. */
function common(a: string[], b: string[]): number {
  if (a.length === 0 || b.length === 0) return 0;
  if (a[0] === b[0]) return 1 + common(a.slice(1), b.slice(1));
  return Math.max(common(a.slice(1), b), common(a, b.slice(1)));
}
