import { useEffect, useRef, useState, type FormEvent } from 'react';
import { signOut } from './actions';
import { Team } from './team';
import { Sessions } from './sessions';
import { call, Failure } from './api';
import { noteFailure } from './live';
import { CopyButton, Empty, Notice, When } from './parts';
import { useQuery } from './route';
import { WAYS_BACK } from './signin';
import { dispatch, toast } from './store';
import { plural } from './words';
import type { ApiToken, List, Me, Role, Scope } from './types';

function Password({ me }: { me: Me }) {
  const form = useRef<HTMLFormElement>(null);
  const [result, setResult] = useState<{ tone: 'bad' | 'good'; text: string } | null>(null);
  const save = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const data = new FormData(form.current ?? undefined);
    try {
      const old = data.get('old');
      await call('/me/password', { method: 'PUT', body: { ...(old ? { old } : {}), new: data.get('new') } });
      dispatch({ type: 'signed-in', me: { ...me, has_password: true } });
      form.current?.reset();
      setResult({ tone: 'good', text: 'Your password is changed.' });
    } catch (error) {
      const failure = error as Failure;
      setResult({ tone: 'bad', text: failure.reason === 'credentials-wrong' ? 'The old password is not right.' : failure.message });
    }
  };
  return (
    <section aria-labelledby="password-title">
      <h2 id="password-title">{me.has_password ? 'Change the password' : 'Set a password'}</h2>
      <form ref={form} className="line-form" onSubmit={(event) => void save(event)}>
        <input type="text" name="username" autoComplete="username" value={me.name} readOnly hidden />
        {me.has_password && <label>Old password<input type="password" name="old" autoComplete="current-password" required /></label>}
        <label>New password<input type="password" name="new" autoComplete="new-password" required /></label>
        <button type="submit">{me.has_password ? 'Change' : 'Set'}</button>
      </form>
      {result && <Notice tone={result.tone}>{result.text}</Notice>}
    </section>
  );
}

/** Where a letter with a link for a new password can be sent to. */
function Email({ me }: { me: Me }) {
  const form = useRef<HTMLFormElement>(null);
  const [result, setResult] = useState<{ tone: 'bad' | 'good'; text: string } | null>(null);
  const save = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const data = new FormData(form.current ?? undefined);
    try {
      const email = String(data.get('email') ?? '').trim();
      const fresh = await call<Me>('/me', { method: 'PATCH', body: { email: email || null, ...(me.has_password ? { password: data.get('password') } : {}) } });
      dispatch({ type: 'signed-in', me: fresh });
      setResult({ tone: 'good', text: email ? `Letters go to ${email}.` : 'No address is kept.' });
    } catch (error) {
      const failure = error as Failure;
      setResult({ tone: 'bad', text: failure.reason === 'credentials-wrong' ? 'The password is not right.' : failure.message });
    }
  };
  return (
    <section aria-labelledby="email-title">
      <h2 id="email-title">E-mail</h2>
      <form ref={form} className="line-form" onSubmit={(event) => void save(event)}>
        <label>Address<input type="email" name="email" autoComplete="email" defaultValue={me.email ?? ''} placeholder="none" /></label>
        {me.has_password && <label>Your password<input type="password" name="password" autoComplete="current-password" required /></label>}
        <button type="submit">Save the address</button>
      </form>
      {result && <Notice tone={result.tone}>{result.text}</Notice>}
    </section>
  );
}

const SCOPES: [Scope, string][] = [
  ['read', 'read'], ['instances', 'start, stop and enter machines'], ['flags', 'hand in flags'], ['account', 'change this account'], ['admin', 'staff’s work'],
];

const LIFETIMES: [string, number][] = [['30 days', 30 * 86400], ['90 days', 90 * 86400], ['1 year', 365 * 86400], ['never', 0]];

