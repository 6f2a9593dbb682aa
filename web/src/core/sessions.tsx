import { Trouble } from '../kit/notice';
import { call } from './api';
import { When } from './clock';
import { useForm } from './form';
import { useLoad } from './load';
import { toast } from './store';

/** "Chrome on Linux" of what a browser calls itself; other programs by their first word. */
function program(agent: string): string {
  if (!agent) return 'unknown';
  const browser = /Firefox\//.test(agent) ? 'Firefox' : /Edg\//.test(agent) ? 'Edge' : /Chrome\//.test(agent) ? 'Chrome' : /Safari\//.test(agent) ? 'Safari' : null;
  const system = /Windows/.test(agent) ? 'Windows' : /Android/.test(agent) ? 'Android' : /iPhone|iPad/.test(agent) ? 'iOS' : /Mac OS/.test(agent) ? 'macOS' : /Linux/.test(agent) ? 'Linux' : null;
  return browser ? `${browser}${system ? ` on ${system}` : ''}` : agent.split(/[\s/]/)[0] ?? 'unknown';
}

/** Where somebody is signed in: oneself (`mine`), or a user that staff look at. */
export function Sessions({ path, mine = false }: { path: string; mine?: boolean }) {
  const { value: sessions, trouble, again } = useLoad(async () => (await call<'mySessions'>(path)).items, { key: path });
  const form = useForm();
  const end = (which: string, what: string): void => form.run(async () => {
    await call<'endMySession'>(`${path}${which}`, { method: 'DELETE' });
    toast(what);
    again();
  });
  const others = (sessions ?? []).filter((one) => !one.current);
  return (
    <section aria-labelledby="sessions-title">
      <div className="section-head">
        <h2 id="sessions-title">{mine ? 'Where you are signed in' : 'Sessions'}</h2>
        <span className="spring" />
        {others.length > 0 && (
          <button type="button" onClick={() => end('', mine ? 'You are signed out everywhere else.' : 'Every session has ended.')}>{mine ? 'Sign out everywhere else' : 'End all'}</button>
        )}
      </div>
      {sessions && sessions.length === 0 && <p className="muted">Nowhere.</p>}
      {sessions && sessions.length > 0 && (
        <div className="table-frame">
          <table>
            <thead><tr><th>Browser</th><th>Address</th><th>By</th><th>Since</th><th>Last used</th><th><span className="offscreen">End</span></th></tr></thead>
            <tbody>
              {sessions.map((one) => (
                <tr key={one.id}>
                  <td title={one.agent}>{program(one.agent)}{one.current && <b> (this one)</b>}</td>
                  <td>{one.address || 'unknown'}</td>
                  <td>{one.strategy}</td>
                  <td><When at={one.created_at} /></td>
                  <td><When at={one.last_seen_at} /></td>
                  <td className="act">
                    {!one.current && <button type="button" className="quiet" onClick={() => end(`/${one.id}`, 'The session has ended.')} aria-label={`End the session of ${program(one.agent)}`}>End</button>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <Trouble text={form.trouble || trouble} />
    </section>
  );
}
