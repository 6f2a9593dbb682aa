import assert from 'node:assert/strict';
import test from 'node:test';
import { fromLocal, list, slug, toLocal } from './words';

test('R5.3 times go through a field and come back, to the minute', () => {
  assert.equal(toLocal(null), '');
  assert.equal(fromLocal(''), null);
  assert.equal(fromLocal(toLocal('2026-12-01T09:30:00.000Z')), '2026-12-01T09:30:00.000Z');
});

test('R5.3 a title becomes a name for paths', () => {
  assert.equal(slug('Frühling 2026: Finale!'), 'fru-hling-2026-finale');
  assert.equal(slug('---'), '');
  assert.deepEqual(list(' web, ,pwn,'), ['web', 'pwn']);
});
