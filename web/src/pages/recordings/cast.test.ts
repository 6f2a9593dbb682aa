import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CastReader, countUntil, find, linesOf, sizeOf, timesOf } from './cast';

const HEAD = '{"version":2,"width":90,"height":20,"timestamp":1700000000}\n';

function read(text: string, piece = text.length): CastReader {
  const reader = new CastReader();
  for (let at = 0; at < text.length; at += piece) reader.take(text.slice(at, at + piece));
  return reader;
}

test('R3.5 a recording reads the same however it comes in pieces', () => {
  const text = `${HEAD}[0.5,"o","one\\r\\n"]\n[1,"r","100x30"]\n[2.5,"o","käse €\\r\\n"]\n[3,"m","full"]\n`;
  const whole = read(text).cast;
  assert.deepEqual([whole.columns, whole.rows, whole.began], [90, 20, 1_700_000_000]);
  assert.deepEqual(whole.moments, [
    { at: 0.5, code: 'o', data: 'one\r\n' }, { at: 1, code: 'r', data: '100x30' }, { at: 2.5, code: 'o', data: 'käse €\r\n' }, { at: 3, code: 'm', data: 'full' },
  ]);
  for (const piece of [1, 2, 7, 64]) assert.deepEqual(read(text, piece).cast, whole);
});

test('R3.5 what is no recording is said, and what is cut or wrong in one is left out', () => {
  assert.ok(read('<html>\n').wrong);
  assert.ok(read('{"version":3,"term":{}}\n').wrong);
  const odd = read(`${HEAD}not json\n[1,"o"]\n[null,"o","x"]\n["1","o","x"]\n[2,"x","0"]\n{"a":1}\n[3,"o",7]\n[5,"o","good"]\n[6,"o","cut o`);
  assert.equal(odd.wrong, false);
  assert.deepEqual(odd.cast.moments, [{ at: 5, code: 'o', data: 'good' }]);
});

test('R3.5 time does not go back, and sizes stay those of a screen', () => {
  const { cast } = read('{"version":2,"width":1e12,"height":-4}\n[9,"o","a"]\n[-3,"o","b"]\n[4,"r","1x1"]\n[1e400,"o","c"]\n');
  assert.deepEqual([cast.columns, cast.rows], [1000, 24]);
  assert.deepEqual(cast.moments, [{ at: 9, code: 'o', data: 'ab' }, { at: 9, code: 'r', data: '1x1' }]);
  assert.deepEqual(sizeOf('99999999x0'), [1000, 1]);
  assert.equal(sizeOf('1e9x2'), null);
});

test('R3.5 a line without an end costs no memory without one', () => {
  const reader = read(HEAD);
  for (let turn = 0; turn < 20; turn++) reader.take('x'.repeat(1024 * 1024));
  reader.take('\n[1,"o","after"]\n');
  assert.deepEqual(reader.cast.moments, [{ at: 1, code: 'o', data: 'after' }]);
});

test('R3.5 pauses are cut, and a time finds what was shown by then', () => {
  const { moments } = read(`${HEAD}[1,"o","a"]\n[100,"o","b"]\n[101,"o","c"]\n`).cast;
  assert.deepEqual([...timesOf(moments)], [1, 100, 101]);
  const cut = timesOf(moments, 2);
  assert.deepEqual([...cut], [1, 3, 4]);
  assert.deepEqual([0, 1, 3.5, 9].map((time) => countUntil(cut, time)), [0, 1, 2, 3]);
});

test('R3.5 the text of a recording is found without its colours, titles and jumps', () => {
  const shown = ['$ l\b', 'ls\r\n', '\\u001b[31mre', 'd\\u001b[0m fish\\u001b]0;title of secrets\\u0007\r\n', '\\u001b[5;1Hfar\\u001b[1;1Hnear', '\\u001bP1$r\\u001b\\\\end\\u001b(B!\n'];
  const { moments } = read(HEAD + shown.map((data, at) => `[${at},"o","${data.replace(/\r/g, '\\r').replace(/\n/g, '\\n').replace(/[\b]/g, '\\b')}"]\n`).join('')).cast;
  const lines = linesOf(moments);
  assert.deepEqual(lines, [
    { at: 0, text: '$ ls' }, { at: 2, text: 'red fish' }, { at: 4, text: 'far' }, { at: 4, text: 'nearend!' },
  ]);
  assert.deepEqual(find(lines, ' FISH '), [{ at: 2, text: 'red fish' }]);
  assert.deepEqual(find(lines, 'secrets'), []);
  assert.deepEqual(find(lines, '  '), []);
});
