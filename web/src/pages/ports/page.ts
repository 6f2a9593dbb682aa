import type { Page } from '../../core/page';

export default {
  path: '/ports', below: true, title: 'Ports', role: 'player', feature: 'ports',
  load: () => import('./view'),
} satisfies Page;
