// Whose door a machine's is: the token that opens it for programs, and links that let others in.
import { useState } from 'react';
import { call } from '../../core/api';
import { When } from '../../core/clock';
import { useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Endpoint, Instance } from '../../core/openapi';
import { Fresh } from '../../kit/copy';
import { Trouble } from '../../kit/notice';

const LIVES: [number, string][] = [[3600, 'an hour'], [86_400, 'a day'], [7 * 86_400, 'a week']];

/** How a program shows a token to these endpoints; a cookie over TLS has a name that browsers take over TLS alone. */
function tokenWords(closed: Endpoint[]): string {
  const url = closed.flatMap((endpoint) => ('url' in endpoint ? [endpoint.url] : []))[0];
  const ways = [
    closed.some((endpoint) => endpoint.kind === 'tcp' || endpoint.kind === 'tls') && 'for the prompt of nc',
    url !== undefined && `as curl -b ${url.startsWith('https:') ? '__Host-' : ''}tiltyard-door=TOKEN`,
  ].filter(Boolean).join(', or ');
  return `For a day${ways && `, ${ways}`}. Whoever has it goes in as you.`;
}

function Token({ instance, closed }: { instance: Instance; closed: Endpoint[] }) {
  const form = useForm();
  const [token, setToken] = useState('');
  const show = (): void => form.run(async () => setToken((await call<'getDoor'>(`/instances/${instance.id}/door`)).token));
  return (
    <>
      <button type="button" onClick={show} disabled={form.busy}>Show a token</button>
      {token && <Fresh title={tokenWords(closed)} text={token} what="the token" />}
      <Trouble text={form.trouble} />
    </>
  );
}

function Shares({ instance }: { instance: Instance }) {
  const form = useForm();
  const [made, setMade] = useState<{ url: string; one: boolean } | null>(null);
  const path = `/instances/${instance.id}/shares`;
  const list = useLoad(() => call<'listShares'>(path), { key: path });
  const make = form.submit(async (fields) => {
    setMade(await call<'makeShare'>(path, { method: 'POST', body: { one: fields.text('who') === 'one', lives_s: fields.number('lives') } }));
    list.again();
  });
  const takeBack = (id: string): void => form.run(async () => {
    await call<'takeShareBack'>(`${path}/${id}`, { method: 'DELETE' });
    setMade(null);
    list.again();
  });
  return (
    <>
      <form onSubmit={make} aria-label="Share it" className="share-form">
        <label>A link for <select name="who"><option value="one">one person</option><option value="anybody">anybody who is signed in</option></select></label>
        <label>that counts for <select name="lives" defaultValue="86400">{LIVES.map(([seconds, words]) => <option key={seconds} value={seconds}>{words}</option>)}</select></label>
        <button type="submit" disabled={form.busy}>Make a link</button>
      </form>
      {made && <Fresh title={`${made.one ? 'The first' : 'Everybody'} who opens it while signed in is let in to the machine's pages. It is shown this once.`} text={made.url} what="the link" />}
      <Trouble text={form.trouble} />
      {list.value && list.value.items.length > 0 && (
        <ul className="shares" aria-label="Links">
          {list.value.items.map((share) => (
            <li key={share.id}>
              <span>{share.one ? 'One person' : 'Anybody'}, ends <When at={share.ends_at} />{share.guests.length > 0 && `: ${share.guests.join(', ')}`}</span>
              <button type="button" className="quiet" onClick={() => takeBack(share.id)} disabled={form.busy} aria-label={`Take back the link for ${share.one ? share.guests[0] ?? 'one person' : 'anybody'}`}>Take back</button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

export function DoorSection({ instance }: { instance: Instance }) {
  const closed = instance.endpoints.filter((endpoint) => endpoint.door !== 'open');
  if (closed.length === 0) return null;
  return (
    <section aria-label="Door" className="door">
      <h4>Yours and your team's alone</h4>
      <Token instance={instance} closed={closed} />
      {closed.some((endpoint) => endpoint.kind === 'http') && <Shares instance={instance} />}
    </section>
  );
}
