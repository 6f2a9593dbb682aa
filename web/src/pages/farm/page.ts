import type { Page } from '../../core/page';

export default {
  path: '/farm', below: true, title: 'Farm', nav: 'main', order: 20, role: 'author', feature: 'farm',
  keys: [['p', 'Paste flags (on the farm)'], ['g f', 'Go to the farm']],
  load: () => import('./view'),
} satisfies Page;
