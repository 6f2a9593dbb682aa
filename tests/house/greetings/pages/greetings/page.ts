import type { Page } from '@tiltyard/core/page';

export default {
  path: '/greetings', title: 'Greetings', nav: 'main', order: 30, role: 'player', feature: 'greetings',
  keys: [['g r', 'Go to the greetings']],
  load: () => import('./view'),
} satisfies Page;
