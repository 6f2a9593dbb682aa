import { call } from '../../core/api';
import { useForm } from '../../core/form';
import type { Me } from '../../core/openapi';
import { endedOnes, liveOnes } from '../../core/state';
import { dispatch, toast, useStore } from '../../core/store';
import { Team } from '../../core/team';
import { Empty, Trouble } from '../../kit/notice';
import { useState } from 'react';
import { EndedCard, MachineCard } from './card';
import { Catalogue } from './catalogue';
import { useMachineKeys } from './keys';
import './style.css';

/** After a one-time link there is no password yet, and the link works only once. */
function PasswordOffer({ me }: { me: Me }) {
  const [later, setLater] = useState(false);
  const form = useForm();
  if (later || me.has_password || me.kind !== 'user') return null;
  const save = form.submit(async (fields) => {
    await call<'setPassword'>('/me/password', { method: 'PUT', body: { new: fields.exactly('new-password') } });
    dispatch({ type: 'signed-in', me: { ...me, has_password: true } });
    toast(`Password set. Next time sign in as ${me.name}.`);
  });
  return (
    <section className="offer" aria-labelledby="offer-title">
      <div>
        <h2 id="offer-title">Set a password to come back</h2>
        <p className="muted">The link that signed you in as <b>{me.name}</b> worked once and is used up.</p>
      </div>
      <form onSubmit={save}>
        <input type="text" name="username" autoComplete="username" value={me.name} readOnly hidden />
        <input type="password" name="new-password" autoComplete="new-password" required aria-label="New password" placeholder="New password" />
        <button className="primary" type="submit" disabled={form.busy}>Set password</button>
        <button className="quiet" type="button" onClick={() => setLater(true)}>Later</button>
      </form>
      <Trouble text={form.trouble} />
    </section>
  );
}

function Machines({ me }: { me: Me }) {
  const state = useStore();
  const live = liveOnes(state);
  const ended = endedOnes(state, 4);
  const failed = ended.filter((one) => one.state === 'failed');
  const quiet = ended.filter((one) => one.state !== 'failed');
  const limit = me.limits.instances;
  return (
    <section aria-labelledby="machines-title">
      <div className="section-head">
        <h2 id="machines-title">Your machines</h2>
        {live.length > 0 && <span className="muted count">{limit > 0 ? `${live.length} of ${limit}` : live.length}</span>}
      </div>
      {live.length + failed.length === 0 && (
        <Empty title="Nothing is running">
          Choose something below and press <b>Start</b>. You get a machine of your own, with its address here, and it is removed by itself when its time is over.
        </Empty>
      )}
      {live.length + failed.length > 0 && (
        <div className="cards">
          {live.map((one) => <MachineCard key={one.id} instance={one} />)}
          {failed.map((one) => <EndedCard key={one.id} instance={one} />)}
        </div>
      )}
      {quiet.length > 0 && <div className="ended-list">{quiet.map((one) => <EndedCard key={one.id} instance={one} />)}</div>}
    </section>
  );
}

export default function MachinesPage({ me }: { me: Me }) {
  useMachineKeys();
  // Who needs a team and has none can start nothing: the way into one is what there is to see.
  if (me.team_missing) return <div className="narrow"><Team me={me} /></div>;
  return (
    <>
      <PasswordOffer me={me} />
      <Machines me={me} />
      <Catalogue me={me} />
    </>
  );
}
