import type { Page } from '../../core/page';

export default {
  path: '/terminal', below: true, title: 'Terminal', role: 'player',
  load: () => import('./view'),
} satisfies Page;
