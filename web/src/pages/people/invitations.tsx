import { useState, type FormEvent } from 'react';
import { call, type Answer } from '../../core/api';
import { When } from '../../core/clock';
import { Fields } from '../../core/form';
import { ROLES } from '../../core/roles';
import { Fresh } from '../../kit/copy';
import { Empty, Trouble } from '../../kit/notice';
import { useList } from './list';

export function Invitations({ admin }: { admin: boolean }) {
  const { items, trouble, act } = useList(async () => (await call<'listInvitations'>('/admin/invitations')).items);
  const [fresh, setFresh] = useState<Answer<'createInvitation'> | null>(null);
  const create = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fields = new Fields(event.currentTarget);
    const body = { role: fields.text('role'), team: fields.textOrNull('team'), uses: fields.number('uses'), expires_in_s: (fields.number('days') ?? 0) * 86400 };
    act(async () => setFresh(await call<'createInvitation'>('/admin/invitations', { method: 'POST', body })));
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
      {fresh?.code && <Fresh title="Whoever has this code can make an account with it. It is not shown again." text={fresh.code} what="the code" />}
      <Trouble text={trouble} />
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
                  <td className="act"><button type="button" className="quiet" onClick={() => act(() => call<'deleteInvitation'>(`/admin/invitations/${encodeURIComponent(one.id)}`, { method: 'DELETE' }))}>Withdraw</button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
