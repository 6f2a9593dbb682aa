import type { Page } from '../../core/page';

export default {
  path: '/jobs', title: 'Jobs', nav: 'staff', order: 30, role: 'operator', feature: 'board',
  keys: [['g j', 'Go to the jobs']],
  load: () => import('./view'),
} satisfies Page;
