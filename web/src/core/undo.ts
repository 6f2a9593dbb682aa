// What takes something away waits for a moment in which it can be taken back.
import { UNDO_MS } from './actions';
import { say, toast } from './store';

const waiting = new Set<() => void>();

/** Says `text` with an Undo beside it; `send` runs after UNDO_MS, or at once when the page is closed. */
export function afterUndo(text: string, send: () => void): void {
  const run = (): void => {
    if (!waiting.delete(run)) return;
    clearTimeout(timer);
    send();
  };
  const timer = setTimeout(run, UNDO_MS);
  waiting.add(run);
  const undo = (): void => {
    clearTimeout(timer);
    waiting.delete(run);
    say('Taken back.');
  };
  toast(text, { forMs: UNDO_MS, action: { label: 'Undo', run: undo } });
  say(text);
}

// Who closes the tab within that moment has still asked for it.
addEventListener('pagehide', () => { for (const run of [...waiting]) run(); });
