// For staff: how often the API may be called, what each limit is for, and changing it. Admins change, operators look.
import { useEffect, useState, type FormEvent, type ReactNode } from 'react';
import { call, type Failure } from './api';
import { noteFailure } from './live';
import { Empty, Icon, Notice } from './parts';
import { go, usePath, useQuery } from './route';
import { toast } from './store';
import type { List, Me } from './types';

interface Rates {
  burst: number;
  rate: number;
  per_day: number | null;
}

interface Limiter extends Rates {
  name: string;
  about: string;
  key: 'user' | 'team' | 'address' | 'token' | 'name';
  window_s: number;
  changed: boolean;
  standard: Rates;
  routes: string[];
}

interface Limits extends List<Limiter> {
  counted_in: string;
  free: { route: string; why: string }[];
}

const MOST = 10_000_000;
const MOST_A_DAY = 1_000_000_000;

export const isAdmin = (me: Me): boolean => me.roles.includes('admin');

/** Limits and features are two sides of one page. */
export function SettingsHead({ title, count, children }: { title: string; count?: number; children?: ReactNode }) {
  const path = usePath();
  const tab = (to: string, word: string) => (
    <button type="button" aria-pressed={path === to} onClick={() => go(to)}>{word}</button>
  );
  return (
    <div className="section-head">
      <h1 id="settings-title">{title}</h1>
      {count !== undefined && <span className="muted count">{count}</span>}
      <div className="chips" role="group" aria-label="Settings">{tab('/limits', 'Limits')}{tab('/features', 'Features')}</div>
      <span className="spring" />
      {children}
    </div>
  );
}

const WHOSE = { user: 'each user', team: 'each team', address: 'each address', token: 'each token', name: 'each name' };

const grouped = (number: number): string => number.toLocaleString('en').replace(/,/g, '\u202f');

const every = (one: Limiter): string => (one.window_s === 60 ? 'a minute' : one.window_s === 3600 ? 'an hour' : `every ${one.window_s} s`);

function numberOf(form: FormData, name: string): number | null {
  const text = String(form.get(name) ?? '').trim();
  return text === '' ? null : Number(text);
}

function Change({ one, done, close }: { one: Limiter; done: (changed: Limiter) => void; close: () => void }) {
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  const send = async (body: object): Promise<void> => {
    setBusy(true);
    setTrouble('');
    try {
      done(await call<Limiter>('/admin/limits', { method: 'PATCH', body: { name: one.name, ...body } }));
    } catch (error) {
      noteFailure(error);
      setTrouble((error as Failure).message);
    }
    setBusy(false);
  };
  const save = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    void send({ burst: numberOf(form, 'burst') ?? one.burst, rate: numberOf(form, 'rate') ?? one.rate, per_day: numberOf(form, 'per_day') });
  };
  return (
    <form className="line-form setting-form" onSubmit={save} onKeyDown={(event) => { if (event.key === 'Escape') close(); }}>
      <label>At once<input type="number" name="burst" min={1} max={MOST} required defaultValue={one.burst} autoFocus /></label>
      <label>In the long run, {every(one)}<input type="number" name="rate" min={1} max={MOST} required defaultValue={one.rate} /></label>
      <label>A day<input type="number" name="per_day" min={1} max={MOST_A_DAY} defaultValue={one.per_day ?? ''} placeholder="no limit" /></label>
      <button type="submit" disabled={busy}>Set</button>
      {one.changed && <button type="button" className="quiet" disabled={busy} onClick={() => void send({ reset: true })}>Back to {grouped(one.standard.burst)} / {grouped(one.standard.rate)} / {one.standard.per_day ? grouped(one.standard.per_day) : 'no limit'}</button>}
      <button type="button" className="quiet" onClick={close}>Cancel</button>
      {trouble && <Notice tone="bad">{trouble}</Notice>}
    </form>
  );
}

