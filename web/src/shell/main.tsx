import { createRoot } from 'react-dom/client';
import '../kit/kit.css';
import { App } from './app';
import { prepare } from './pages';
import './shell.css';

const root = document.getElementById('root');
// A page that is loaded later from a newer server brings a newer copy of this script along: then everything is to be new.
if (root?.hasChildNodes()) location.reload();
else if (root) {
  // Without its style nothing is readable: what did not come, as where a connection was cut, is asked for once more.
  const styled = getComputedStyle(document.documentElement).getPropertyValue('--bg') !== '';
  if (!styled) for (const link of document.querySelectorAll('link[rel="stylesheet"]')) link.after(link.cloneNode());
  // On its way while the server is asked who is signed in.
  prepare(location.pathname);
  createRoot(root).render(<App />);
}
