import type { ReactNode } from 'react';
import { go } from '../../core/route';
import { useStore } from '../../core/store';

/** Takes the one-time token out of the address bar, so that it stays in no history. */
export function takeFragment(): string {
  const token = decodeURIComponent(location.hash.slice(1));
  if (token) history.replaceState(null, '', location.pathname);
  return token;
}

export function Frame({ children }: { children: ReactNode }) {
  const { auth } = useStore();
  return (
    <main className="signin" id="main">
      <img src="/favicon.svg" alt="" width="40" height="40" />
      <h1>{auth?.name ?? 'Tiltyard'}</h1>
      {children}
      {auth && <p className="muted version">Version {auth.version}</p>}
    </main>
  );
}

export function To({ path, children }: { path: string; children: ReactNode }) {
  return <a href={path} onClick={(event) => { event.preventDefault(); go(path); }}>{children}</a>;
}
