import assert from 'node:assert/strict';
import { test } from 'node:test';
import { below, modeWords, steps, uploadKey } from './paths';

test('R3.6 a path is made of the folders that lead to it', () => {
  assert.equal(below('/', 'a'), '/a');
  assert.equal(below('/a', 'b'), '/a/b');
  assert.deepEqual(steps('/').map((one) => one.path), ['/']);
  assert.deepEqual(steps('/srv/www').map((one) => one.path), ['/', '/srv', '/srv/www']);
});

test('R3.6 the same file to the same place is the same transfer, and no other is', () => {
  const file = { size: 5, lastModified: 1 };
  assert.match(uploadKey('/a', file), /^[0-9a-f]{16}$/);
  assert.equal(uploadKey('/a', file), uploadKey('/a', { ...file }));
  const others = [uploadKey('/b', file), uploadKey('/a', { ...file, size: 6 }), uploadKey('/a', { ...file, lastModified: 2 })];
  assert.equal(new Set([uploadKey('/a', file), ...others]).size, 4);
});

test('R3.6 permissions are shown as people know them', () => {
  assert.equal(modeWords(0o750), 'rwxr-x---');
  assert.equal(modeWords(0), '---------');
});
