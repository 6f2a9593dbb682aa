// How names and what was found of them are called.
import type { NameCheck, OwnName } from '../../core/openapi';
import type { Look } from '../../kit/look';

const LOOKS: Record<OwnName['state'], Look> = {
  asked: { word: 'To be proved', tone: 'busy', shape: 'ring' },
  held: { word: 'Yours', tone: 'good', shape: 'disc' },
  leaving: { word: 'Being taken back', tone: 'busy', shape: 'ring' },
  resting: { word: 'Given back', tone: 'off', shape: 'dash' },
};

/** One that is held but does not work yet is not said to. */
export function nameLook(name: OwnName): Look {
  const wrong = name.problem !== null || name.checks.some((check) => check.is === 'bad');
  return name.state === 'held' && wrong ? { word: 'Yours, not ready', tone: 'wait', shape: 'triangle' } : LOOKS[name.state];
}

const WHAT: Record<NameCheck['what'], string> = { ownership: 'Proof', address: 'Address', record: 'Record', certificate: 'Certificate' };

export function checkLook({ what, is }: NameCheck): Look {
  if (is === 'good') return { word: WHAT[what], tone: 'good', shape: 'disc' };
  return is === 'bad' ? { word: WHAT[what], tone: 'wait', shape: 'triangle' } : { word: WHAT[what], tone: 'off', shape: 'dash' };
}
