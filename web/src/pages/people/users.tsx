import { useState, type FormEvent } from 'react';
import { call, listAll, type Answer } from '../../core/api';
import { When } from '../../core/clock';
import { Fields } from '../../core/form';
import type { User } from '../../core/openapi';
import { ROLES } from '../../core/roles';
import { useQuery } from '../../core/route';
import { Sessions } from '../../core/sessions';
import { toast } from '../../core/store';
import { Fresh } from '../../kit/copy';
import { Empty, Trouble } from '../../kit/notice';
import { Sure } from '../../kit/sure';
import { finder } from '../../kit/text';
import { useList, type Listed } from './list';

/** A user whose link is known: it is told only once. */
type Shown = Answer<'createUser'> | Answer<'changeUser'>;
type Act = Listed<User>['act'];

function UserDetails({ user, admin, act, onLink }: { user: User; admin: boolean; act: Act; onLink: (user: Shown) => void }) {
  const change = (body: Record<string, unknown>, said: string): void => act(async () => {
    const changed = await call<'changeUser'>(`/admin/users/${encodeURIComponent(user.id)}`, { method: 'PATCH', body });
    if (changed.sign_in_url) onLink(changed);
    toast(said);
  });
  const save = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fields = new Fields(event.currentTarget);
    const body: Record<string, unknown> = { team: fields.textOrNull('team') };
    if (user.kind === 'user') Object.assign(body, { name: fields.text('name'), role: fields.text('role'), email: fields.textOrNull('email') });
    change(body, `${user.name} is changed.`);
  };
  return (
    <div className="person">
      {admin && (
        <form className="line-form" onSubmit={save} aria-label={`Change ${user.name}`}>
          {user.kind === 'user' && <label>Name<input name="name" defaultValue={user.name} maxLength={64} required /></label>}
          {user.kind === 'user' && <label>Role<select name="role" defaultValue={user.role}>{ROLES.map((role) => <option key={role}>{role}</option>)}</select></label>}
          <label>Team<input name="team" defaultValue={user.team?.name ?? ''} placeholder="none" maxLength={64} /></label>
          {user.kind === 'user' && <label>E-mail<input type="email" name="email" defaultValue={user.email ?? ''} placeholder="none" /></label>}
          <button type="submit">Save</button>
        </form>
      )}
      <Sessions path={`/admin/users/${encodeURIComponent(user.id)}/sessions`} />
      {admin && (
        <div className="line-form">
          {user.kind === 'user' && <Sure label="Reset the password" question="Reset it, and end every session" run={() => change({ password: null }, 'The old password works no more.')} />}
          <button type="button" className="quiet" onClick={() => change({ disabled: !user.disabled }, user.disabled ? `${user.name} may sign in again.` : `${user.name} is switched off and signed out.`)}>
            {user.disabled ? 'Switch on' : 'Switch off'}
          </button>
          <Sure label="Delete" question={`Delete ${user.name} and stop the machines`} run={() => act(async () => { await call<'deleteUser'>(`/admin/users/${encodeURIComponent(user.id)}`, { method: 'DELETE' }); toast(`${user.name} is deleted.`); })} />
        </div>
      )}
    </div>
  );
}

export function Users({ admin }: { admin: boolean }) {
  const { items, trouble, act } = useList(() => listAll<'listUsers'>('/admin/users?limit=1000'));
  const [filter, setFilter] = useQuery('q');
  const [open, setOpen] = useQuery('user');
  const [link, setLink] = useState<Shown | null>(null);
  const fits = finder(filter);
  const rows = (items ?? []).filter((one) => fits(`${one.name} ${one.role} ${one.team?.name ?? ''} ${one.email ?? ''} ${one.kind} ${one.id}`));
  const create = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fields = new Fields(event.currentTarget);
    act(async () => {
      setLink(await call<'createUser'>('/admin/users', { method: 'POST', body: { name: fields.text('name'), role: fields.text('role'), team: fields.textOrNull('team') } }));
      fields.reset();
    });
  };
  return (
    <>
      {admin && (
        <form className="line-form" onSubmit={create} aria-label="Make a user">
          <label>Name<input name="name" maxLength={64} required autoComplete="off" /></label>
          <label>Role<select name="role" defaultValue="player">{ROLES.map((role) => <option key={role}>{role}</option>)}</select></label>
          <label>Team<input name="team" maxLength={64} placeholder="none" autoComplete="off" /></label>
          <button type="submit">Make a user</button>
        </form>
      )}
      {link?.sign_in_url && <Fresh title={<>Give this link to <b>{link.name}</b>. It signs in once, within a day, and is not shown again.</>} text={link.sign_in_url} what="the link" />}
      <Trouble text={trouble} />
      <div className="line-form"><label>Look for<input type="search" value={filter} onChange={(event) => setFilter(event.target.value)} placeholder="a name, a role, a team" /></label></div>
      {items && rows.length === 0 && <Empty title="Nobody is like that">{filter ? 'Take a word away.' : 'Make a user above, or invite some.'}</Empty>}
      {rows.length > 0 && (
        <div className="table-frame">
          <table>
            <thead><tr><th>Name</th><th>Role</th><th>Team</th><th>Last signed in</th><th><span className="offscreen">More</span></th></tr></thead>
            <tbody>
              {rows.flatMap((one) => {
                const shown = open === one.id;
                const row = (
                  <tr key={one.id}>
                    <td>{one.name}{one.disabled && <span className="muted"> (switched off)</span>}</td>
                    <td>{one.kind === 'address' ? 'seat' : one.role}</td>
                    <td>{one.team?.name ?? <span className="muted">none</span>}</td>
                    <td>{one.last_sign_in_at ? <When at={one.last_sign_in_at} /> : <span className="muted">never</span>}</td>
                    <td className="act"><button type="button" className="quiet" aria-expanded={shown} aria-label={`${shown ? 'Close' : 'Open'} ${one.name}`} onClick={() => setOpen(shown ? '' : one.id)}>{shown ? 'Close' : 'Open'}</button></td>
                  </tr>
                );
                return shown ? [row, <tr key={`${one.id}+`} className="detail-row"><td colSpan={5}><UserDetails user={one} admin={admin} act={act} onLink={setLink} /></td></tr>] : [row];
              })}
            </tbody>
          </table>
        </div>
      )}
      {admin && (
        <div className="line-form">
          <Sure label="End everybody's sessions" question="Sign everybody out but me" run={() => act(async () => { const { ended } = await call<'endEverybodysSessions'>('/admin/sessions', { method: 'DELETE' }); toast(`${ended} sessions have ended.`); })} />
        </div>
      )}
    </>
  );
}
