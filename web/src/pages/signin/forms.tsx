// The ways in for who has no password at hand: a new account, a forgotten password, a new one.
import { useState } from 'react';
import { call } from '../../core/api';
import { useForm } from '../../core/form';
import { go } from '../../core/route';
import { dispatch, useStore } from '../../core/store';
import { Notice, Trouble } from '../../kit/notice';
import { Frame, takeFragment, To } from './frame';

export function Register() {
  const { auth } = useStore();
  const form = useForm();
  const [sent, setSent] = useState('');
  const [code, setCode] = useState('');
  const submit = form.submit(async (fields) => {
    const body = { name: fields.text('name'), password: fields.exactly('password'), email: fields.textOrNull('email'), code: fields.textOrNull('code') };
    const made = await call<'register'>('/auth/register', { method: 'POST', body });
    if ('confirm' in made) return setSent(body.email ?? '');
    go('/', true);
    dispatch({ type: 'signed-in', me: made });
  });
  if (auth?.registration === 'off') return <Frame><Notice tone="plain">Accounts are made by the staff here; ask them for one.</Notice><p className="ways"><To path="/signin">Sign in</To></p></Frame>;
  if (sent) return <Frame><Notice tone="good">A letter is on its way to {sent}. Its link makes the account and signs you in; it works for an hour.</Notice><p className="ways"><To path="/signin">Sign in</To></p></Frame>;
  const letter = auth?.registration === 'open' && auth.confirm_mail && !code;
  return (
    <Frame>
      <form onSubmit={submit} aria-label="Make an account">
        <label>Name<input name="name" autoComplete="username" autoCapitalize="none" spellCheck={false} maxLength={64} required autoFocus /></label>
        <label>Password<input type="password" name="password" autoComplete="new-password" required /></label>
        <label>{letter ? 'E-mail, where a letter with a link is sent' : 'E-mail, if you want to be able to reset the password'}
          <input type="email" name="email" autoComplete="email" required={letter} /></label>
        <label>{auth?.registration === 'invite' ? 'Invitation code' : 'Invitation code, if you have one'}
          <input name="code" value={code} onChange={(event) => setCode(event.target.value)} autoComplete="off" spellCheck={false} required={auth?.registration === 'invite'} placeholder="xxxxx-xxxxx-xxxxx-xxxxx" /></label>
        <button type="submit" className="primary" disabled={form.busy}>{form.busy ? 'Making…' : 'Make the account'}</button>
      </form>
      <Trouble text={form.trouble} />
      <p className="ways"><To path="/signin">I have an account</To></p>
    </Frame>
  );
}

export function Forgot() {
  const form = useForm();
  const [sent, setSent] = useState('');
  const submit = form.submit(async (fields) => {
    const email = fields.text('email');
    await call<'askForReset'>('/auth/reset', { method: 'POST', body: { email } });
    setSent(email);
  });
  return (
    <Frame>
      {sent
        ? <Notice tone="good">If an account has the address {sent}, a letter is on its way to it. Its link works for 30 minutes.</Notice>
        : (
          <form onSubmit={submit} aria-label="Forgot the password">
            <label>Your e-mail address<input type="email" name="email" autoComplete="email" required autoFocus /></label>
            <button type="submit" className="primary" disabled={form.busy}>Send a link</button>
          </form>
        )}
      <Trouble text={form.trouble} />
      <p className="ways"><To path="/signin">Back to signing in</To></p>
    </Frame>
  );
}

export function Reset() {
  const [token] = useState(takeFragment);
  const form = useForm();
  const [done, setDone] = useState(false);
  const submit = form.submit(async (fields) => {
    await call<'resetPassword'>('/auth/password', { method: 'PUT', body: { token, new: fields.exactly('new') } });
    setDone(true);
  });
  return (
    <Frame>
      {done && <Notice tone="good">Your password is changed, and every session has ended.</Notice>}
      {!done && !token && <Notice tone="bad">This address is not complete. Open the link of the letter again.</Notice>}
      {!done && token && (
        <form onSubmit={submit} aria-label="Choose a password">
          <label>New password<input type="password" name="new" autoComplete="new-password" required autoFocus /></label>
          <button type="submit" className="primary" disabled={form.busy}>Set the password</button>
        </form>
      )}
      <Trouble text={form.trouble} />
      <p className="ways"><To path="/signin">Sign in</To></p>
    </Frame>
  );
}
