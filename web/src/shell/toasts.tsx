import { useRef } from 'react';
import { useTenths } from '../core/clock';
import { askReady } from '../core/live';
import type { Toast } from '../core/state';
import { dispatch, useStore } from '../core/store';
import { Icon } from '../kit/icon';

/** What is away, for the whole page. */
export function Banner() {
  const { trouble } = useStore();
  if (!trouble) return null;
  return (
    <div className="banner" role="alert">
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true"><path d="M6 1.5 11 10.5H1z" fill="currentColor" /></svg>
      <p><b>{trouble.reason === 'unreachable' ? 'Offline.' : 'Not everything works.'}</b> {trouble.text} <span className="muted">Trying again by itself.</span></p>
      <button type="button" onClick={() => void askReady()}>Try now</button>
    </div>
  );
}

function ToastLine({ toast }: { toast: Toast }) {
  const now = useTenths();
  const start = useRef(now);
  const whole = toast.until - start.current;
  return (
    <li className={toast.tone}>
      <p>{toast.text}</p>
      {toast.action && (
        <button type="button" onClick={() => { toast.action?.run(); dispatch({ type: 'toast-gone', id: toast.id }); }}>{toast.action.label}</button>
      )}
      <button type="button" className="icon-button" aria-label="Close" onClick={() => dispatch({ type: 'toast-gone', id: toast.id })}><Icon name="close" /></button>
      {toast.action && <span className="fuse" aria-hidden="true" style={{ transform: `scaleX(${whole > 0 ? Math.max(0, (toast.until - now) / whole) : 0})` }} />}
    </li>
  );
}

/** What has just happened, in the corner. */
export function Toasts() {
  const { toasts } = useStore();
  return <ul className="toasts" aria-label="Messages">{toasts.map((toast) => <ToastLine key={toast.id} toast={toast} />)}</ul>;
}
