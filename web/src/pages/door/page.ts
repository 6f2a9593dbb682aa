import type { Page } from '../../core/page';

export default {
  path: '/door', title: 'Opening', role: 'player',
  load: () => import('./view'),
} satisfies Page;
