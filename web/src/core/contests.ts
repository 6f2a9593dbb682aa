// What every page of contests says of one, and which one is meant where nobody says.
import type { Look } from '../kit/look';
import type { Contest } from './openapi';

export const CONTEST_LOOK: Record<Contest['state'], Look> = {
  waits: { word: 'Not begun', tone: 'wait', shape: 'ring' },
  runs: { word: 'Runs', tone: 'good', shape: 'disc' },
  over: { word: 'Over', tone: 'off', shape: 'square' },
};

/** The contest that somebody most likely means: one that runs, one that is to come, practice, one that is over. */
export function likeliest(contests: Contest[]): Contest | undefined {
  const rank = (one: Contest): number => (one.id === 'practice' ? 2 : { runs: 0, waits: 1, over: 3 }[one.state]);
  return [...contests].sort((a, b) => rank(a) - rank(b))[0];
}
