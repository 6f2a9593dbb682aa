import { createRoot } from 'react-dom/client';
import { App } from './app';
import '@xterm/xterm/css/xterm.css';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import './terminal.css';
import './farm.css';

const root = document.getElementById('root');
// A part that is loaded later from a newer server brings a newer copy of this script along: then the whole page is to be new.
if (root?.hasChildNodes()) location.reload();
else if (root) createRoot(root).render(<App />);
