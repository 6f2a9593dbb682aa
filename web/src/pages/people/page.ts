import type { Page } from '../../core/page';

export default {
  path: '/people', title: 'People', nav: 'staff', order: 40, role: 'operator',
  load: () => import('./view'),
} satisfies Page;
