// For staff: parts of the range that are on for some and off for others.
import { call } from '../../core/api';
import { When } from '../../core/clock';
import { useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Feature, FeatureRule, Me } from '../../core/openapi';
import { isAdmin } from '../../core/roles';
import { useQuery } from '../../core/route';
import { toast } from '../../core/store';
import { Mark } from '../../kit/mark';
import { Empty, Trouble } from '../../kit/notice';
import { plural } from '../../kit/text';
import './style.css';

const ROLES = ['author', 'operator', 'admin'] as const;
const NEW: Feature = { name: '', about: '', enabled: true, percent: 0, users: [], teams: [], role: null, changed_at: null, changed_by: '' };

const ruleOf = ({ about, enabled, percent, users, teams, role }: Feature): FeatureRule => ({ about, enabled, percent, users, teams, role });
const listOf = (text: string): string[] => text.split(/[,\n]/).map((part) => part.trim()).filter(Boolean);

/** In words: for whom it is on. */
function audience(one: Feature): string {
  if (one.percent >= 100) return 'everybody';
  const parts: string[] = [];
  if (one.percent > 0) parts.push(`${one.percent} %`);
  if (one.role) parts.push(`${one.role === 'admin' ? 'admins' : `${one.role}s and above`}`);
  if (one.users.length > 0) parts.push(one.users.length <= 2 ? one.users.join(', ') : plural(one.users.length, 'user'));
  if (one.teams.length > 0) parts.push(one.teams.length <= 2 ? `team ${one.teams.join(', team ')}` : plural(one.teams.length, 'team'));
  return parts.length > 0 ? parts.join(' + ') : 'nobody';
}

function Editor({ one, fresh, done, close }: { one: Feature; fresh: boolean; done: (changed: Feature) => void; close: () => void }) {
  const form = useForm();
  const save = form.submit(async (fields) => {
    const name = fresh ? fields.text('name') : one.name;
    const rule: FeatureRule = {
      about: fields.exactly('about'),
      enabled: fields.has('enabled'),
      percent: fields.number('percent') ?? 0,
      users: listOf(fields.text('users')),
      teams: listOf(fields.text('teams')),
      role: ROLES.find((role) => role === fields.text('role')) ?? null,
    };
    done(await call<'putFeature'>(`/admin/features/${encodeURIComponent(name)}`, { method: 'PUT', body: rule }));
  });
  return (
    <form className="setting-form feature-form" aria-label={fresh ? 'New feature' : `Change ${one.name}`} onSubmit={save} onKeyDown={(event) => { if (event.key === 'Escape') close(); }}>
      {fresh && <label>Name<input name="name" required pattern="[a-z0-9][a-z0-9.\-]{0,63}" placeholder="new-editor" autoFocus autoCapitalize="off" spellCheck={false} /></label>}
      <label>What it is<input name="about" maxLength={500} defaultValue={one.about} autoFocus={!fresh} /></label>
      <label>Share in %<input type="number" name="percent" min={0} max={100} step={0.01} defaultValue={one.percent} /></label>
      <label>Role and above<select name="role" defaultValue={one.role ?? ''}><option value="">none</option>{ROLES.map((role) => <option key={role}>{role}</option>)}</select></label>
      <label>Users<input name="users" defaultValue={one.users.join(', ')} placeholder="names or ids, with commas" /></label>
      <label>Teams<input name="teams" defaultValue={one.teams.join(', ')} placeholder="names or ids, with commas" /></label>
      <label className="check"><input type="checkbox" name="enabled" defaultChecked={one.enabled} />On; without it the feature is off for everybody</label>
      <div className="setting-buttons">
        <button type="submit" disabled={form.busy}>{fresh ? 'Make it' : 'Set'}</button>
        <button type="button" className="quiet" onClick={close}>Cancel</button>
      </div>
      <Trouble text={form.trouble} />
    </form>
  );
}

export default function FeaturesPage({ me }: { me: Me }) {
  const { value: features, trouble, again } = useLoad(async () => (await call<'listFeatures'>('/admin/features')).items);
  const [open, setOpen] = useQuery('open');
  const form = useForm();
  const admin = isAdmin(me);
  const put = async (one: Feature): Promise<void> => {
    await call<'putFeature'>(`/admin/features/${one.name}`, { method: 'PUT', body: ruleOf(one) });
    again();
  };
  const done = (changed: Feature): void => {
    setOpen('');
    toast(`${changed.name} is ${changed.enabled ? `on for ${audience(changed)}` : 'off'}.`);
    again();
  };
  const remove = async (one: Feature): Promise<void> => {
    await call<'deleteFeature'>(`/admin/features/${one.name}`, { method: 'DELETE' });
    again();
    // What a part of the range has declared itself is still there, as it came.
    const left = (await call<'listFeatures'>('/admin/features')).items.find((other) => other.name === one.name);
    toast(left ? `${one.name} is as it came: on for ${audience(left)}.` : `${one.name} is deleted and off for everybody.`, { action: { label: 'Undo', run: () => form.run(() => put(one)) } });
  };
  return (
    <section aria-labelledby="features-title">
      <div className="section-head">
        <h1 id="features-title">Features</h1>
        {features && <span className="muted count">{features.length}</span>}
        <span className="spring" />
        {admin && <button type="button" onClick={() => setOpen(open === '+' ? '' : '+')} aria-expanded={open === '+'}>New feature</button>}
      </div>
      <Trouble text={form.trouble || trouble} />
      {open === '+' && admin && <Editor one={NEW} fresh done={done} close={() => setOpen('')} />}
      {features && features.length === 0 && open !== '+' && (
        <Empty title="No features are declared">
          A feature is a part of the range that is on for some and off for others: for a share of the owners, a team, a role. Programs ask <code>GET /api/v1/me/features</code>; what nobody has declared is off.
        </Empty>
      )}
      {features && features.length > 0 && (
        <div className="table-frame">
          <table className="settings">
            <thead><tr><th>State</th><th>Feature</th><th>On for</th><th>Changed</th><th><span className="offscreen">Action</span></th></tr></thead>
            <tbody>
              {features.map((one) => (
                <tr key={one.name} className={open === one.name ? 'open' : ''}>
                  <td><Mark word={one.enabled ? 'On' : 'Off'} tone={one.enabled ? 'good' : 'off'} shape={one.enabled ? 'disc' : 'square'} /></td>
                  {open === one.name
                    ? <td colSpan={4}><strong>{one.name}</strong><Editor one={one} fresh={false} done={done} close={() => setOpen('')} /></td>
                    : (
                      <>
                        <td><strong>{one.name}</strong>{one.about && <p className="muted setting-about">{one.about}</p>}</td>
                        <td>{one.enabled ? audience(one) : <span className="muted">nobody (would be {audience(one)})</span>}</td>
                        <td>{one.changed_at ? <><When at={one.changed_at} /> <span className="muted">by {one.changed_by}</span></> : <span className="muted">as it came</span>}</td>
                        <td className="act">
                          {admin && (
                            <>
                              <button type="button" className="quiet" onClick={() => form.run(() => put({ ...one, enabled: !one.enabled }))} aria-label={`Switch ${one.name} ${one.enabled ? 'off' : 'on'}`}>{one.enabled ? 'Off' : 'On'}</button>
                              <button type="button" className="quiet" onClick={() => setOpen(one.name)} aria-label={`Change ${one.name}`}>Change</button>
                              {one.changed_at && <button type="button" className="quiet" onClick={() => form.run(() => remove(one))} aria-label={`Delete ${one.name}`}>Delete</button>}
                            </>
                          )}
                        </td>
                      </>
                    )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
