import type { Page } from '../../core/page';

export default {
  path: '/', title: 'Machines', nav: 'main', order: 10, role: 'player', feature: 'labs',
  keys: [
    ['Enter', 'Start it, or open it when it runs'], ['e', 'Extend'], ['s', 'Stop'], ['t', 'Open a terminal'], ['d', 'See its desktop'], ['g h', 'Go to machines and catalogue'],
  ],
  load: () => import('./view'),
} satisfies Page;
