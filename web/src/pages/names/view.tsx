// Names of one's own: asked for, proved, led elsewhere, given back.
import { useRef } from 'react';
import { call } from '../../core/api';
import { useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Instance, NameOffers, OwnName } from '../../core/openapi';
import { useQuery } from '../../core/route';
import { isLive } from '../../core/state';
import { say, toast, useStore } from '../../core/store';
import { CopyButton } from '../../kit/copy';
import { Mark } from '../../kit/mark';
import { Empty, Trouble } from '../../kit/notice';
import { Sure } from '../../kit/sure';
import { sentence } from '../../kit/text';
import { checkLook, nameLook } from './words';
import './style.css';

/** While something is on its way people wait for it. */
const SOON_MS = 3000;

const path = (name: OwnName): string => `/names/${encodeURIComponent(name.id)}`;

function Where({ instances, chosen, endpoint, first }: { instances: Instance[]; chosen: string; endpoint?: string; first?: boolean }) {
  return (
    <>
      <label>Machine
        <select name="instance" required autoFocus={first} defaultValue={instances.some((one) => one.id === chosen) ? chosen : undefined}>
          {instances.map((one) => <option key={one.id} value={one.id}>{one.template_name} ({one.id})</option>)}
        </select>
      </label>
      <label>Endpoint<input name="endpoint" defaultValue={endpoint ?? ''} placeholder="its first page" autoCapitalize="off" spellCheck={false} /></label>
    </>
  );
}

function Ask({ offers, instances, asked }: { offers: NameOffers; instances: Instance[]; asked: (name: OwnName) => void }) {
  const form = useForm();
  const [chosen] = useQuery('instance');
  const send = form.submit(async (fields) => {
    const body = { name: fields.text('name'), instance: fields.text('instance'), endpoint: fields.textOrNull('endpoint'), follow: fields.has('follow') };
    const name = await call<'askForName'>('/names', { method: 'POST', body });
    fields.reset();
    asked(name);
  });
  const kinds = [offers.free_domain && `a word, for a name below ${offers.free_domain}`, offers.own_domains && 'a domain of yours'].filter(Boolean).join(', or ');
  return (
    <form className="setting-form name-form" aria-label="Ask for a name" onSubmit={send}>
      <label>Name<input name="name" required maxLength={253} placeholder={offers.free_domain ? 'my-app' : 'www.example.org'} autoCapitalize="off" spellCheck={false} aria-describedby="name-kinds" /></label>
      <Where instances={instances} chosen={chosen} />
      <label className="check"><input type="checkbox" name="follow" />It goes on to my next machine of this kind</label>
      <div className="setting-buttons"><button type="submit" className="primary" disabled={form.busy}>Ask for it</button></div>
      <p id="name-kinds" className="muted">{sentence(kinds)} You may have {offers.per_owner}.</p>
      <Trouble text={form.trouble} />
    </form>
  );
}

function Todo({ name, offers }: { name: OwnName; offers: NameOffers }) {
  const leads = name.checks.some((check) => check.what === 'address' && check.is === 'good');
  return (
    <ol className="name-todo">
      {name.proof && name.state === 'asked' && (
        <li>
          At your DNS provider, prove that it is yours with a TXT record:
          <span className="name-record"><code>{name.proof.name}</code><CopyButton text={name.proof.name} what="the record's name" /></span>
          <span className="name-record"><code>{name.proof.value}</code><CopyButton text={name.proof.value} what="the record's value" /></span>
        </li>
      )}
      {name.kind === 'own' && !leads && (
        <li>
          Lead it here, with a CNAME{offers.addresses.length > 0 && ' or, where there can be none, with its addresses'}:
          {[offers.target, ...offers.addresses].map((to) => <span className="name-record" key={to}><code>{to}</code><CopyButton text={to} what={`the target ${to}`} /></span>)}
        </li>
      )}
    </ol>
  );
}

