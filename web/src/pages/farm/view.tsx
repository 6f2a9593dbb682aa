// The flag farm: /farm (live), /farm/flags, /farm/game (teams and flag ids), /farm/config.
import { useState } from 'react';
import { call } from '../../core/api';
import { useLoad } from '../../core/load';
import type { Me } from '../../core/openapi';
import { isStaff } from '../../core/roles';
import { go, Link, usePath } from '../../core/route';
import { Trouble } from '../../kit/notice';
import { AttackPage } from './attack';
import { ConfigPage } from './config';
import { FarmOff } from './first';
import { FlagsPage } from './flags';
import { FarmLive } from './live';
import { PasteDialog } from './paste';
import './style.css';

const PAGES: [string, string, boolean][] = [
  ['/farm', 'Live', false], ['/farm/flags', 'Flags', false], ['/farm/game', 'Teams and flag ids', false], ['/farm/config', 'Configuration', true],
];

export default function FarmPage({ me }: { me: Me }) {
  const path = usePath();
  const [pasting, setPasting] = useState(false);
  const { value: stats, trouble, reason, again } = useLoad(() => call<'getFarmStats'>('/farm/stats'), { every: 1000, room: 'farm' });
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
      <Trouble text={trouble} />
      {path === '/farm' && stats && <FarmLive stats={stats} />}
      {path === '/farm/flags' && <FlagsPage stats={stats} />}
      {path === '/farm/game' && <AttackPage />}
      {path === '/farm/config' && isStaff(me) && <ConfigPage />}
      <PasteDialog shown={pasting} hide={() => setPasting(false)} pasted={() => { again(); if (path !== '/farm/flags') go('/farm/flags'); }} />
    </section>
  );
}
