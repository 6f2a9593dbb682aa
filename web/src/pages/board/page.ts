import type { Page } from '../../core/page';

export default {
  path: '/board', below: true, title: 'Board', nav: 'main', order: 30, role: 'player', feature: 'contest',
  load: () => import('./view'),
} satisfies Page;
