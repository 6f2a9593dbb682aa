import type { Page } from '../../core/page';

export default {
  path: '/terminal', below: true, title: 'Terminal', role: 'player', feature: 'labs',
  load: () => import('./view'),
} satisfies Page;
