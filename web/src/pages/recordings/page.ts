import type { Page } from '../../core/page';

export default {
  path: '/recordings', below: true, title: 'Recordings', role: 'player',
  load: () => import('./view'),
} satisfies Page;
