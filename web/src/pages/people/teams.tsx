import type { FormEvent } from 'react';
import { call, Failure, listAll } from '../../core/api';
import { When } from '../../core/clock';
import { Fields } from '../../core/form';
import { useLoad } from '../../core/load';
import type { TeamRow } from '../../core/openapi';
import { useQuery } from '../../core/route';
import { Empty, Trouble } from '../../kit/notice';
import { Sure } from '../../kit/sure';
import { useList, type Listed } from './list';

type Act = Listed<TeamRow>['act'];

function TeamDetails({ team, admin, act }: { team: TeamRow; admin: boolean; act: Act }) {
  const path = `/admin/teams/${encodeURIComponent(team.id)}`;
  const { value: roster, trouble, again } = useLoad(() => call<'getTeam'>(path), { key: path });
  const { value: users } = useLoad(() => listAll<'listUsers'>('/admin/users?limit=1000'));
  const change = (work: () => Promise<unknown>): void => act(async () => {
    await work();
    again();
  });
  const add = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fields = new Fields(event.currentTarget);
    const wanted = fields.text('user').toLowerCase();
    const user = users?.find((one) => one.name.toLowerCase() === wanted);
    change(async () => {
      if (!user) throw new Failure(404, 'user-unknown', `There is no user "${wanted}".`);
      await call<'addMember'>(`${path}/members/${encodeURIComponent(user.id)}`, { method: 'PUT' });
    });
    fields.reset();
  };
  const takeOut = (id: string): void => change(() => call<'removeMember'>(`${path}/members/${encodeURIComponent(id)}`, { method: 'DELETE' }));
  const rename = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const name = new Fields(event.currentTarget).text('name');
    change(() => call<'renameTeam'>(path, { method: 'PATCH', body: { name } }));
  };
  return (
    <div className="person">
      <Trouble text={trouble} />
      <ul className="plain-list">
        {(roster?.people ?? []).map((one) => (
          <li key={one.id}>{one.name} <button type="button" className="quiet" aria-label={`Take ${one.name} out of ${team.name}`} onClick={() => takeOut(one.id)}>Take out</button></li>
        ))}
        {roster && roster.people.length === 0 && <li className="muted">Nobody is in it.</li>}
      </ul>
      <form className="line-form" onSubmit={add} aria-label={`Add to ${team.name}`}>
        <label>User<input name="user" list="people-names" required autoComplete="off" /></label>
        <datalist id="people-names">{(users ?? []).map((one) => <option key={one.id} value={one.name} />)}</datalist>
        <button type="submit">Put in</button>
      </form>
      <form className="line-form" aria-label={`Rename ${team.name}`} onSubmit={rename}>
        <label>Name<input name="name" defaultValue={team.name} maxLength={64} required /></label>
        <button type="submit">Rename</button>
        {admin && <Sure label="Delete the team" question={`Delete ${team.name} and stop its machines`} run={() => act(() => call<'deleteTeam'>(path, { method: 'DELETE' }))} />}
      </form>
    </div>
  );
}

export function Teams({ admin }: { admin: boolean }) {
  const { items, trouble, act } = useList(() => listAll<'listTeams'>('/admin/teams'));
  const [open, setOpen] = useQuery('team');
  const create = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fields = new Fields(event.currentTarget);
    act(async () => {
      await call<'createTeam'>('/admin/teams', { method: 'POST', body: { name: fields.text('name') } });
      fields.reset();
    });
  };
  return (
    <>
      <form className="line-form" onSubmit={create} aria-label="Make a team">
        <label>Name<input name="name" maxLength={64} required autoComplete="off" /></label>
        <button type="submit">Make a team</button>
      </form>
      <Trouble text={trouble} />
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
