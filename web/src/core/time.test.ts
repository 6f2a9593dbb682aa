// The exact time is told in the reader's zone; here that is UTC.
process.env.TZ = 'UTC';

import assert from 'node:assert/strict';
import test from 'node:test';
import { amount, bytes, countdown, duration, exact, relative, stopwatch } from './time';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

test('R11.1 a count-down rounds up and never goes below zero', () => {
  assert.equal(countdown(59 * MINUTE + 58_001), '59:59');
  assert.equal(countdown(1), '0:01');
  assert.equal(countdown(0), '0:00');
  assert.equal(countdown(-5000), '0:00');
  assert.equal(countdown(HOUR), '1:00:00');
  assert.equal(countdown(25 * HOUR + 4 * MINUTE + 5000), '25:04:05');
  assert.equal(countdown(51 * HOUR), '2 d 3 h');
});

test('R11.1 a duration has at most two units and no needless places', () => {
  assert.equal(duration(300), '300 ms');
  assert.equal(duration(4200), '4.2 s');
  assert.equal(duration(9000), '9 s');
  assert.equal(duration(9960), '10 s');
  assert.equal(duration(90_000), '90 s');
  assert.equal(duration(5 * MINUTE), '5 min');
  assert.equal(duration(59.6 * MINUTE), '1 h');
  assert.equal(duration(90 * MINUTE), '1 h 30 min');
  assert.equal(duration(48 * HOUR), '2 d');
  assert.equal(duration(49 * HOUR), '2 d 1 h');
  assert.equal(duration(-1), '0 ms');
});

test('R11.1 a running time keeps its tenth', () => {
  assert.equal(stopwatch(0), '0.0 s');
  assert.equal(stopwatch(3000), '3.0 s');
  assert.equal(stopwatch(12_400), '12 s');
});

test('R11.1 a time is told from now', () => {
  const now = Date.parse('2026-01-31T12:00:00.000Z');
  assert.equal(relative(now - 3000, now), 'just now');
  assert.equal(relative(now - 45_000, now), '45 s ago');
  assert.equal(relative(now - 5 * MINUTE, now), '5 min ago');
  assert.equal(relative(now + 3 * HOUR, now), 'in 3 h');
  assert.equal(relative(now - 72 * HOUR, now), '3 d ago');
});

test('R11.1 the exact time names its zone', () => {
  assert.equal(exact('2026-01-31T14:05:09.123Z'), '2026-01-31 14:05:09 UTC');
  assert.equal(exact('not a time'), 'not a time');
});

test('R11.1 amounts and bytes are short', () => {
  assert.equal(amount(0), '0');
  assert.equal(amount(0.1234), '0.123');
  assert.equal(amount(0.0001), '< 0.001');
  assert.equal(amount(77), '77');
  assert.equal(amount(412.54), '412.5');
  assert.equal(amount(1234), '1\u202f234');
  assert.equal(amount(1234567.8), '1\u202f234\u202f568');
  assert.equal(bytes(268435456), '256 MB');
  assert.equal(bytes(1610612736), '1.5 GB');
});