function Move({ name, instances, cancel, done }: { name: OwnName; instances: Instance[]; cancel: () => void; done: () => void }) {
  const form = useForm();
  const send = form.submit(async (fields) => {
    const body = { instance: fields.text('instance'), endpoint: fields.textOrNull('endpoint'), follow: fields.has('follow') };
    await call<'pointName'>(path(name), { method: 'PUT', body });
    done();
  });
  return (
    <form className="setting-form name-form" aria-label={`Lead ${name.name} elsewhere`} onSubmit={send} onKeyDown={(event) => { if (event.key === 'Escape') cancel(); }}>
      <Where instances={instances} chosen={name.instance} endpoint={name.endpoint} first />
      <label className="check"><input type="checkbox" name="follow" defaultChecked={name.follow} />It goes on to my next machine of this kind</label>
      <div className="setting-buttons">
        <button type="submit" disabled={form.busy}>Lead it there</button>
        <button type="button" className="quiet" onClick={cancel}>Cancel</button>
      </div>
      <Trouble text={form.trouble} />
    </form>
  );
}

function OneName({ name, offers, instances, again }: { name: OwnName; offers: NameOffers; instances: Instance[]; again: () => void }) {
  const form = useForm();
  const [open, setOpen] = useQuery('open');
  const lead = useRef<HTMLButtonElement>(null);
  const moving = open === name.id;
  const close = (): void => {
    setOpen('');
    lead.current?.focus();
  };
  const look = nameLook(name);
  const machine = instances.find((one) => one.id === name.instance);
  const settled = name.state === 'asked' || name.state === 'held';
  const drop = async (): Promise<void> => {
    await call<'dropName'>(path(name), { method: 'DELETE' });
    toast(`${name.name} is given back.`);
    again();
  };
  return (
    <article className={`name-card ${look.tone}`} data-name={name.name} data-state={name.state} aria-label={`${name.name}, ${look.word.toLowerCase()}`}>
      <header>
        <h2 className="name-title mono">{name.state === 'held' ? <a href={name.url} target="_blank" rel="noopener noreferrer">{name.name}</a> : name.name}</h2>
        <Mark {...look} />
        <span className="spring" />
        <CopyButton text={name.url} what={`the address of ${name.name}`} />
      </header>
      <p className="muted">leads to {name.endpoint} of {machine ? machine.template_name : name.template} ({name.instance}){name.follow && ', and goes on to the next one'}</p>
      {settled && <Todo name={name} offers={offers} />}
      {name.checks.length > 0 && (
        <ul className="name-checks">
          {name.checks.map((check) => <li key={check.what}><Mark {...checkLook(check)} /> {check.text}</li>)}
        </ul>
      )}
      {name.problem && <Trouble text={name.problem} />}
      <Trouble text={form.trouble} />
      {settled && (
        <footer>
          {name.kind === 'own' && <button type="button" disabled={form.busy} onClick={() => form.run(async () => { await call<'lookForName'>(`${path(name)}/look`, { method: 'POST' }); again(); })}>Look now</button>}
          <button ref={lead} type="button" className="quiet" aria-expanded={moving} onClick={() => setOpen(moving ? '' : name.id)} disabled={instances.length === 0}>Lead elsewhere</button>
          <Sure label="Give it back" question={`Give ${name.name} back?`} run={() => form.run(drop)} />
        </footer>
      )}
      {moving && settled && <Move name={name} instances={instances} cancel={close} done={() => { close(); again(); }} />}
    </article>
  );
}

export default function NamesPage() {
  const { instances: all } = useStore();
  const { value, trouble, again } = useLoad(async () => await call<'listNames'>('/names'), { every: SOON_MS });
  const instances = Object.values(all).filter((one) => isLive(one) && one.state !== 'stopping');
  const nothing = value && !value.offers.free_domain && !value.offers.own_domains;
  const asked = (name: OwnName): void => {
    const text = name.state === 'held' ? `${name.name} is yours.` : `${name.name} waits for your proof.`;
    toast(text);
    say(text);
    again();
  };
  return (
    <section className="narrow" aria-labelledby="names-title">
      <div className="section-head">
        <h1 id="names-title">Names</h1>
        {value && <span className="muted count">{value.items.length}</span>}
      </div>
      <Trouble text={trouble} />
      {nothing && <Empty title="This server gives no names">Its operator can switch them on: names.free_domain and names.own_domains.</Empty>}
      {value && !nothing && instances.length > 0 && <Ask offers={value.offers} instances={instances} asked={asked} />}
      {value && !nothing && instances.length === 0 && value.items.length === 0 && (
        <Empty title="A name leads to a machine">Start one first, then ask for its name here, or with <code>tiltyard names ask NAME ID</code>.</Empty>
      )}
      <div className="name-list">
        {value?.items.map((name) => <OneName key={name.id} name={name} offers={value.offers} instances={instances} again={again} />)}
      </div>
    </section>
  );
}
