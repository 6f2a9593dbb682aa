import type { Page } from '../../core/page';

export default {
  path: '/desktop', below: true, title: 'Desktop', role: 'player', feature: 'desktop',
  load: () => import('./view'),
} satisfies Page;
