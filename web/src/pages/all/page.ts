import type { Page } from '../../core/page';

export default {
  path: '/all', title: 'All machines', short: 'All', nav: 'staff', order: 10, role: 'operator', feature: 'labs',
  load: () => import('./view'),
} satisfies Page;
