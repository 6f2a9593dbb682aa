// Flags of other owners that were handed in: the evidence, side by side, and what a person makes of it.
import { call } from '../../core/api';
import { When } from '../../core/clock';
import { attempt } from '../../core/form';
import { useLoad } from '../../core/load';
import type { SharedFlag } from '../../core/openapi';
import { toast } from '../../core/store';
import { Mark } from '../../kit/mark';
import { Empty, Trouble } from '../../kit/notice';
import type { Look } from '../../kit/look';

type Verdict = 'innocent' | 'warned' | 'disqualified';
const VERDICTS: Record<Verdict, Look> = {
  innocent: { word: 'Innocent', tone: 'good', shape: 'disc' },
  warned: { word: 'Warned', tone: 'wait', shape: 'diamond' },
  disqualified: { word: 'Disqualified', tone: 'bad', shape: 'triangle' },
};
const isVerdict = (word: string): word is Verdict => word in VERDICTS;

function Case({ contest, one, again }: { contest: string; one: SharedFlag; again: () => void }) {
  const judge = async (verdict: Verdict | null): Promise<void> => {
    const worked = await attempt('Nothing was written down.', () =>
      call<'judgeSharedFlag'>(`/admin/contests/${contest}/shared/${one.hash}`, { method: 'PUT', body: { verdict, note: one.note } }));
    if (worked) toast(verdict ? `${one.owner.name}: ${VERDICTS[verdict].word.toLowerCase()}.` : `${one.owner.name}: the verdict is taken back.`);
    again();
  };
  const verdict = one.verdict !== null && isVerdict(one.verdict) ? one.verdict : null;
  return (
    <article className="case" data-item aria-label={`${one.owner.name} handed in a flag of ${one.flag_owner.name}`}>
      <header>
        <h3>{one.owner.name} <span className="muted">handed in a flag of</span> {one.flag_owner.name}</h3>
        <span className="muted">{one.challenge}, <When at={one.first_at} />{one.times > 1 ? `, ${one.times} times` : ''}</span>
        <span className="spring" />
        {verdict && <Mark {...VERDICTS[verdict]} title={`By ${one.verdict_by ?? 'staff'}`} />}
        <b className="case-score" title="How much speaks for it: 0 to 100. It is no verdict.">{one.score}</b>
      </header>
      <ul>{one.reasons.map((reason) => <li key={reason.text}><span className="number">{reason.weight > 0 ? `+${reason.weight}` : reason.weight}</span>{reason.text}</li>)}</ul>
      <div className="case-acts">
        {(['innocent', 'warned', 'disqualified'] as const).filter((each) => each !== verdict).map((each) => (
          <button type="button" key={each} className="quiet" onClick={() => void judge(each)}>{{ innocent: 'It is innocent', warned: 'Warned', disqualified: 'Disqualify' }[each]}</button>
        ))}
        {verdict && <button type="button" className="quiet" onClick={() => void judge(null)}>Take the verdict back</button>}
      </div>
    </article>
  );
}

export function Cases({ contest }: { contest: string }) {
  const { value, trouble, again } = useLoad(() => call<'listSharedFlags'>(`/admin/contests/${contest}/shared`), { key: contest, every: 15_000 });
  return (
    <>
      <Trouble text={trouble} />
      {value?.items.length === 0 && <Empty title="Nobody has handed in another’s flag">Cases stand here with what speaks for them and against them. The players are not told.</Empty>}
      {value?.next && <p className="muted">The newest 50; the others are in the API.</p>}
      <div className="cases">{value?.items.map((one) => <Case key={one.hash} contest={contest} one={one} again={again} />)}</div>
    </>
  );
}
