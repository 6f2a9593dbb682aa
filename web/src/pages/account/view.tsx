import { useState } from 'react';
import { signOut } from '../../core/actions';
import { call } from '../../core/api';
import { useForm } from '../../core/form';
import type { Me } from '../../core/openapi';
import { highestRole } from '../../core/roles';
import { useQuery } from '../../core/route';
import { Sessions } from '../../core/sessions';
import { dispatch } from '../../core/store';
import { Team } from '../../core/team';
import { WAYS_BACK } from '../../core/ways';
import { Notice, Trouble } from '../../kit/notice';
import { plural } from '../../kit/text';
import { Keys } from './keys';
import { Tokens } from './tokens';

function Password({ me }: { me: Me }) {
  const form = useForm((failure) => (failure.reason === 'credentials-wrong' ? 'The old password is not right.' : undefined));
  const [done, setDone] = useState('');
  const save = form.submit(async (fields) => {
    setDone('');
    await call<'setPassword'>('/me/password', { method: 'PUT', body: { ...(me.has_password ? { old: fields.exactly('old') } : {}), new: fields.exactly('new') } });
    dispatch({ type: 'signed-in', me: { ...me, has_password: true } });
    fields.reset();
    setDone('Your password is changed.');
  });
  return (
    <section aria-labelledby="password-title">
      <h2 id="password-title">{me.has_password ? 'Change the password' : 'Set a password'}</h2>
      <form className="line-form" onSubmit={save}>
        <input type="text" name="username" autoComplete="username" value={me.name} readOnly hidden />
        {me.has_password && <label>Old password<input type="password" name="old" autoComplete="current-password" required /></label>}
        <label>New password<input type="password" name="new" autoComplete="new-password" required /></label>
        <button type="submit" disabled={form.busy}>{me.has_password ? 'Change' : 'Set'}</button>
      </form>
      {done && <Notice tone="good">{done}</Notice>}
      <Trouble text={form.trouble} />
    </section>
  );
}

/** Where a letter with a link for a new password can be sent to. */
function Email({ me }: { me: Me }) {
  const form = useForm((failure) => (failure.reason === 'credentials-wrong' ? 'The password is not right.' : undefined));
  const [done, setDone] = useState('');
  const save = form.submit(async (fields) => {
    setDone('');
    const email = fields.textOrNull('email');
    dispatch({ type: 'signed-in', me: await call<'changeMe'>('/me', { method: 'PATCH', body: { email, ...(me.has_password ? { password: fields.exactly('password') } : {}) } }) });
    setDone(email ? `Letters go to ${email}.` : 'No address is kept.');
  });
  return (
    <section aria-labelledby="email-title">
      <h2 id="email-title">E-mail</h2>
      <form className="line-form" onSubmit={save}>
        <label>Address<input type="email" name="email" autoComplete="email" defaultValue={me.email ?? ''} placeholder="none" /></label>
        {me.has_password && <label>Your password<input type="password" name="password" autoComplete="current-password" required /></label>}
        <button type="submit" disabled={form.busy}>Save the address</button>
      </form>
      {done && <Notice tone="good">{done}</Notice>}
      <Trouble text={form.trouble} />
    </section>
  );
}

export default function AccountPage({ me }: { me: Me }) {
  const [back] = useQuery('trouble');
  const limit = (count: number): string => (count > 0 ? plural(count, 'machine') : 'no limit');
  return (
    <div className="narrow">
      <section aria-labelledby="account-title">
        <div className="section-head">
          <h1 id="account-title">{me.name}</h1>
          <span className="spring" />
          <button type="button" onClick={() => void signOut()}>Sign out</button>
        </div>
        {back && <Notice tone="bad">{WAYS_BACK[back] ?? 'Signing in again did not work.'}</Notice>}
        <dl className="facts">
          <div><dt>Role</dt><dd>{highestRole(me)}</dd></div>
          <div><dt>Team</dt><dd>{me.team?.name ?? 'none'}</dd></div>
          <div><dt>Signed in by</dt><dd>{me.strategy}</dd></div>
          <div><dt>At once</dt><dd>{limit(me.limits.instances)}{me.limits.running > 0 && me.limits.running !== me.limits.instances && `, ${me.limits.running} running`}</dd></div>
        </dl>
      </section>
      {me.kind !== 'service' && <Team me={me} />}
      {me.kind === 'user' && <Password me={me} />}
      {me.kind === 'user' && <Email me={me} />}
      {me.kind !== 'service' && <Sessions path="/me/sessions" mine />}
      {me.kind === 'user' && <Keys />}
      {me.kind !== 'address' && <Tokens me={me} />}
    </div>
  );
}
