import { useState } from 'react';
import { call, type Answer } from '../../core/api';
import { When } from '../../core/clock';
import { useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Me, Scope, Token } from '../../core/openapi';
import { isStaff } from '../../core/roles';
import { toast } from '../../core/store';
import { Fresh } from '../../kit/copy';
import { Empty, Trouble } from '../../kit/notice';

const SCOPES: [Scope, string][] = [
  ['read', 'read'], ['instances', 'start, stop and enter machines'], ['flags', 'hand in flags'], ['account', 'change this account'], ['admin', 'staff’s work'],
];

const LIFETIMES: [string, number][] = [['30 days', 30 * 86400], ['90 days', 90 * 86400], ['1 year', 365 * 86400], ['never', 0]];

export function Tokens({ me }: { me: Me }) {
  const { value: tokens, trouble, again } = useLoad(async () => (await call<'listTokens'>('/me/tokens')).items);
  const [fresh, setFresh] = useState<Answer<'createToken'> | null>(null);
  const form = useForm();
  const create = form.submit(async (fields) => {
    const seconds = fields.number('expires');
    setFresh(await call<'createToken'>('/me/tokens', { method: 'POST', body: { name: fields.text('name'), scopes: fields.all('scope'), ...(seconds ? { expires_in_s: seconds } : {}) } }));
    fields.reset();
    again();
  });
  const revoke = async (token: Token): Promise<void> => {
    await call<'revokeToken'>(`/me/tokens/${encodeURIComponent(token.id)}`, { method: 'DELETE' });
    if (fresh?.id === token.id) setFresh(null);
    toast(`${token.name} is revoked. What uses it is signed out.`);
    again();
  };
  return (
    <section aria-labelledby="tokens-title">
      <h2 id="tokens-title">API tokens</h2>
      <p className="muted">For the command line and scripts: set <code>TILTYARD_TOKEN</code>. A token can do what its scopes say, and never more than you.</p>
      {fresh?.token && <Fresh title={<><b>{fresh.name}</b> is made. Copy it now: it is not shown again.</>} text={fresh.token} what="the token" />}
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
                  <td className="act"><button type="button" className="quiet" onClick={() => form.run(() => revoke(token))} aria-label={`Revoke ${token.name}`}>Revoke</button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <form className="line-form" onSubmit={create}>
        <label>Name<input name="name" maxLength={100} required autoComplete="off" placeholder="laptop" /></label>
        <label>Ends after<select name="expires" defaultValue={LIFETIMES[1]?.[1]}>{LIFETIMES.map(([word, seconds]) => <option key={word} value={seconds}>{word}</option>)}</select></label>
        <fieldset className="choices">
          <legend>It may</legend>
          {SCOPES.filter(([scope]) => me.scopes.includes(scope) && (scope !== 'admin' || isStaff(me))).map(([scope, what]) => (
            <label key={scope}><input type="checkbox" name="scope" value={scope} defaultChecked={scope === 'read' || scope === 'instances'} />{what}</label>
          ))}
        </fieldset>
        <button type="submit" disabled={form.busy}>Make a token</button>
      </form>
      <Trouble text={form.trouble || trouble} />
    </section>
  );
}
