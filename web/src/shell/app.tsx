import { Component, Suspense, useEffect, useState, type ReactNode } from 'react';
import { call } from '../core/api';
import { KEYS, onKey } from '../core/keys';
import { keepWay, takeWay } from '../core/door';
import { noteFailure, startLive, stopLive, whatIsOn, whoAmI } from '../core/live';
import type { Me } from '../core/openapi';
import { sees } from '../core/page';
import { go, Link, usePath } from '../core/route';
import { liveOnes } from '../core/state';
import { current, dispatch, useSaid, useStore } from '../core/store';
import { Dialog } from '../kit/dialog';
import { Empty } from '../kit/notice';
import { Header } from './header';
import { doorAt, FRONT_DOOR, pageAt, pagesOf } from './pages';
import { ProofDialog } from './proof';
import { Banner, Toasts } from './toasts';

function KeyList({ me, shown, hide }: { me: Me; shown: boolean; hide: () => void }) {
  const { features } = useStore();
  const all = [...KEYS, ...pagesOf(me, features).flatMap((page) => page.keys ?? [])];
  return (
    <Dialog shown={shown} hide={hide} id="keys" title="Keys">
      <dl className="keys">
        {all.map(([keys, what]) => (
          <div key={keys}><dt>{keys.split(/\s+/).map((key) => <kbd key={key}>{key}</kbd>)}</dt><dd>{what}</dd></div>
        ))}
      </dl>
    </Dialog>
  );
}

/** Where `g` and a letter lead: pages say it in their list of keys. */
function places(): Record<string, string> {
  const { me, features } = current();
  if (!me) return {};
  return Object.fromEntries(pagesOf(me, features).flatMap((page) => (page.keys ?? []).filter(([keys]) => keys.startsWith('g ')).map(([keys]) => [keys.slice(2), page.path])));
}

function Shown({ me, path }: { me: Me; path: string }) {
  const { features } = useStore();
  const page = pageAt(path);
  // What hangs on a switch waits until it is known how that stands.
  if (page?.feature !== undefined && features === null) return null;
  if (page && sees(me, features, page)) return <page.View me={me} />;
  // Whose first page is switched off begins with the next.
  const first = path === '/' ? pagesOf(me, features)[0] : undefined;
  if (first) return <first.View me={me} />;
  return <Empty title="There is no such page">It may need a role that you do not have, or be switched off for you. <Link to="/">Back to the beginning</Link></Empty>;
}

/** A bug in one page says so, and leaves a way on, instead of an empty window. */
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
    const [auth, me, features] = await Promise.all([call<'getAuth'>('/auth'), whoAmI(), whatIsOn()]);
    dispatch({ type: 'auth', auth });
    if (!me) dispatch({ type: 'signed-out' });
    else {
      dispatch({ type: 'signed-in', me });
      dispatch({ type: 'features', features });
    }
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
  // Who opens a one-time link means to use it, whoever is signed in already.
  const [byLink] = useState(() => doorAt(location.pathname) !== undefined && location.hash.length > 1);
  useEffect(() => { void begin(); }, []);
  useEffect(() => {
    const handle = (event: KeyboardEvent): void => { if (current().me) onKey(event, places(), () => setKeys(true)); };
    addEventListener('keydown', handle);
    return () => removeEventListener('keydown', handle);
  }, []);
  useEffect(() => {
    if (me) startLive();
    else stopLive();
    const way = me ? takeWay() : null;
    if (way) go(way, true);
    if (me && current().features === null) void whatIsOn().then((features) => { if (current().me?.id === me.id) dispatch({ type: 'features', features }); });
  }, [me?.id]);
  const door = doorAt(path);
  useEffect(() => {
    if (me === null && !door) {
      keepWay(path, location.search);
      go(FRONT_DOOR, true);
    }
    if (me && door && !byLink) go('/', true);
  }, [me, door]);
  const running = liveOnes(state).filter((one) => one.state === 'running').length;
  const name = auth?.name ?? 'Tiltyard';
  useEffect(() => { document.title = running > 0 ? `(${running}) ${name}` : name; }, [running, name]);

  const loading = <p className="muted">Loading…</p>;
  return (
    <>
      <Banner />
      {door && (me === null || (me && byLink)) && <Suspense><door.View /></Suspense>}
      {me && !door && (
        <>
          <a className="skip" href="#main">To the content</a>
          <Header me={me} showKeys={() => setKeys(true)} />
          <main id="main" tabIndex={-1}><Guard key={path.split('/')[1]}><Suspense fallback={loading}><Shown me={me} path={path} /></Suspense></Guard></main>
          <ProofDialog />
          <KeyList me={me} shown={keys} hide={() => setKeys(false)} />
        </>
      )}
      <Toasts />
      <div className="offscreen" role="status" aria-live="polite">{said}</div>
    </>
  );
}