function Tokens({ me }: { me: Me }) {
  const [tokens, setTokens] = useState<ApiToken[] | null>(null);
  const [fresh, setFresh] = useState<ApiToken | null>(null);
  const [trouble, setTrouble] = useState('');
  const form = useRef<HTMLFormElement>(null);
  const load = async (): Promise<void> => {
    try {
      setTokens((await call<List<ApiToken>>('/me/tokens')).items);
    } catch (error) {
      noteFailure(error);
      setTrouble((error as Failure).message);
    }
  };
  useEffect(() => void load(), []);
  const create = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setTrouble('');
    const data = new FormData(form.current ?? undefined);
    const seconds = Number(data.get('expires'));
    try {
      setFresh(await call<ApiToken>('/me/tokens', { method: 'POST', body: { name: data.get('name'), scopes: data.getAll('scope'), ...(seconds ? { expires_in_s: seconds } : {}) } }));
      form.current?.reset();
      await load();
    } catch (error) {
      setTrouble((error as Failure).message);
    }
  };
  const revoke = async (token: ApiToken): Promise<void> => {
    try {
      await call(`/me/tokens/${encodeURIComponent(token.id)}`, { method: 'DELETE' });
      if (fresh?.id === token.id) setFresh(null);
      toast(`${token.name} is revoked. What uses it is signed out.`);
      await load();
    } catch (error) {
      setTrouble((error as Failure).message);
    }
  };
  return (
    <section aria-labelledby="tokens-title">
      <h2 id="tokens-title">API tokens</h2>
      <p className="muted">For the command line and scripts: set <code>TILTYARD_TOKEN</code>. A token can do what its scopes say, and never more than you.</p>
      {fresh?.token && (
        <div className="fresh" role="status">
          <p><b>{fresh.name}</b> is made. Copy it now: it is not shown again.</p>
          <p className="fresh-token"><code>{fresh.token}</code><CopyButton text={fresh.token} what="the token" /></p>
        </div>
      )}
      {tokens && tokens.length === 0 && <Empty title="No tokens yet">Name one after where it will be used, such as <i>laptop</i>, and make it.</Empty>}
      {tokens && tokens.length > 0 && (
        <div className="table-frame">
          <table>
            <thead><tr><th>Name</th><th>May</th><th>Made</th><th>Last used</th><th>Ends</th><th><span className="offscreen">Revoke</span></th></tr></thead>
            <tbody>
              {tokens.map((token) => (
                <tr key={token.id}>
                  <td>{token.name}</td>
                  <td>{token.scopes.length === SCOPES.length ? 'everything' : token.scopes.join(', ')}</td>
                  <td><When at={token.created_at} /></td>
                  <td>{token.last_used_at ? <When at={token.last_used_at} /> : 'never'}</td>
                  <td>{token.expires_at ? <When at={token.expires_at} /> : 'never'}</td>
                  <td className="act"><button type="button" className="quiet" onClick={() => void revoke(token)} aria-label={`Revoke ${token.name}`}>Revoke</button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <form ref={form} className="line-form" onSubmit={(event) => void create(event)}>
        <label>Name<input name="name" maxLength={100} required autoComplete="off" placeholder="laptop" /></label>
        <label>Ends after<select name="expires" defaultValue={LIFETIMES[1]?.[1]}>{LIFETIMES.map(([word, seconds]) => <option key={word} value={seconds}>{word}</option>)}</select></label>
        <fieldset className="choices">
          <legend>It may</legend>
          {SCOPES.filter(([scope]) => me.scopes.includes(scope) && (scope !== 'admin' || me.roles.includes('operator'))).map(([scope, what]) => (
            <label key={scope}><input type="checkbox" name="scope" value={scope} defaultChecked={scope === 'read' || scope === 'instances'} />{what}</label>
          ))}
        </fieldset>
        <button type="submit">Make a token</button>
      </form>
      {trouble && <Notice tone="bad">{trouble}</Notice>}
    </section>
  );
}

/** Each role can do what those below it can; the highest says it all. */
function highestRole(me: Me): Role {
  return (['admin', 'operator', 'author'] as const).find((role) => me.roles.includes(role)) ?? 'player';
}

export function Account({ me }: { me: Me }) {
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
      {me.kind !== 'address' && <Tokens me={me} />}
    </div>
  );
}
