// The flag farm: /farm (live), /farm/flags, /farm/game (teams and flag ids), /farm/config. Loaded on demand.
import { useState } from 'react';
import { call } from './api';
import { AttackPage } from './farm_attack';
import { ConfigPage } from './farm_config';
import { FarmOff } from './farm_first';
import { FlagsPage } from './farm_flags';
import { FarmLive } from './farm_live';
import { PasteDialog } from './farm_paste';
import type { FarmStats } from './farm_types';
import { isStaff } from './home';
import { Notice } from './parts';
import { useRegular } from './regular';
import { go, Link, usePath } from './route';
import type { Me } from './types';

const PAGES: [string, string, boolean][] = [
  ['/farm', 'Live', false], ['/farm/flags', 'Flags', false], ['/farm/game', 'Teams and flag ids', false], ['/farm/config', 'Configuration', true],
];

export default function FarmPage({ me }: { me: Me }) {
  const path = usePath();
  const [pasting, setPasting] = useState(false);
  const { value: stats, trouble, reason, again } = useRegular(() => call<FarmStats>('/farm/stats'), 1000, 'farm-stats', 'farm');
  if (reason === 'farm-off') return <FarmOff />;
  return (
    <section className="farm" aria-labelledby="farm-title">
      <div className="section-head">
        <h1 id="farm-title">Farm</h1>
        <nav className="subpages" aria-label="Pages of the farm">
          {PAGES.filter(([, , staff]) => !staff || isStaff(me)).map(([to, word]) => <Link key={to} to={to}>{word}</Link>)}
        </nav>
        <span className="spring" />
        <button type="button" onClick={() => setPasting(true)} title="Key: p" data-key="p">Paste flags</button>
      </div>
      {trouble && <Notice tone="bad">{trouble}</Notice>}
      {path === '/farm' && stats && <FarmLive stats={stats} />}
      {path === '/farm/flags' && <FlagsPage stats={stats} />}
      {path === '/farm/game' && <AttackPage />}
      {path === '/farm/config' && isStaff(me) && <ConfigPage />}
      <PasteDialog shown={pasting} hide={() => setPasting(false)} pasted={() => { again(); if (path !== '/farm/flags') go('/farm/flags'); }} />
    </section>
  );
}
