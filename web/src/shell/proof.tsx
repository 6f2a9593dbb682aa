import { useEffect, useRef, useState } from 'react';
import { call, onProofAsked } from '../core/api';
import { useForm } from '../core/form';
import type { Me } from '../core/openapi';
import { useStore } from '../core/store';
import { Notice, Trouble } from '../kit/notice';
import { OWN_PAGE } from './pages';

/**
 * What would let somebody else stay in an account is asked for once more by who has been signed in for a while. The dialog shows
 * itself when a call needs it; the call goes on after it.
 */
export function ProofDialog() {
  const { auth } = useStore();
  const dialog = useRef<HTMLDialogElement>(null);
  const settle = useRef<((proved: boolean) => void) | null>(null);
  const [me, setMe] = useState<Me | null>(null);
  const form = useForm((failure) => (failure.reason === 'credentials-wrong' ? 'That is not right.' : undefined));

  useEffect(() => onProofAsked(async () => {
    settle.current?.(false);
    form.clear();
    setMe(await call<'getMe'>('/me'));
    dialog.current?.showModal();
    return new Promise<boolean>((resolve) => { settle.current = resolve; });
  }), []);
  const done = (proved: boolean): void => {
    settle.current?.(proved);
    settle.current = null;
    dialog.current?.close();
    setMe(null);
  };
  const ways = me?.proof?.ways ?? [];
  const typed = ways.find((way) => way !== 'oidc');
  const prove = form.submit(async (fields) => {
    await call<'proveMe'>('/me/proof', { method: 'POST', body: { strategy: typed, [typed === 'local' ? 'password' : 'token']: fields.exactly('secret') } });
    done(true);
  });
  return (
    <dialog ref={dialog} onClose={() => done(false)} aria-labelledby="proof-title">
      <h2 id="proof-title">Is it still you?</h2>
      <p className="muted">You signed in a while ago. Show it once more, and it goes on.</p>
      {me && typed && (
        <form className="line-form" onSubmit={prove}>
          {typed === 'local' && <input type="text" name="username" autoComplete="username" value={me.name} readOnly hidden />}
          <label>
            {typed === 'local' ? 'Your password' : typed === 'ctfd' ? 'Your CTFd access token' : 'The token that you signed in with'}
            <input name="secret" type="password" autoComplete={typed === 'local' ? 'current-password' : 'off'} required autoFocus />
          </label>
          <button type="submit" className="primary" disabled={form.busy}>Go on</button>
        </form>
      )}
      {me && ways.includes('oidc') && (auth?.providers ?? []).map((one) => (
        <a key={one.name} className="button way" href={`/api/v1/auth/oidc/${encodeURIComponent(one.name)}/start?again=1&back=${OWN_PAGE}`}>Sign in again with {one.title}</a>
      ))}
      {me && ways.length === 0 && <Notice tone="plain">This account has no password to ask for. Ask the staff for a new link, and sign in by it.</Notice>}
      <Trouble text={form.trouble} />
      <button type="button" className="quiet" onClick={() => done(false)}>Cancel</button>
    </dialog>
  );
}
