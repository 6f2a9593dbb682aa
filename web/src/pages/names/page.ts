import type { Page } from '../../core/page';

export default {
  path: '/names', title: 'Names', role: 'player', feature: 'names',
  keys: [['g n', 'Go to your names']],
  load: () => import('./view'),
} satisfies Page;
