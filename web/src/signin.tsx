import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { call, Failure } from './api';
import { Notice } from './parts';
import { go, usePath, useQuery } from './route';
import { dispatch, useStore } from './store';
import type { Me } from './types';

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

/** What the way back from a provider says in the address. */
export const WAYS_BACK: Record<string, string> = {
  'oidc-state': 'This sign-in was begun in another browser, used already, or too long ago. Begin again.',
  'oidc-denied': 'The provider did not let you in.',
  'oidc-unavailable': 'The provider does not answer as it should. Try again in a minute, or sign in another way.',
  'token-invalid': 'The provider’s answer could not be believed. Begin again; if it happens again, tell the operator.',
  'oidc-not-asked': 'The provider let you through without asking who you are. Sign out there first, or ask the staff.',
  'provider-unknown': 'There is no such way of signing in.',
  'credentials-wrong': 'This account is switched off. Ask the staff.',
  forbidden: 'This account was removed by an administrator.',
};

function words(failure: Failure, strategy: Proof['strategy']): string {
  return failure.reason === 'credentials-wrong' ? TROUBLE[strategy] : failure.message;
}

/** Takes the one-time token out of the address bar, so that it stays in no history. */
function takeFragment(): string {
  const token = decodeURIComponent(location.hash.slice(1));
  if (token) history.replaceState(null, '', location.pathname);
  return token;
}

function Frame({ children }: { children: ReactNode }) {
  const { auth } = useStore();
  return (
    <main className="signin" id="main">
      <img src="/favicon.svg" alt="" width="40" height="40" />
      <h1>{auth?.name ?? 'Tiltyard'}</h1>
      {children}
      {auth && <p className="muted version">Version {auth.version}</p>}
    </main>
  );
}

function To({ path, children }: { path: string; children: ReactNode }) {
  return <a href={path} onClick={(event) => { event.preventDefault(); go(path); }}>{children}</a>;
}

/** A form that is sent once at a time and shows what came of it. */
function useSend(): { busy: boolean; trouble: string; send: (work: () => Promise<void>) => void } {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState('');
  const send = (work: () => Promise<void>): void => {
    setBusy(true);
    setTrouble('');
    work().catch((error: unknown) => setTrouble((error as Failure).message)).finally(() => setBusy(false));
  };
  return { busy, trouble, send };
}

const text = (form: HTMLFormElement, name: string): string => String(new FormData(form).get(name) ?? '').trim();

function Register() {
  const { auth } = useStore();
  const { busy, trouble, send } = useSend();
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    send(async () => {
      const body = { name: text(form, 'name'), password: String(new FormData(form).get('password')), email: text(form, 'email') || null, code: text(form, 'code') || null };
      const me = await call<Me>('/auth/register', { method: 'POST', body });
      go('/', true);
      dispatch({ type: 'signed-in', me });
    });
  };
  if (auth?.registration === 'off') return <Frame><Notice tone="plain">Accounts are made by the staff here; ask them for one.</Notice><p className="ways"><To path="/signin">Sign in</To></p></Frame>;
  return (
    <Frame>
      <form onSubmit={submit} aria-label="Make an account">
        <label>Name<input name="name" autoComplete="username" autoCapitalize="none" spellCheck={false} maxLength={64} required autoFocus /></label>
        <label>Password<input type="password" name="password" autoComplete="new-password" required /></label>
        <label>E-mail, if you want to be able to reset the password<input type="email" name="email" autoComplete="email" /></label>
        <label>{auth?.registration === 'invite' ? 'Invitation code' : 'Invitation code, if you have one'}
          <input name="code" autoComplete="off" spellCheck={false} required={auth?.registration === 'invite'} placeholder="xxxxx-xxxxx-xxxxx-xxxxx" /></label>
        <button type="submit" className="primary" disabled={busy}>{busy ? 'Making…' : 'Make the account'}</button>
      </form>
      {trouble && <Notice tone="bad">{trouble}</Notice>}
      <p className="ways"><To path="/signin">I have an account</To></p>
    </Frame>
  );
}

function Forgot() {
  const { busy, trouble, send } = useSend();
  const [sent, setSent] = useState('');
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const email = text(event.currentTarget, 'email');
    send(async () => {
      await call('/auth/reset', { method: 'POST', body: { email } });
      setSent(email);
    });
  };
  return (
    <Frame>
      {sent
        ? <Notice tone="good">If an account has the address {sent}, a letter is on its way to it. Its link works for 30 minutes.</Notice>
        : (
          <form onSubmit={submit} aria-label="Forgot the password">
            <label>Your e-mail address<input type="email" name="email" autoComplete="email" required autoFocus /></label>
            <button type="submit" className="primary" disabled={busy}>Send a link</button>
          </form>
        )}
      {trouble && <Notice tone="bad">{trouble}</Notice>}
      <p className="ways"><To path="/signin">Back to signing in</To></p>
    </Frame>
  );
}

