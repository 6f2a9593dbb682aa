import type { Page } from '../../core/page';

export default {
  path: '/limits', title: 'Limits', nav: 'staff', order: 60, role: 'operator',
  load: () => import('./view'),
} satisfies Page;
