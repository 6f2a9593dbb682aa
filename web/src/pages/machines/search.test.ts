import assert from 'node:assert/strict';
import test from 'node:test';
import type { Template } from '../../core/openapi';
import { search } from './search';

const template = (id: string, more: Partial<Template> = {}): Template => ({
  id, name: id, category: 'Web', description: '', active: true, state: 'ready', reason: null, build: null, endpoints: [], machines: 1,
  lease: { policy: 'ctf', timeout_s: 3600, extend_s: 1800, text: '' }, expected_boot_ms: 1000, usual_start_ms: 900, pool: null, cost_centre: 'ROOM',
  limits: {}, credentials: null, ...more,
});

test('R11.1 search takes every word, anywhere, and the state', () => {
  const all = [
    template('hello-web', { name: 'Hello', description: 'a static page' }), template('echo', { category: 'Pwn', state: 'building' }),
    template('apple', { category: 'Pwn' }),
  ];
  assert.deepEqual(search(all, 'page HELLO', '').map((one) => one.id), ['hello-web']);
  assert.deepEqual(search(all, 'building', '').map((one) => one.id), ['echo']);
  assert.deepEqual(search(all, '', 'Pwn').map((one) => one.id), ['apple', 'echo']);
  assert.deepEqual(search(all, 'nothing', ''), []);
});
