import type { Page } from '../../core/page';

export default {
  path: '/certificates', title: 'Certificates', nav: 'staff', order: 80, role: 'operator',
  load: () => import('./view'),
} satisfies Page;
