import type { Page } from '../../core/page';

export default {
  path: '/contests', below: true, title: 'Contests', nav: 'staff', order: 60, role: 'operator', feature: 'contest',
  load: () => import('./view'),
} satisfies Page;
