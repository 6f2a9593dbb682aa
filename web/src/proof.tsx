import { useEffect, useRef, useState, type FormEvent } from 'react';
import { call, Failure, onProofAsked } from './api';
import { Notice } from './parts';
import { useStore } from './store';
import type { Me } from './types';

/**
 * What would let somebody else stay in an account is asked for once more by who has been signed in for a while. The dialog shows
 * itself when a call needs it; the call goes on after it.
 */
export function ProofDialog() {
  const { auth } = useStore();
  const dialog = useRef<HTMLDialogElement>(null);
  const secret = useRef<HTMLInputElement>(null);
  const settle = useRef<((proved: boolean) => void) | null>(null);
  const [me, setMe] = useState<Me | null>(null);
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);

  useEffect(() => onProofAsked(async () => {
    settle.current?.(false);
    setTrouble('');
    setMe(await call<Me>('/me'));
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
  const prove = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setTrouble('');
    try {
      await call('/me/proof', { method: 'POST', body: { strategy: typed, [typed === 'local' ? 'password' : 'token']: secret.current?.value ?? '' } });
      done(true);
    } catch (error) {
      const failure = error as Failure;
      setTrouble(failure.reason === 'credentials-wrong' ? 'That is not right.' : failure.message);
      secret.current?.select();
    } finally {
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} onClose={() => done(false)} aria-labelledby="proof-title">
      <h2 id="proof-title">Is it still you?</h2>
      <p className="muted">You signed in a while ago. Show it once more, and it goes on.</p>
      {me && typed && (
        <form className="line-form" onSubmit={(event) => void prove(event)}>
          {typed === 'local' && <input type="text" name="username" autoComplete="username" value={me.name} readOnly hidden />}
          <label>
            {typed === 'local' ? 'Your password' : typed === 'ctfd' ? 'Your CTFd access token' : 'The token that you signed in with'}
            <input ref={secret} type="password" autoComplete={typed === 'local' ? 'current-password' : 'off'} required autoFocus />
          </label>
          <button type="submit" className="primary" disabled={busy}>Go on</button>
        </form>
      )}
      {me && ways.includes('oidc') && (auth?.providers ?? []).map((one) => (
        <a key={one.name} className="button way" href={`/api/v1/auth/oidc/${encodeURIComponent(one.name)}/start?again=1&back=/account`}>Sign in again with {one.title}</a>
      ))}
      {me && ways.length === 0 && <Notice tone="plain">This account has no password to ask for. Ask the staff for a new link, and sign in by it.</Notice>}
      {trouble && <Notice tone="bad">{trouble}</Notice>}
      <button type="button" className="quiet" onClick={() => done(false)}>Cancel</button>
    </dialog>
  );
}
