import type { Page } from '../../core/page';

export default {
  path: '/snapshots', below: true, title: 'Snapshots', role: 'player', feature: 'snapshots',
  load: () => import('./view'),
} satisfies Page;
