import type { Page } from '../../core/page';

export default {
  path: '/events', title: 'Events', nav: 'staff', order: 50, role: 'operator', feature: 'audit',
  load: () => import('./view'),
} satisfies Page;
