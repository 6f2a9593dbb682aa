import type { Page } from '../../core/page';

export default {
  path: '/features', title: 'Features', nav: 'staff', order: 70, role: 'operator',
  load: () => import('./view'),
} satisfies Page;
