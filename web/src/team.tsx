import { useEffect, useRef, useState, type FormEvent } from 'react';
import { call, Failure } from './api';
import { noteFailure } from './live';
import { CopyButton, Notice } from './parts';
import { dispatch, toast } from './store';
import type { Invitation, Me, TeamWithPeople } from './types';

async function reload(): Promise<void> {
  dispatch({ type: 'signed-in', me: await call<Me>('/me') });
}

function Join({ me }: { me: Me }) {
  const form = useRef<HTMLFormElement>(null);
  const [trouble, setTrouble] = useState('');
  const join = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setTrouble('');
    try {
      await call('/me/team', { method: 'POST', body: { code: new FormData(form.current ?? undefined).get('code') } });
      await reload();
    } catch (error) {
      setTrouble((error as Failure).message);
    }
  };
  return (
    <>
      <p className={me.team_missing ? '' : 'muted'}>
        {me.team_missing
          ? 'This range is played in teams and you are in none: you can start nothing until you are. Ask a member of your team for its code, or ask the staff.'
          : 'You are in no team. A member of a team can give you its code.'}
      </p>
      <form ref={form} className="line-form" onSubmit={(event) => void join(event)}>
        <label>Team code<input name="code" required autoComplete="off" spellCheck={false} placeholder="xxxxx-xxxxx-xxxxx-xxxxx" /></label>
        <button type="submit" className={me.team_missing ? 'primary' : ''}>Join the team</button>
      </form>
      {trouble && <Notice tone="bad">{trouble}</Notice>}
    </>
  );
}

function Mine({ me, team }: { me: Me; team: { id: string; name: string } }) {
  const [roster, setRoster] = useState<TeamWithPeople | null>(null);
  const [code, setCode] = useState<Invitation | null>(null);
  const [sure, setSure] = useState(false);
  const [trouble, setTrouble] = useState('');
  useEffect(() => {
    call<TeamWithPeople>('/me/team').then(setRoster, (error: unknown) => { noteFailure(error); setTrouble((error as Failure).message); });
  }, [team.id]);
  const act = (work: () => Promise<void>): void => {
    setTrouble('');
    work().catch((error: unknown) => setTrouble((error as Failure).message));
  };
  const invite = async (): Promise<void> => setCode(await call<Invitation>('/me/team/invitation', { method: 'POST' }));
  const leave = async (): Promise<void> => {
    await call('/me/team', { method: 'DELETE' });
    toast(`You have left ${team.name}.`);
    await reload();
  };
  return (
    <>
      <p>{roster ? roster.people.map((one) => (one.id === me.id ? `${one.name} (you)` : one.name)).join(', ') : '…'}</p>
      {code?.code && (
        <div className="fresh" role="status">
          <p>Whoever enters this code joins <b>{team.name}</b>. It works {code.uses_left} times within a week, and replaces the one before.</p>
          <p className="fresh-token"><code>{code.code}</code><CopyButton text={code.code} what="the team code" /></p>
        </div>
      )}
      <div className="line-form">
        <button type="button" onClick={() => act(invite)}>Make a code to join</button>
        {sure
          ? <button type="button" className="danger" onClick={() => act(leave)}>Leave {team.name}: its machines are out of your reach</button>
          : <button type="button" className="quiet" onClick={() => setSure(true)}>Leave the team</button>}
      </div>
      {trouble && <Notice tone="bad">{trouble}</Notice>}
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
