import type { Door } from '../../core/page';

export default {
  path: '/signin', also: ['/register', '/forgot', '/reset'], title: 'Sign in', role: 'anyone',
  load: () => import('./view'),
} satisfies Door;
