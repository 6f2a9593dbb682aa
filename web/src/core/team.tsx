import { useState } from 'react';
import { Fresh } from '../kit/copy';
import { Trouble } from '../kit/notice';
import { Sure } from '../kit/sure';
import { call, type Answer } from './api';
import { useForm } from './form';
import { useLoad } from './load';
import type { Me } from './openapi';
import { dispatch, toast } from './store';

async function reload(): Promise<void> {
  dispatch({ type: 'signed-in', me: await call<'getMe'>('/me') });
}

function Join({ me }: { me: Me }) {
  const form = useForm();
  const join = form.submit(async (fields) => {
    await call<'joinTeam'>('/me/team', { method: 'POST', body: { code: fields.text('code') } });
    await reload();
  });
  return (
    <>
      <p className={me.team_missing ? '' : 'muted'}>
        {me.team_missing
          ? 'This range is played in teams and you are in none: you can start nothing until you are. Ask a member of your team for its code, or ask the staff.'
          : 'You are in no team. A member of a team can give you its code.'}
      </p>
      <form className="line-form" onSubmit={join}>
        <label>Team code<input name="code" required autoComplete="off" spellCheck={false} placeholder="xxxxx-xxxxx-xxxxx-xxxxx" /></label>
        <button type="submit" className={me.team_missing ? 'primary' : ''}>Join the team</button>
      </form>
      <Trouble text={form.trouble} />
    </>
  );
}

function Mine({ me, team }: { me: Me; team: { id: string; name: string } }) {
  const { value: roster, trouble } = useLoad(() => call<'myTeam'>('/me/team'), { key: team.id });
  const [code, setCode] = useState<Answer<'inviteToTeam'> | null>(null);
  const form = useForm();
  const invite = async (): Promise<void> => setCode(await call<'inviteToTeam'>('/me/team/invitation', { method: 'POST' }));
  const leave = async (): Promise<void> => {
    await call<'leaveTeam'>('/me/team', { method: 'DELETE' });
    toast(`You have left ${team.name}.`);
    await reload();
  };
  return (
    <>
      <p>{roster ? roster.people.map((one) => (one.id === me.id ? `${one.name} (you)` : one.name)).join(', ') : '…'}</p>
      {code?.code && <Fresh title={<>Whoever enters this code joins <b>{team.name}</b>. It works {code.uses_left} times within a week, and replaces the one before.</>} text={code.code} what="the team code" />}
      <div className="line-form">
        <button type="button" disabled={form.busy} onClick={() => form.run(invite)}>Make a code to join</button>
        <Sure label="Leave the team" question={`Leave ${team.name}: its machines are out of your reach`} run={() => form.run(leave)} />
      </div>
      <Trouble text={form.trouble || trouble} />
    </>
  );
}

/** One's own team: who is in it, a code for others, the way out; or the way in. */
export function Team({ me }: { me: Me }) {
  return (
    <section aria-labelledby="team-title">
      <h2 id="team-title">{me.team ? `Team ${me.team.name}` : 'Team'}</h2>
      {me.team ? <Mine me={me} team={me.team} /> : <Join me={me} />}
    </section>
  );
}
