// For staff: users, teams and invitations.
import { useEffect, useState, type FormEvent, type ReactNode } from 'react';
import { call, Failure, listAll } from './api';
import { noteFailure } from './live';
import { CopyButton, Empty, Notice, When } from './parts';
import { useQuery } from './route';
import { Sessions } from './sessions';
import { toast } from './store';
import type { Invitation, List, Me, Role, TeamRow, TeamWithPeople, User } from './types';

const ROLES: Role[] = ['player', 'author', 'operator', 'admin'];
const VIEWS = [['users', 'Users'], ['teams', 'Teams'], ['invitations', 'Invitations']] as const;

/** A list that is loaded at once and again after each change; failures are shown, not thrown. */
function useList<T>(load: () => Promise<T[]>): { items: T[] | null; trouble: string; act: (work: () => Promise<void>) => void } {
  const [items, setItems] = useState<T[] | null>(null);
  const [trouble, setTrouble] = useState('');
  const refresh = async (): Promise<void> => {
    try {
      setItems(await load());
    } catch (error) {
      noteFailure(error);
      setTrouble((error as Failure).message);
    }
  };
  useEffect(() => void refresh(), []);
  const act = (work: () => Promise<void>): void => {
    setTrouble('');
    work().then(refresh).catch((error: unknown) => setTrouble((error as Failure).message));
  };
  return { items, trouble, act };
}

const field = (event: FormEvent<HTMLFormElement>, name: string): string => String(new FormData(event.currentTarget).get(name) ?? '').trim();

function Shown({ title, text, children }: { title: ReactNode; text: string; children?: ReactNode }) {
  return (
    <div className="fresh" role="status">
      <p>{title}</p>
      <p className="fresh-token"><code>{text}</code><CopyButton text={text} what="it" /></p>
      {children}
    </div>
  );
}

/** Asks once more, in the button itself, before it destroys. */
function Sure({ label, question, run }: { label: string; question: string; run: () => void }) {
  const [asked, setAsked] = useState(false);
  return asked
    ? <button type="button" className="danger" onClick={() => { setAsked(false); run(); }} onBlur={() => setAsked(false)}>{question}</button>
    : <button type="button" className="quiet" onClick={() => setAsked(true)}>{label}</button>;
}

function UserDetails({ user, admin, act, onLink }: { user: User; admin: boolean; act: (work: () => Promise<void>) => void; onLink: (user: User) => void }) {
  const change = (body: Record<string, unknown>, said: string): void => act(async () => {
    const changed = await call<User>(`/admin/users/${encodeURIComponent(user.id)}`, { method: 'PATCH', body });
    if (changed.sign_in_url) onLink(changed);
    toast(said);
  });
  const save = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const body: Record<string, unknown> = { team: field(event, 'team') || null };
    if (user.kind === 'user') Object.assign(body, { name: field(event, 'name'), role: field(event, 'role'), email: field(event, 'email') || null });
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
          <Sure label="Delete" question={`Delete ${user.name} and stop the machines`} run={() => act(async () => { await call(`/admin/users/${encodeURIComponent(user.id)}`, { method: 'DELETE' }); toast(`${user.name} is deleted.`); })} />
        </div>
      )}
    </div>
  );
}

