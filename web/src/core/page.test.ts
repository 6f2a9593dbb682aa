import assert from 'node:assert/strict';
import test from 'node:test';
import type { Me, Role } from './openapi';
import { sees } from './page';

const me = (...roles: Role[]): Me => ({
  id: 'u', name: 'ada', kind: 'user', roles, team: null, strategy: 'local', limits: { instances: 2, running: 2 }, has_password: true,
  email: null, scopes: ['read'], teams: false, team_missing: false, proof: null,
});

test('R7.7 a page is there for its role and those above', () => {
  const page = { role: 'operator' as const };
  assert.equal(sees(me('player'), {}, page), false);
  assert.equal(sees(me('player', 'author'), {}, page), false);
  assert.equal(sees(me('player', 'author', 'operator'), {}, page), true);
  assert.equal(sees(me('player', 'author', 'operator', 'admin'), {}, page), true);
});

test('R7.7 a page that hangs on a switch is there while that is on, or nobody has declared it', () => {
  const page = { role: 'player' as const, feature: 'farm' };
  assert.equal(sees(me('player'), { farm: true }, page), true);
  assert.equal(sees(me('player'), { farm: false }, page), false);
  assert.equal(sees(me('player'), { jobs: false }, page), true);
  // Until it is known how the switch stands, nothing flashes up that is taken away again.
  assert.equal(sees(me('player'), null, page), false);
  assert.equal(sees(me('player'), null, { role: 'player' }), true);
});
