import type { Page } from '../../core/page';

export default {
  path: '/usage', title: 'Usage', nav: 'staff', order: 20, role: 'operator', feature: 'labs',
  load: () => import('./view'),
} satisfies Page;
