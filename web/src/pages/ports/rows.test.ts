import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ports } from '../../core/openapi';
import { policyWords, rowsOf, wayTo } from './rows';

const listening = (port: number, more: object = {}) => ({
  port, protocol: 'tcp' as const, addresses: ['0.0.0.0'], program: 'httpd', reachable: true, why: null, endpoint: null, allowed: true, ...more,
});
const page = { name: 'web', kind: 'http' as const, url: 'http://a.localhost/' };
const ALL: Ports = {
  policy: { kinds: ['http', 'tcp', 'udp'], max: 4, left: 3, ranges: [], why: null },
  machines: [{
    name: 'main', seen: true, why: null, more: false, free: 12000,
    ports: [listening(8000, { endpoint: 'web' }), listening(9001, { reachable: false, why: 'Inside.' }), listening(9002), listening(53, { protocol: 'udp' })],
  }],
  open: [
    { name: 'web', machine: 'main', port: 8000, opened: false, endpoint: page },
    { name: 'later', machine: 'main', port: 9009, opened: true, endpoint: { name: 'later', kind: 'tcp', host: '127.0.0.2', port: 20000 } },
  ],
};

test('R2_8 each port says how it stands and what can be done with it', () => {
  const rows = rowsOf(ALL);
  assert.deepEqual(rows.map((row) => [row.port, row.look.word, row.kinds.join(' '), row.closable]), [
    [8000, 'Open', '', false], [9001, 'Not reachable', '', false], [9002, 'Listens', 'http tcp', false], [53, 'Listens', 'udp', false],
    [9009, 'Open, silent', '', true],
  ]);
});

test('R2_8 nothing more can be opened where none is left', () => {
  assert.equal(rowsOf({ ...ALL, policy: { ...ALL.policy, left: 0 } }).some((row) => row.kinds.length > 0), false);
});

test('R2_8 what may be opened is said in a sentence', () => {
  assert.equal(policyWords(ALL), "1 of 4 ports are open beside the machine's own; 3 more can be opened.");
  assert.equal(policyWords({ ...ALL, policy: { ...ALL.policy, ranges: [[22, 22], [8000, 8099]] } }),
    "1 of 4 ports are open beside the machine's own; 3 more can be opened, of 22, 8000 to 8099.");
  assert.equal(policyWords({ ...ALL, policy: { ...ALL.policy, why: 'Closed.' } }), 'Closed.');
});

test('R2_8 the way to an endpoint is what one would copy', () => {
  assert.deepEqual(ALL.open.map((one) => wayTo(one.endpoint)), ['http://a.localhost/', '127.0.0.2:20000']);
});
