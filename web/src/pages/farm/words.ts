// How the farm's states and sums are written. Pure, so that it can be tested.
import type { FarmReceipt, FarmStats, FarmStatus, FarmTally } from '../../core/openapi';
import { amount, count, duration } from '../../core/time';
import type { Look } from '../../kit/look';
import { plural } from '../../kit/text';

export const STATUSES: readonly FarmStatus[] = ['queued', 'leased', 'accepted', 'rejected', 'skipped'];

export const STATUS_LOOK: Record<FarmStatus, Look> = {
  queued: { word: 'Queued', tone: 'wait', shape: 'diamond' },
  leased: { word: 'Sending', tone: 'busy', shape: 'ring' },
  accepted: { word: 'Accepted', tone: 'good', shape: 'disc' },
  rejected: { word: 'Rejected', tone: 'bad', shape: 'triangle' },
  skipped: { word: 'Skipped', tone: 'off', shape: 'dash' },
};

const VERDICT_WORDS: Record<string, string> = {
  accepted: 'accepted', duplicate: 'known already', own: 'our own flag', old: 'too old', invalid: 'no such flag', nop: 'of the NOP team',
  rejected: 'rejected', retry: 'try again later',
};
export const verdictWords = (verdict: string | null): string => (verdict === null ? 'no answer' : VERDICT_WORDS[verdict] ?? verdict);

/** The part of the decided ones that was accepted, as `93 %`; a dash while nothing is decided. */
export function acceptance(tally: FarmTally): string {
  const decided = tally.accepted + tally.rejected + tally.skipped;
  return decided === 0 ? '–' : `${Math.round((100 * tally.accepted) / decided)} %`;
}

/** What the shared budget of calls to the jury looks like now, in a sentence and a tone. */
export function rateWords(rate: FarmStats['rate']): Look {
  if (rate.paused_ms > 0) return { word: `Paused for ${duration(rate.paused_ms)}: the jury said that it was too much`, tone: 'wait', shape: 'pause' };
  const calls = rate.calls_per_s === null ? '' : `${amount(rate.calls_per_s)} calls/s`;
  const flags = rate.flags_per_s === null ? '' : `${amount(rate.flags_per_s)} flags/s`;
  const limits = [calls, flags].filter(Boolean).join(', ');
  if (!limits) return { word: 'No limit is known', tone: 'good', shape: 'disc' };
  const learned = rate.calls_per_s !== null && rate.calls_per_s !== rate.configured_calls_per_s;
  if (!learned) return { word: `${limits}, as configured`, tone: 'good', shape: 'disc' };
  const configured = rate.configured_calls_per_s === null ? '' : `; ${amount(rate.configured_calls_per_s)} calls/s are configured`;
  return { word: `${limits}, learned from the jury${configured}`, tone: 'wait', shape: 'diamond' };
}

/** What became of flags that were pasted. */
export function receiptWords(receipt: FarmReceipt): string {
  if (receipt.received === 0) return 'There is no flag of the configured format in this text.';
  const parts = [`${plural(receipt.received, 'flag')} found`, `${count(receipt.new)} new`];
  if (receipt.duplicate > 0) parts.push(`${count(receipt.duplicate)} known already`);
  if (receipt.invalid_count > 0) parts.push(`${count(receipt.invalid_count)} not of the format`);
  return `${parts.join(', ')}. The new ones are on disk and in the queue.`;
}
