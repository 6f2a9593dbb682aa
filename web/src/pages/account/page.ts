import type { Page } from '../../core/page';

export default {
  path: '/account', title: 'Account', nav: 'me', role: 'player',
  keys: [['g a', 'Go to your account']],
  load: () => import('./view'),
} satisfies Page;