function Row({ one, admin, open, toggle, done }: { one: Limiter; admin: boolean; open: boolean; toggle: () => void; done: (changed: Limiter) => void }) {
  return (
    <>
      <tr className={open ? 'open' : ''}>
        <td>
          <strong>{one.name}</strong>{one.changed && <span className="tag">changed</span>}
          <p className="muted setting-about">{one.about}</p>
        </td>
        <td>{WHOSE[one.key]}</td>
        <td className="number">{grouped(one.burst)}</td>
        <td className="number">{grouped(one.rate)} <span className="muted">{every(one)}</span></td>
        <td className="number">{one.per_day ? grouped(one.per_day) : <span className="muted">no limit</span>}</td>
        <td className="number" title={one.routes.join('\n')}>{one.routes.length}</td>
        <td className="act">
          <button type="button" className="quiet" aria-expanded={open} aria-label={`${admin ? 'Change' : 'Look at'} ${one.name}`} onClick={toggle}>{admin ? 'Change' : 'Routes'}</button>
        </td>
      </tr>
      {open && (
        <tr className="open">
          <td colSpan={7}>
            {admin && <Change one={one} done={done} close={toggle} />}
            {one.routes.length > 0 ? <ul className="setting-routes">{one.routes.map((route) => <li key={route}><code>{route}</code></li>)}</ul> : <p className="muted">No route has it now.</p>}
          </td>
        </tr>
      )}
    </>
  );
}

export function LimitsPage({ me }: { me: Me }) {
  const [limits, setLimits] = useState<Limits | null>(null);
  const [trouble, setTrouble] = useState('');
  const [filter, setFilter] = useQuery('q');
  const [open, setOpen] = useQuery('open');
  const load = async (): Promise<void> => {
    try {
      setLimits(await call<Limits>('/admin/limits'));
      setTrouble('');
    } catch (error) {
      noteFailure(error);
      setTrouble((error as Failure).message);
    }
  };
  useEffect(() => void load(), []);
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = (limits?.items ?? []).filter((one) => {
    const text = `${one.name} ${one.about} ${one.key} ${one.routes.join(' ')}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const done = (changed: Limiter): void => {
    setLimits((before) => before && { ...before, items: before.items.map((one) => (one.name === changed.name ? changed : one)) });
    setOpen('');
    toast(`${changed.name}: ${grouped(changed.burst)} at once, ${grouped(changed.rate)} ${every(changed)}.`);
  };
  return (
    <section aria-labelledby="settings-title">
      <SettingsHead title="Limits" count={limits ? rows.length : undefined}>
        <label className="search"><Icon name="search" /><span className="offscreen">Find</span>
          <input type="search" placeholder="Find a limit or route" value={filter} onChange={(event) => setFilter(event.target.value)} /><kbd>/</kbd>
        </label>
      </SettingsHead>
      {trouble && <Notice tone="bad">{trouble}</Notice>}
      {limits && (
        <>
          <p className="muted above-table">What is over a limit is answered 429, with the time to wait. Counted in {limits.counted_in}. A change counts at once and is kept.</p>
          {limits.counted_in.includes('away') && <Notice tone="bad">Redis is away: each server counts for itself until it is back. Nothing is lost; limits are a little wider meanwhile.</Notice>}
          {rows.length === 0 ? <Empty title="No limit fits">Another word may: names, routes and purposes are looked through.</Empty> : (
            <div className="table-frame">
              <table className="settings">
                <thead><tr><th>Limit</th><th>Counts for</th><th className="number">At once</th><th className="number">In the long run</th><th className="number">A day</th><th className="number">Routes</th><th><span className="offscreen">Action</span></th></tr></thead>
                <tbody>
                  {rows.map((one) => <Row key={one.name} one={one} admin={isAdmin(me)} open={open === one.name} toggle={() => setOpen(open === one.name ? '' : one.name)} done={done} />)}
                </tbody>
              </table>
            </div>
          )}
          <h2 className="apart">Without a limit</h2>
          <dl className="keys free-routes">{limits.free.map((one) => <div key={one.route}><dt><code>{one.route}</code></dt><dd>{one.why}</dd></div>)}</dl>
        </>
      )}
    </section>
  );
}
