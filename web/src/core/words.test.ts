import assert from 'node:assert/strict';
import test from 'node:test';
import { Failure } from './api';
import type { Instance } from './openapi';
import { sentence } from '../kit/text';
import { extendTrouble, INSTANCE_LOOK, instanceLook, lookOf, startTrouble } from './words';

test('R11.1 no two states look the same without colour', () => {
  const words = Object.values(INSTANCE_LOOK).map((look) => look.word);
  assert.equal(new Set(words).size, words.length);
  assert.equal(instanceLook('something-new').word, 'something-new');
});

test('R14.2 what cannot be reached is not shown as running', () => {
  const one = { state: 'running', unreachable: null } as Instance;
  assert.deepEqual(lookOf(one, false), INSTANCE_LOOK.running);
  const lost = { ...one, unreachable: 'The engine far is not configured.' };
  assert.equal(lookOf(lost, false).word, 'Unreachable');
  assert.notEqual(lookOf(lost, false).shape, INSTANCE_LOOK.running.shape);
  assert.equal(lookOf(lost, true).word, 'Stopping');
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
