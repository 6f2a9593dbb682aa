import { Component, lazy, Suspense, useEffect, useRef, useState, type ReactNode } from 'react';
import { Account } from './account';
import { call } from './api';
import { Home, isStaff, seesProblems } from './home';
import { KEYS, onKey } from './keys';
import { askReady, noteFailure, startLive, stopLive, whoAmI } from './live';
import { Empty, Icon } from './parts';
import { ProofDialog } from './proof';
import { go, Link, usePath } from './route';
import { OPEN_PAGES, SignIn } from './signin';
import { AllMachines, Usage } from './staff';
import { Events } from './staff_events';
import { FeaturesPage } from './staff_features';
import { LimitsPage } from './staff_limits';
import { People } from './staff_people';
import { liveOnes, type Toast } from './state';
import { current, dispatch, useSaid, useStore, useTenths } from './store';
import { Team } from './team';
import type { AuthInfo, Me } from './types';

const Terminal = lazy(() => import('./terminal'));
const Farm = lazy(() => import('./farm'));
const Jobs = lazy(() => import('./jobs'));

const LINK_WORDS = {
  connecting: 'Connecting',
  live: 'Live',
  late: 'Late: asks every 2 s',
  offline: 'Offline',
} as const;

function Header({ me, showKeys }: { me: Me; showKeys: () => void }) {
  const { link } = useStore();
  return (
    <header className="top">
      <Link to="/" className="brand"><img src="/favicon.svg" alt="" width="20" height="20" /><span>Tiltyard</span></Link>
      <nav aria-label="Pages">
        <Link to="/">Machines</Link>
        {isStaff(me) && <Link to="/all">All<span className="wide-only"> machines</span></Link>}
        {isStaff(me) && <Link to="/usage">Usage</Link>}
        {seesProblems(me) && <Link to="/farm" within>Farm</Link>}
        {isStaff(me) && <Link to="/jobs">Jobs</Link>}
        {isStaff(me) && <Link to="/people">People</Link>}
        {isStaff(me) && <Link to="/events">Events</Link>}
        {isStaff(me) && <Link to="/limits">Limits</Link>}
      </nav>
      <span className="spring" />
      <span className={`link ${link}`} title="How this page hears of changes"><i aria-hidden="true" />{LINK_WORDS[link]}</span>
      <button type="button" className="icon-button keys-button" onClick={showKeys} aria-label="Show the keys" title="Keys (?)">?</button>
      <Link to="/account" className="who"><Icon name="person" /><span>{me.name}</span></Link>
    </header>
  );
}

function Banner() {
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

function Toasts() {
  const { toasts } = useStore();
  return <ul className="toasts" aria-label="Messages">{toasts.map((toast) => <ToastLine key={toast.id} toast={toast} />)}</ul>;
}

function KeyList({ shown, hide }: { shown: boolean; hide: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (shown && !dialog.current?.open) dialog.current?.showModal();
    if (!shown) dialog.current?.close();
  }, [shown]);
  return (
    <dialog ref={dialog} onClose={hide} onClick={(event) => { if (event.target === dialog.current) hide(); }} aria-labelledby="keys-title">
      <div className="section-head"><h2 id="keys-title">Keys</h2><span className="spring" /><button type="button" className="icon-button" onClick={hide} aria-label="Close"><Icon name="close" /></button></div>
      <dl className="keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}><dt>{keys.split(/\s+/).map((key) => <kbd key={key}>{key}</kbd>)}</dt><dd>{what}</dd></div>
        ))}
      </dl>
    </dialog>
  );
}

function View({ me, path }: { me: Me; path: string }) {
  // Who needs a team and has none can start nothing: the way into one is what there is to see.
  if ((path === '/' || OPEN_PAGES.includes(path)) && me.team_missing) return <div className="narrow"><Team me={me} /></div>;
  if (path === '/' || OPEN_PAGES.includes(path)) return <Home me={me} />;
  if (path === '/account') return <Account me={me} />;
  if (path.startsWith('/terminal/')) return <Terminal />;
  if ((path === '/farm' || path.startsWith('/farm/')) && seesProblems(me)) return <Farm me={me} />;
  if (path === '/jobs' && isStaff(me)) return <Jobs />;
  if (path === '/all' && isStaff(me)) return <AllMachines />;
  if (path === '/usage' && isStaff(me)) return <Usage />;
  if (path === '/people' && isStaff(me)) return <People me={me} />;
  if (path === '/events' && isStaff(me)) return <Events />;
  if (path === '/limits' && isStaff(me)) return <LimitsPage me={me} />;
  if (path === '/features' && isStaff(me)) return <FeaturesPage me={me} />;
  return <Empty title="There is no such page">It may need a role that you do not have. <Link to="/">Back to your machines</Link></Empty>;
}

/** A bug in one view says so, and leaves a way on, instead of an empty page. */
class Guard extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };
  static getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }
  override render(): ReactNode {
    if (!this.state.broken) return this.props.children;
    return <Empty title="This page has a fault">Your machines are not touched by it. <button type="button" onClick={() => location.reload()}>Load it again</button></Empty>;
  }
}

async function begin(): Promise<void> {
  try {
    const [auth, me] = await Promise.all([call<AuthInfo>('/auth'), whoAmI<Me>()]);
    dispatch({ type: 'auth', auth });
    if (me) dispatch({ type: 'signed-in', me });
    else dispatch({ type: 'signed-out' });
  } catch (error) {
    noteFailure(error);
    setTimeout(() => void begin(), 3000);
  }
}

export function App() {
  const state = useStore();
  const { me, auth } = state;
  const path = usePath();
  const said = useSaid();
  const [keys, setKeys] = useState(false);
  const [byLink] = useState(() => location.pathname === '/signin' && location.hash.length > 1);
  useEffect(() => { void begin(); }, []);
  useEffect(() => {
    const handle = (event: KeyboardEvent): void => { if (current().me) onKey(event, () => setKeys(true)); };
    addEventListener('keydown', handle);
    return () => removeEventListener('keydown', handle);
  }, []);
  useEffect(() => {
    if (me) startLive();
    else stopLive();
  }, [me?.id]);
  useEffect(() => {
    if (me === null && !OPEN_PAGES.includes(path)) go('/signin', true);
    // Who opens a one-time link means to sign in by it, whoever is signed in already.
    if (me && path === '/signin' && !byLink) go('/', true);
  }, [me, path]);
  const running = liveOnes(state).filter((one) => one.state === 'running').length;
  const name = auth?.name ?? 'Tiltyard';
  useEffect(() => { document.title = running > 0 ? `(${running}) ${name}` : name; }, [running, name]);

  const signIn = me === null || ((path === '/signin' || path === '/reset') && me !== undefined);
  return (
    <>
      <Banner />
      {signIn && <SignIn />}
      {me && !signIn && (
        <>
          <a className="skip" href="#main">To the content</a>
          <Header me={me} showKeys={() => setKeys(true)} />
          <main id="main" tabIndex={-1}><Guard key={path.split('/')[1]}><Suspense fallback={<p className="muted">Loading…</p>}><View me={me} path={path} /></Suspense></Guard></main>
          <ProofDialog />
          <KeyList shown={keys} hide={() => setKeys(false)} />
        </>
      )}
      <Toasts />
      <div className="offscreen" role="status" aria-live="polite">{said}</div>
    </>
  );
}
