import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergePage, waitingOf, type Shown } from './list';
import type { FarmFlag, FarmStats } from '../../core/openapi';
import { acceptance, rateWords, receiptWords } from './words';

const flag = (id: number, status: FarmFlag['status'] = 'queued'): FarmFlag => ({
  id, flag: `F${id}`, sploit: 's', team: 't', service: '', status, received_at: '', submitted_at: null, decided_at: null, expires_at: '', attempts: 0,
  response: null, probable: false,
});
const told = (rows: Shown[]): string => rows.map((row) => `${row.id}${row.left ? '(left)' : ''}${row.status === 'queued' ? '' : `:${row.status}`}`).join(' ');

test('R6.5 at the top new flags appear and changed ones change', () => {
  const shown = [flag(5), flag(4), flag(3), flag(2), flag(1)];
  const page = { items: [flag(7), flag(6), flag(5, 'accepted'), flag(4)], below: Infinity, last: false };
  assert.equal(told(mergePage(shown, page, true)), '7 6 5:accepted 4 3 2 1');
});

test('R6.5 who reads further down loses no line: new flags wait, what left the filters stays', () => {
  const shown = [flag(5), flag(4), flag(3)];
  const page = { items: [flag(7), flag(6), flag(4, 'leased')], below: Infinity, last: false };
  assert.equal(told(mergePage(shown, page, false)), '5(left) 4:leased 3');
  assert.equal(waitingOf(shown, page.items), 2);
  assert.equal(told(mergePage(mergePage(shown, page, false), page, true)), '7 6 4:leased 3');
});

test('R6.5 an older page only speaks of what it was asked for', () => {
  const shown = [flag(9), flag(8)];
  const page = { items: [flag(7), flag(5)], below: 8, last: true };
  assert.equal(told(mergePage(shown, page, true)), '9 8 7 5');
  assert.equal(told(mergePage([...shown, flag(6)], { items: [], below: 8, last: true }, true)), '9 8');
});

const rate = (over: Partial<FarmStats['rate']>): FarmStats['rate'] => ({ calls_per_s: null, configured_calls_per_s: null, flags_per_s: null, limited: 0, paused_ms: 0, ...over });

test('R6.9 the shared rate is said as it is: none, configured, learned, paused', () => {
  assert.equal(rateWords(rate({})).word, 'No limit is known');
  assert.match(rateWords(rate({ calls_per_s: 2, configured_calls_per_s: 2 })).word, /^2 calls\/s, as configured/);
  assert.match(rateWords(rate({ calls_per_s: 1.5, configured_calls_per_s: 2 })).word, /^1\.50 calls\/s, learned from the jury; 2 calls\/s are configured/);
  const paused = rateWords(rate({ calls_per_s: 2, paused_ms: 4200 }));
  assert.equal(paused.tone, 'wait');
  assert.match(paused.word, /^Paused for 4\.2 s/);
});

test('R6.1 what became of pasted flags is said in full', () => {
  assert.match(receiptWords({ received: 0, new: 0, duplicate: 0, invalid_count: 0, invalid: [] }), /no flag of the configured format/);
  assert.equal(receiptWords({ received: 12, new: 10, duplicate: 2, invalid_count: 0, invalid: [] }), '12 flags found, 10 new, 2 known already. The new ones are on disk and in the queue.');
});

test('R6.5 the part that was accepted counts only what is decided', () => {
  const tally = { queued: 100, leased: 5, accepted: 3, rejected: 1, skipped: 0, total: 109 };
  assert.equal(acceptance(tally), '75 %');
  assert.equal(acceptance({ ...tally, accepted: 0, rejected: 0 }), '–');
});
