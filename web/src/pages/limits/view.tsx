// For staff: how often the API may be called, what each limit is for, and changing it. Admins change, operators look.
import { call } from '../../core/api';
import { useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Limiter, Me } from '../../core/openapi';
import { isAdmin } from '../../core/roles';
import { useQuery } from '../../core/route';
import { toast } from '../../core/store';
import { Empty, Notice, Trouble } from '../../kit/notice';
import { Search } from '../../kit/search';
import { finder } from '../../kit/text';
import './style.css';

const MOST = 10_000_000;
const MOST_A_DAY = 1_000_000_000;

const WHOSE = { user: 'each user', team: 'each team', address: 'each address', token: 'each token', name: 'each name' };

const grouped = (number: number): string => number.toLocaleString('en').replace(/,/g, '\u202f');

const every = (one: Limiter): string => (one.window_s === 60 ? 'a minute' : one.window_s === 3600 ? 'an hour' : `every ${one.window_s} s`);

function Change({ one, done, close }: { one: Limiter; done: (changed: Limiter) => void; close: () => void }) {
  const form = useForm();
  const send = async (body: object): Promise<void> => done(await call<'changeLimit'>('/admin/limits', { method: 'PATCH', body: { name: one.name, ...body } }));
  const save = form.submit((fields) => send({ burst: fields.number('burst') ?? one.burst, rate: fields.number('rate') ?? one.rate, per_day: fields.number('per_day') }));
  return (
    <form className="line-form setting-form" onSubmit={save} onKeyDown={(event) => { if (event.key === 'Escape') close(); }}>
      <label>At once<input type="number" name="burst" min={1} max={MOST} required defaultValue={one.burst} autoFocus /></label>
      <label>In the long run, {every(one)}<input type="number" name="rate" min={1} max={MOST} required defaultValue={one.rate} /></label>
      <label>A day<input type="number" name="per_day" min={1} max={MOST_A_DAY} defaultValue={one.per_day ?? ''} placeholder="no limit" /></label>
      <button type="submit" disabled={form.busy}>Set</button>
      {one.changed && <button type="button" className="quiet" disabled={form.busy} onClick={() => form.run(() => send({ reset: true }))}>Back to {grouped(one.standard.burst)} / {grouped(one.standard.rate)} / {one.standard.per_day ? grouped(one.standard.per_day) : 'no limit'}</button>}
      <button type="button" className="quiet" onClick={close}>Cancel</button>
      <Trouble text={form.trouble} />
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

export default function LimitsPage({ me }: { me: Me }) {
  const { value: limits, trouble, again } = useLoad(() => call<'listLimits'>('/admin/limits'));
  const [filter, setFilter] = useQuery('q');
  const [open, setOpen] = useQuery('open');
  const fits = finder(filter);
  const rows = (limits?.items ?? []).filter((one) => fits(`${one.name} ${one.about} ${one.key} ${one.routes.join(' ')}`));
  const done = (changed: Limiter): void => {
    again();
    setOpen('');
    toast(`${changed.name}: ${grouped(changed.burst)} at once, ${grouped(changed.rate)} ${every(changed)}.`);
  };
  return (
    <section aria-labelledby="limits-title">
      <div className="section-head">
        <h1 id="limits-title">Limits</h1>
        {limits && <span className="muted count">{rows.length}</span>}
        <span className="spring" />
        <Search value={filter} set={setFilter} placeholder="Limit or route" label="Find a limit or route" />
      </div>
      <Trouble text={trouble} />
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