function Users({ admin }: { admin: boolean }) {
  const { items, trouble, act } = useList(() => listAll<User>('/admin/users?limit=1000'));
  const [filter, setFilter] = useQuery('q');
  const [open, setOpen] = useQuery('user');
  const [link, setLink] = useState<User | null>(null);
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = (items ?? []).filter((one) => {
    const text = `${one.name} ${one.role} ${one.team?.name ?? ''} ${one.email ?? ''} ${one.kind} ${one.id}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const create = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const body = { name: field(event, 'name'), role: field(event, 'role'), team: field(event, 'team') || null };
    act(async () => {
      setLink(await call<User>('/admin/users', { method: 'POST', body }));
      form.reset();
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
      {link?.sign_in_url && <Shown title={<>Give this link to <b>{link.name}</b>. It signs in once, within a day, and is not shown again.</>} text={link.sign_in_url} />}
      {trouble && <Notice tone="bad">{trouble}</Notice>}
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
          <Sure label="End everybody's sessions" question="Sign everybody out but me" run={() => act(async () => { const { ended } = await call<{ ended: number }>('/admin/sessions', { method: 'DELETE' }); toast(`${ended} sessions have ended.`); })} />
        </div>
      )}
    </>
  );
}

function TeamDetails({ team, admin, act }: { team: TeamRow; admin: boolean; act: (work: () => Promise<void>) => void }) {
  const [roster, setRoster] = useState<TeamWithPeople | null>(null);
  const [users, setUsers] = useState<User[]>([]);
  const path = `/admin/teams/${encodeURIComponent(team.id)}`;
  const load = async (): Promise<void> => setRoster(await call<TeamWithPeople>(path));
  useEffect(() => { act(load); void listAll<User>('/admin/users?limit=1000').then(setUsers, noteFailure); }, [team.id]);
  const change = (method: string, where: string, body?: unknown): void => act(async () => { await call(path + where, { method, body }); if (method !== 'DELETE' || where) await load(); });
  const add = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const wanted = field(event, 'user').toLowerCase();
    const user = users.find((one) => one.name.toLowerCase() === wanted);
    act(async () => {
      if (!user) throw new Failure(404, 'user-unknown', `There is no user "${wanted}".`);
      await call(`${path}/members/${encodeURIComponent(user.id)}`, { method: 'PUT' });
      await load();
    });
    event.currentTarget.reset();
  };
  return (
    <div className="person">
      <ul className="plain-list">
        {(roster?.people ?? []).map((one) => (
          <li key={one.id}>{one.name} <button type="button" className="quiet" aria-label={`Take ${one.name} out of ${team.name}`} onClick={() => change('DELETE', `/members/${encodeURIComponent(one.id)}`)}>Take out</button></li>
        ))}
        {roster && roster.people.length === 0 && <li className="muted">Nobody is in it.</li>}
      </ul>
      <form className="line-form" onSubmit={add} aria-label={`Add to ${team.name}`}>
        <label>User<input name="user" list="people-names" required autoComplete="off" /></label>
        <datalist id="people-names">{users.map((one) => <option key={one.id} value={one.name} />)}</datalist>
        <button type="submit">Put in</button>
      </form>
      <form className="line-form" aria-label={`Rename ${team.name}`} onSubmit={(event) => { event.preventDefault(); change('PATCH', '', { name: field(event, 'name') }); }}>
        <label>Name<input name="name" defaultValue={team.name} maxLength={64} required /></label>
        <button type="submit">Rename</button>
        {admin && <Sure label="Delete the team" question={`Delete ${team.name} and stop its machines`} run={() => change('DELETE', '')} />}
      </form>
    </div>
  );
}

function Teams({ admin }: { admin: boolean }) {
  const { items, trouble, act } = useList(() => listAll<TeamRow>('/admin/teams'));
  const [open, setOpen] = useQuery('team');
  const create = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const name = field(event, 'name');
    act(async () => { await call('/admin/teams', { method: 'POST', body: { name } }); form.reset(); });
  };
  return (
    <>
      <form className="line-form" onSubmit={create} aria-label="Make a team">
        <label>Name<input name="name" maxLength={64} required autoComplete="off" /></label>
        <button type="submit">Make a team</button>
      </form>
      {trouble && <Notice tone="bad">{trouble}</Notice>}
      {items && items.length === 0 && <Empty title="No teams yet">As soon as somebody is in a team, machines belong to teams, and who has none is told to join one.</Empty>}
      {items && items.length > 0 && (
        <div className="table-frame">
          <table>
            <thead><tr><th>Name</th><th className="number">Members</th><th>Made</th><th><span className="offscreen">More</span></th></tr></thead>
            <tbody>
              {items.flatMap((one) => {
                const shown = open === one.id;
                const row = (
                  <tr key={one.id}>
                    <td>{one.name}</td><td className="number">{one.members}</td><td><When at={one.created_at} /></td>
                    <td className="act"><button type="button" className="quiet" aria-expanded={shown} aria-label={`${shown ? 'Close' : 'Open'} ${one.name}`} onClick={() => setOpen(shown ? '' : one.id)}>{shown ? 'Close' : 'Open'}</button></td>
                  </tr>
                );
                return shown ? [row, <tr key={`${one.id}+`} className="detail-row"><td colSpan={4}><TeamDetails team={one} admin={admin} act={act} /></td></tr>] : [row];
              })}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Invitations({ admin }: { admin: boolean }) {
  const { items, trouble, act } = useList(async () => (await call<List<Invitation>>('/admin/invitations')).items);
  const [fresh, setFresh] = useState<Invitation | null>(null);
  const create = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const body = { role: field(event, 'role'), team: field(event, 'team') || null, uses: Number(field(event, 'uses')), expires_in_s: Number(field(event, 'days')) * 86400 };
    act(async () => setFresh(await call<Invitation>('/admin/invitations', { method: 'POST', body })));
  };
  return (
    <>
      <form className="line-form" onSubmit={create} aria-label="Invite">
        <label>Role<select name="role" defaultValue="player">{ROLES.slice(0, admin ? 4 : 2).map((role) => <option key={role}>{role}</option>)}</select></label>
        <label>Team<input name="team" maxLength={64} placeholder="none" autoComplete="off" /></label>
        <label>Uses<input name="uses" type="number" min={1} max={10000} defaultValue={1} required /></label>
        <label>Days<input name="days" type="number" min={1} max={366} defaultValue={7} required /></label>
        <button type="submit">Invite</button>
      </form>
      {fresh?.code && <Shown title="Whoever has this code can make an account with it. It is not shown again." text={fresh.code} />}
      {trouble && <Notice tone="bad">{trouble}</Notice>}
      {items && items.length === 0 && <Empty title="No invitation is open">A code lets people make their accounts themselves.</Empty>}
      {items && items.length > 0 && (
        <div className="table-frame">
          <table>
            <thead><tr><th>Role</th><th>Team</th><th className="number">Uses left</th><th>Made</th><th>Ends</th><th><span className="offscreen">Withdraw</span></th></tr></thead>
            <tbody>
              {items.map((one) => (
                <tr key={one.id}>
                  <td>{one.role}</td><td>{one.team?.name ?? <span className="muted">none</span>}</td><td className="number">{one.uses_left}</td>
                  <td><When at={one.created_at} /></td><td><When at={one.expires_at} /></td>
                  <td className="act"><button type="button" className="quiet" onClick={() => act(async () => { await call(`/admin/invitations/${encodeURIComponent(one.id)}`, { method: 'DELETE' }); })}>Withdraw</button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

export function People({ me }: { me: Me }) {
  const [view, setView] = useQuery('view', 'users');
  const admin = me.roles.includes('admin');
  return (
    <section aria-labelledby="people-title">
      <div className="section-head">
        <h1 id="people-title">People</h1>
        <span className="spring" />
        <div className="views" role="group" aria-label="What to show">
          {VIEWS.map(([key, title]) => <button key={key} type="button" aria-pressed={view === key} onClick={() => setView(key)}>{title}</button>)}
        </div>
      </div>
      {view === 'teams' ? <Teams admin={admin} /> : view === 'invitations' ? <Invitations admin={admin} /> : <Users admin={admin} />}
    </section>
  );
}
