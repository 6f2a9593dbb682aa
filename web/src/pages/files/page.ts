import type { Page } from '../../core/page';

export default {
  path: '/files', below: true, title: 'Files', role: 'player', feature: 'transfers',
  load: () => import('./view'),
} satisfies Page;
