// What staff say of a contest.
import { call } from '../../core/api';
import { useForm } from '../../core/form';
import type { ContestOfStaff } from '../../core/openapi';
import { go } from '../../core/route';
import { toast } from '../../core/store';
import { CopyButton } from '../../kit/copy';
import { Trouble } from '../../kit/notice';
import { Sure } from '../../kit/sure';
import { fromLocal, list, toLocal } from './words';

export function Settings({ contest, again }: { contest: ContestOfStaff; again: () => void }) {
  const form = useForm();
  const path = `/admin/contests/${contest.id}`;
  const change = (body: Record<string, unknown>, done: string): void => form.run(async () => {
    await call<'putContest'>(path, { method: 'PUT', body });
    toast(done);
    again();
  });
  const save = form.submit(async (fields) => {
    await call<'putContest'>(path, {
      method: 'PUT',
      body: {
        title: fields.text('title'), about: fields.exactly('about'), starts_at: fromLocal(fields.text('starts_at')), ends_at: fromLocal(fields.text('ends_at')),
        freeze_at: fromLocal(fields.text('freeze_at')), challenges: list(fields.text('challenges')), divisions: list(fields.text('divisions')),
        bloods: [1, 2, 3].map((place) => Math.round((fields.number(`blood${place}`) ?? 0) * 10)), feed: fields.has('feed'),
      },
    });
    toast(`${contest.title} is changed.`);
    again();
  });
  const remove = (): void => form.run(async () => {
    await call<'removeContest'>(path, { method: 'DELETE' });
    toast(`${contest.title} is gone.`);
    go('/contests');
  });
  return (
    <form key={JSON.stringify(contest)} className="contest-form" aria-label="Settings" onSubmit={save}>
      <label>Title<input name="title" required maxLength={100} defaultValue={contest.title} /></label>
      <label>Begins<input type="datetime-local" name="starts_at" defaultValue={toLocal(contest.starts_at)} /></label>
      <label>Ends<input type="datetime-local" name="ends_at" defaultValue={toLocal(contest.ends_at)} /></label>
      <label>Frozen from<input type="datetime-local" name="freeze_at" defaultValue={toLocal(contest.freeze_at)} /></label>
      <label className="wide">What it is about<textarea name="about" rows={3} maxLength={20_000} defaultValue={contest.about} /></label>
      <label className="wide">Challenges<input name="challenges" defaultValue={contest.challenges.join(', ')} placeholder="all that there are" className="mono" spellCheck={false} /></label>
      <label className="wide">Divisions<input name="divisions" defaultValue={contest.divisions.join(', ')} placeholder="none" /></label>
      {[1, 2, 3].map((place) => (
        <label key={place}>Bonus of the {['first', 'second', 'third'][place - 1]}, %
          <input type="number" name={`blood${place}`} min={0} max={100} step={0.1} defaultValue={(contest.bloods[place - 1] ?? 0) / 10} />
        </label>
      ))}
      <label className="check"><input type="checkbox" name="feed" defaultChecked={contest.feed !== null} />A feed for CTFtime</label>
      {contest.feed && <span className="name-record wide"><code>{location.origin}{contest.feed}</code><CopyButton text={`${location.origin}${contest.feed}`} what="the address of the feed" /></span>}
      <div className="setting-buttons wide">
        <button type="submit" className="primary" disabled={form.busy}>Save</button>
        {contest.freeze_at && !contest.thawed && <Sure label="Thaw" question="Show everything now?" run={() => change({ thawed: true }, 'The board shows everything again.')} />}
        {contest.thawed && <button type="button" onClick={() => change({ thawed: false }, 'The freeze holds again.')}>Freeze again</button>}
        <span className="spring" />
        <Sure label="Remove" question="With all that was handed in?" run={remove} />
      </div>
      <Trouble text={form.trouble} />
    </form>
  );
}
