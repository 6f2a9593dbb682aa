import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Capture } from '../../core/openapi';
import { endWords, missing } from './words';

const capture = (lost: Capture['lost'], gaps: Capture['gaps'] = []): Capture => ({ lost, gaps } as Capture);

test('R2.7 what a capture lost is said in words, and nothing where nothing was', () => {
  assert.equal(missing(capture({ not_read: 0, not_written: 0 })), '');
  assert.equal(missing(capture({ not_read: 3, not_written: 0 })), '3 not read in time');
  assert.equal(missing(capture({ not_read: 3, not_written: 2 }, [{ from: '', to: '' }])), '3 not read in time, 2 not written, 1 gap');
});

test('R2.7 why a capture ended is said in words, what is not known by its name', () => {
  assert.equal(endWords('time'), 'its time was over');
  assert.equal(endWords('network-away'), 'network-away');
  assert.equal(endWords(null), '');
});
