import { useEffect, useRef, type FormEvent } from 'react';
import { call } from '../../core/api';
import { Fields, useForm } from '../../core/form';
import { usePath, useQuery } from '../../core/route';
import { go } from '../../core/route';
import { dispatch, useStore } from '../../core/store';
import { WAYS_BACK } from '../../core/ways';
import { Notice } from '../../kit/notice';
import { Forgot, Register, Reset } from './forms';
import { Frame, takeFragment, To } from './frame';
import './style.css';

type Proof =
  | { strategy: 'local'; name: string; password: string }
  | { strategy: 'link' | 'token' | 'ctfd'; token: string }
  | { strategy: 'address' };

const TROUBLE: Record<Proof['strategy'], string> = {
  local: 'That name and password do not fit together.',
  link: 'This link is used up or too old. Ask for a new one, or sign in another way.',
  token: 'This token is not valid, or has been revoked.',
  ctfd: 'The CTFd does not know this token. Make a new one in its settings, under Access Tokens.',
  address: 'Your address is not let in here.',
};

function TokenForm({ title, label, placeholder, open, busy, onToken }: {
  title: string; label: string; placeholder: string; open: boolean; busy: boolean; onToken: (token: string) => void;
}) {
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    onToken(new Fields(event.currentTarget).text('token'));
  };
  return (
    <details className="more" open={open}>
      <summary>{title}</summary>
      <form onSubmit={submit} aria-label={title}>
        <label>{label}<input type="password" name="token" autoComplete="off" placeholder={placeholder} required /></label>
        <button type="submit" disabled={busy}>Sign in with the token</button>
      </form>
    </details>
  );
}

function Ways() {
  const { auth } = useStore();
  const [back] = useQuery('trouble');
  const taken = useRef(false);
  const strategy = useRef<Proof['strategy']>('local');
  const form = useForm((failure) => (failure.reason === 'credentials-wrong' ? TROUBLE[strategy.current] : undefined));
  const { busy } = form;

  const prove = async (proof: Proof): Promise<void> => {
    strategy.current = proof.strategy;
    const me = await call<'signIn'>('/session', { method: 'POST', body: proof });
    go('/', true);
    dispatch({ type: 'signed-in', me });
  };
  const signIn = (proof: Proof): void => form.run(() => prove(proof));

  useEffect(() => {
    // Once, also where React runs effects twice: the link would be used up by its own second try.
    const useFragment = (): void => {
      const fragment = takeFragment();
      if (fragment) signIn({ strategy: 'link', token: fragment });
    };
    if (!taken.current) {
      taken.current = true;
      useFragment();
    }
    addEventListener('hashchange', useFragment);
    return () => removeEventListener('hashchange', useFragment);
  }, []);

  const submit = form.submit((fields) => prove({ strategy: 'local', name: fields.text('name'), password: fields.exactly('password') }));
  const strategies = auth?.strategies ?? [];
  const providers = auth?.providers ?? [];
  const local = strategies.includes('local');
  const said = form.trouble || (back && (WAYS_BACK[back] ?? 'Signing in did not work. Begin again.'));
  return (
    <Frame>
      {auth?.needs_setup && (
        <Notice tone="plain">Nobody has an account yet. The server printed a one-time link when it started: open it to become the first admin.</Notice>
      )}
      {said && <Notice tone="bad">{said}</Notice>}
      {providers.map((one) => (
        <a key={one.name} className="button way" href={`/api/v1/auth/oidc/${encodeURIComponent(one.name)}/start`}>Go on with {one.title}</a>
      ))}
      {providers.length > 0 && local && <p className="or" aria-hidden="true">or</p>}
      {local && (
        <form onSubmit={submit} aria-label="Sign in">
          <label>Name<input name="name" autoComplete="username" autoCapitalize="none" spellCheck={false} required autoFocus /></label>
          <label>Password<input type="password" name="password" autoComplete="current-password" required /></label>
          <button type="submit" className="primary" disabled={busy}>{busy ? 'Signing in…' : 'Sign in'}</button>
        </form>
      )}
      {strategies.includes('address') && (
        <button type="button" className={local ? '' : 'primary'} disabled={busy} onClick={() => signIn({ strategy: 'address' })}>
          Go in without an account
        </button>
      )}
      {auth && (auth.registration !== 'off' || auth.reset) && (
        <p className="ways">
          {auth.registration !== 'off' && <To path="/register">Make an account</To>}
          {auth.reset && <To path="/forgot">Forgot the password?</To>}
        </p>
      )}
      {strategies.includes('ctfd') && (
        <TokenForm title="Use a CTFd access token" label="CTFd token" placeholder="ctfd_…" open={!local} busy={busy} onToken={(token) => signIn({ strategy: 'ctfd', token })} />
      )}
      {strategies.includes('token') && (
        <TokenForm title="Use an API token" label="Token" placeholder="ty_…" open={false} busy={busy} onToken={(token) => signIn({ strategy: 'token', token })} />
      )}
      {auth && strategies.length === 0 && <Notice tone="bad">No way of signing in is switched on. Tell the operator.</Notice>}
    </Frame>
  );
}

export default function SignInPage() {
  const path = usePath();
  if (path === '/register') return <Register />;
  if (path === '/forgot') return <Forgot />;
  if (path === '/reset') return <Reset />;
  return <Ways />;
}
