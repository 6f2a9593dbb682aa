import { useEffect, useRef } from 'react';
import { Link, usePath } from '../core/route';
import { useStore } from '../core/store';
import type { Me } from '../core/openapi';
import { Icon } from '../kit/icon';
import { pagesOf } from './pages';

const LINK_WORDS = {
  connecting: 'Connecting',
  live: 'Live',
  late: 'Late: asks every 2 s',
  offline: 'Offline',
} as const;

/** The title, and on small screens the short one. */
function Title({ title, short }: { title: string; short?: string }) {
  if (!short || !title.startsWith(short)) return <>{title}</>;
  return <>{short}<span className="wide-only">{title.slice(short.length)}</span></>;
}

export function Header({ me, showKeys }: { me: Me; showKeys: () => void }) {
  const { link, features } = useStore();
  const pages = pagesOf(me, features);
  const mine = pages.find((page) => page.nav === 'me');
  const path = usePath();
  const bar = useRef<HTMLElement>(null);
  // Where not all pages have room, the one that is shown does.
  useEffect(() => { bar.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }); }, [path, features]);
  return (
    <header className="top">
      <Link to="/" className="brand"><img src="/favicon.svg" alt="" width="20" height="20" /><span>Tiltyard</span></Link>
      <nav ref={bar} aria-label="Pages">
        {pages.filter((page) => page.nav === 'main' || page.nav === 'staff').map((page) => (
          <Link key={page.path} to={page.path} within={page.below} soon={page.load}><Title title={page.title} short={page.short} /></Link>
        ))}
      </nav>
      <span className="spring" />
      <span className={`link ${link}`} title="How this page hears of changes"><i aria-hidden="true" />{LINK_WORDS[link]}</span>
      <button type="button" className="icon-button keys-button" onClick={showKeys} aria-label="Show the keys" title="Keys (?)">?</button>
      {mine && <Link to={mine.path} className="who" soon={mine.load}><Icon name="person" /><span>{me.name}</span></Link>}
    </header>
  );
}
