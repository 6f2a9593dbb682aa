// How what the gateway and captures say is written.
import type { Capture } from '../../core/openapi';
import { count } from '../../core/time';
import type { Look } from '../../kit/look';
import { plural } from '../../kit/text';

export const CAPTURE_LOOK: Record<Capture['state'], Look> = {
  running: { word: 'Captures', tone: 'busy', shape: 'ring' },
  interrupted: { word: 'Interrupted', tone: 'wait', shape: 'pause' },
  ended: { word: 'Ended', tone: 'off', shape: 'square' },
};

const ENDS: Record<string, string> = {
  staff: 'ended by staff', time: 'its time was over', 'instance-ended': 'the instance ended', left: 'nobody looked on any more', 'server-away': 'the server was away',
};

export const endWords = (reason: string | null): string => (reason === null ? '' : ENDS[reason] ?? reason);

/** What of a capture is missing, in words; empty while nothing is. */
export function missing(capture: Capture): string {
  const words: string[] = [];
  if (capture.lost.not_read > 0) words.push(`${count(capture.lost.not_read)} not read in time`);
  if (capture.lost.not_written > 0) words.push(`${count(capture.lost.not_written)} not written`);
  if (capture.gaps.length > 0) words.push(plural(capture.gaps.length, 'gap'));
  return words.join(', ');
}
