import type { Page } from '../../core/page';

export default {
  path: '/gateway', title: 'Gateway', nav: 'staff', order: 70, role: 'operator', feature: 'traffic',
  keys: [['g w', 'Go to the gateway']],
  load: () => import('./view'),
} satisfies Page;