function Reset() {
  const [token] = useState(takeFragment);
  const { busy, trouble, send } = useSend();
  const [done, setDone] = useState(false);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fresh = String(new FormData(event.currentTarget).get('new'));
    send(async () => {
      await call('/auth/password', { method: 'PUT', body: { token, new: fresh } });
      setDone(true);
    });
  };
  return (
    <Frame>
      {done && <Notice tone="good">Your password is changed, and every session has ended.</Notice>}
      {!done && !token && <Notice tone="bad">This address is not complete. Open the link of the letter again.</Notice>}
      {!done && token && (
        <form onSubmit={submit} aria-label="Choose a password">
          <label>New password<input type="password" name="new" autoComplete="new-password" required autoFocus /></label>
          <button type="submit" className="primary" disabled={busy}>Set the password</button>
        </form>
      )}
      {trouble && <Notice tone="bad">{trouble}</Notice>}
      <p className="ways"><To path="/signin">Sign in</To></p>
    </Frame>
  );
}

function TokenForm({ title, label, placeholder, open, busy, onToken }: {
  title: string; label: string; placeholder: string; open: boolean; busy: boolean; onToken: (token: string) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onToken(input.current?.value.trim() ?? '');
  };
  return (
    <details className="more" open={open}>
      <summary>{title}</summary>
      <form onSubmit={submit} aria-label={title}>
        <label>{label}<input ref={input} type="password" name="token" autoComplete="off" placeholder={placeholder} required /></label>
        <button type="submit" disabled={busy}>Sign in with the token</button>
      </form>
    </details>
  );
}

function Ways() {
  const { auth } = useStore();
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState('');
  const [back] = useQuery('trouble');
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  const taken = useRef(false);

  const signIn = async (proof: Proof): Promise<void> => {
    setBusy(true);
    setTrouble('');
    try {
      const me = await call<Me>('/session', { method: 'POST', body: proof });
      go('/', true);
      dispatch({ type: 'signed-in', me });
    } catch (error) {
      setTrouble(words(error as Failure, proof.strategy));
      setBusy(false);
      password.current?.select();
    }
  };

  useEffect(() => {
    // Once, also where React runs effects twice: the link would be used up by its own second try.
    const useFragment = (): void => {
      const fragment = takeFragment();
      if (fragment) void signIn({ strategy: 'link', token: fragment });
    };
    if (!taken.current) {
      taken.current = true;
      useFragment();
    }
    addEventListener('hashchange', useFragment);
    return () => removeEventListener('hashchange', useFragment);
  }, []);

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void signIn({ strategy: 'local', name: name.current?.value.trim() ?? '', password: password.current?.value ?? '' });
  };
  const strategies = auth?.strategies ?? [];
  const providers = auth?.providers ?? [];
  const local = strategies.includes('local');
  const said = trouble || (back && (WAYS_BACK[back] ?? 'Signing in did not work. Begin again.'));
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
          <label>Name<input ref={name} name="name" autoComplete="username" autoCapitalize="none" spellCheck={false} required autoFocus /></label>
          <label>Password<input ref={password} type="password" name="password" autoComplete="current-password" required /></label>
          <button type="submit" className="primary" disabled={busy}>{busy ? 'Signing in…' : 'Sign in'}</button>
        </form>
      )}
      {strategies.includes('address') && (
        <button type="button" className={local ? '' : 'primary'} disabled={busy} onClick={() => void signIn({ strategy: 'address' })}>
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
        <TokenForm title="Use a CTFd access token" label="CTFd token" placeholder="ctfd_…" open={!local} busy={busy} onToken={(token) => void signIn({ strategy: 'ctfd', token })} />
      )}
      {strategies.includes('token') && (
        <TokenForm title="Use an API token" label="Token" placeholder="ty_…" open={false} busy={busy} onToken={(token) => void signIn({ strategy: 'token', token })} />
      )}
      {auth && strategies.length === 0 && <Notice tone="bad">No way of signing in is switched on. Tell the operator.</Notice>}
    </Frame>
  );
}

/** The pages of who is not signed in. */
export const OPEN_PAGES = ['/signin', '/register', '/forgot', '/reset'];

export function SignIn() {
  const path = usePath();
  if (path === '/register') return <Register />;
  if (path === '/forgot') return <Forgot />;
  if (path === '/reset') return <Reset />;
  return <Ways />;
}
