import assert from 'node:assert/strict';
import test from 'node:test';
import { EMPTY, endedOnes, isAsked, liveOf, liveOnes, reduce, type Action, type State } from './state';
import type { Instance, Me, Template } from './openapi';

const NOW = Date.parse('2026-01-31T12:00:00.000Z');

const template = (id: string, more: Partial<Template> = {}): Template => ({
  id, name: id, category: 'Web', description: '', active: true, state: 'ready', reason: null, build: null, endpoints: [], machines: 1,
  lease: { policy: 'ctf', timeout_s: 3600, extend_s: 1800, text: '' }, expected_boot_ms: 1000, usual_start_ms: 900, pool: null, cost_centre: 'ROOM',
  limits: {}, credentials: null, ...more,
});

const instance = (id: string, more: Partial<Instance> = {}): Instance => ({
  id, template: 'web', template_name: 'Web', owner: { id: 'u', name: 'ada', team: null }, state: 'running', reason: null,
  created_at: '2026-01-31T12:00:00.000Z', started_at: null, ended_at: null, expires_at: null, extendable_at: null, extend_s: 1800, queue: null,
  progress: null, endpoints: [], machines: [], credentials: null, timings_ms: {}, ...more,
});

const me: Me = {
  id: 'u', name: 'ada', kind: 'user', roles: ['player'], team: null, strategy: 'local', limits: { instances: 2, running: 2 }, has_password: true,
  email: null, scopes: ['read'], teams: false, team_missing: false, proof: null,
};

const run = (state: State, ...actions: Action[]): State => actions.reduce(reduce, state);
const ids = (list: Instance[]): string[] => list.map((one) => one.id);

test('R11.1 a start shows at once and gives way to the real instance', () => {
  const asked = run(EMPTY, { type: 'asked', template: template('web'), me, now: NOW });
  assert.equal(liveOnes(asked).length, 1);
  assert.ok(isAsked(liveOnes(asked)[0]!));
  assert.equal(liveOf(asked, 'web')?.progress?.expected_ms, 900);
  const arrived = run(asked, { type: 'instance', instance: instance('a', { state: 'starting' }), now: NOW + 5 });
  assert.deepEqual(ids(liveOnes(arrived)), ['a']);
});

test('R11.1 a refused start leaves nothing behind', () => {
  const state = run(EMPTY, { type: 'asked', template: template('web'), me, now: NOW }, { type: 'refused', template: 'web' });
  assert.deepEqual(liveOnes(state), []);
});

test('R11.1 news is not overwritten by an older list', () => {
  const state = run(
    EMPTY,
    { type: 'instance', instance: instance('a', { state: 'starting' }), now: NOW },
    { type: 'instance', instance: instance('a', { state: 'running' }), now: NOW + 100 },
    { type: 'instance', instance: instance('b'), now: NOW + 100 },
    { type: 'snapshot', templates: [], instances: [instance('a', { state: 'starting' })], askedAt: NOW + 50, now: NOW + 150 },
  );
  assert.equal(state.instances.a?.state, 'running');
  assert.ok(state.instances.b, 'what the list did not know yet stays');
});

test('R11.1 what a newer list does not have is gone', () => {
  const state = run(
    EMPTY,
    { type: 'instance', instance: instance('a'), now: NOW },
    { type: 'snapshot', templates: [template('web')], instances: [], askedAt: NOW + 50, now: NOW + 90 },
  );
  assert.deepEqual(state.instances, {});
  assert.ok(state.loaded);
});

test('R11.1 a stop can be taken back, and ends when the server stops it', () => {
  const running = run(EMPTY, { type: 'instance', instance: instance('a'), now: NOW });
  const asked = run(running, { type: 'stop-asked', id: 'a', until: NOW + 4000 });
  assert.equal(asked.stopping.a, NOW + 4000);
  assert.equal(run(asked, { type: 'instance', instance: instance('a'), now: NOW + 10 }).stopping.a, NOW + 4000, 'other news keeps it');
  assert.deepEqual(run(asked, { type: 'stop-settled', id: 'a' }).stopping, {});
  assert.deepEqual(run(asked, { type: 'instance', instance: instance('a', { state: 'stopping' }), now: NOW + 10 }).stopping, {});
});

test('R11.1 of ended machines the newest of each template is shown, unless one lives or it was put away', () => {
  const old = instance('a', { state: 'stopped', created_at: '2026-01-31T10:00:00.000Z' });
  const failed = instance('b', { state: 'failed', created_at: '2026-01-31T11:00:00.000Z' });
  const other = instance('c', { state: 'stopped', template: 'pwn', created_at: '2026-01-31T09:00:00.000Z' });
  const state = run(EMPTY, ...[old, failed, other].map((one): Action => ({ type: 'instance', instance: one, now: NOW })));
  assert.deepEqual(ids(endedOnes(state, 9)), ['b', 'c']);
  assert.deepEqual(ids(endedOnes(state, 1)), ['b']);
  assert.deepEqual(ids(endedOnes(run(state, { type: 'dismissed', id: 'b' }), 9)), ['c'], 'putting it away does not bring up the one before');
  assert.deepEqual(ids(endedOnes(run(state, { type: 'instance', instance: instance('d'), now: NOW }), 9)), ['c']);
});

test('R11.1 signing out forgets everything but the site', () => {
  const state = run(
    EMPTY, { type: 'auth', auth: { strategies: ['local'], needs_setup: false, name: 'T', version: '1' } },
    { type: 'signed-in', me }, { type: 'instance', instance: instance('a'), now: NOW }, { type: 'signed-out' },
  );
  assert.equal(state.me, null);
  assert.deepEqual(state.instances, {});
  assert.equal(state.auth?.name, 'T');
});
