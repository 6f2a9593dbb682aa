import type { Page } from '../../core/page';

export default {
  path: '/contest', below: true, title: 'Challenges', nav: 'main', order: 20, role: 'player', feature: 'contest',
  load: () => import('./view'),
} satisfies Page;
