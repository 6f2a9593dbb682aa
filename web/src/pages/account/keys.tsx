import { call } from '../../core/api';
import { When } from '../../core/clock';
import { useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import type { Answer } from '../../core/api';
import { toast } from '../../core/store';
import { Empty, Trouble } from '../../kit/notice';
import { plural } from '../../kit/text';

type Key = Answer<'listSshKeys'>['items'][number];

/** What lets somebody in over SSH. */
export function Keys() {
  const { value: keys, trouble, again } = useLoad(async () => (await call<'listSshKeys'>('/me/ssh-keys')).items);
  const form = useForm();
  const add = form.submit(async (fields) => {
    const text = fields.text('key');
    const body = text.startsWith('http') ? { url: text } : { key: text };
    const added = await call<'addSshKeys'>('/me/ssh-keys', { method: 'POST', body });
    fields.reset();
    toast(`${plural(added.items.length, 'key')} added.`);
    again();
  });
  const remove = async (key: Key): Promise<void> => {
    await call<'removeSshKey'>(`/me/ssh-keys/${encodeURIComponent(key.id)}`, { method: 'DELETE' });
    toast(`${key.name} is taken away.`);
    again();
  };
  return (
    <section aria-labelledby="keys-title">
      <h2 id="keys-title">SSH keys</h2>
      <p className="muted">For the SSH port, which this server does not have yet: they are kept for it.</p>
      {keys && keys.length === 0 && <Empty title="No keys yet">Paste the line of <code>~/.ssh/id_ed25519.pub</code>, or a URL such as <i>https://github.com/you.keys</i>.</Empty>}
      {keys && keys.length > 0 && (
        <div className="table-frame">
          <table>
            <thead><tr><th>Name</th><th>Fingerprint</th><th>Added</th><th><span className="offscreen">Remove</span></th></tr></thead>
            <tbody>
              {keys.map((key) => (
                <tr key={key.id}>
                  <td>{key.name}</td>
                  <td><code>{key.fingerprint}</code></td>
                  <td><When at={key.created_at} /></td>
                  <td className="act"><button type="button" className="quiet" onClick={() => form.run(() => remove(key))} aria-label={`Remove ${key.name}`}>Remove</button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <form className="line-form" onSubmit={add}>
        <label>Public key, or where yours stand<input name="key" maxLength={16384} required autoComplete="off" spellCheck={false} placeholder="ssh-ed25519 AAAA…" /></label>
        <button type="submit" disabled={form.busy}>Add</button>
      </form>
      <Trouble text={form.trouble || trouble} />
    </section>
  );
}
