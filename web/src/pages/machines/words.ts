// What the page of machines says: of templates, of a start that is under way, of a place in the line. Pure.
import type { Template } from '../../core/openapi';
import type { Look } from '../../kit/look';

type TemplateState = Template['state'];

export const TEMPLATE_LOOK: Record<TemplateState, Look> = {
  ready: { word: 'Ready', tone: 'off', shape: 'disc' },
  building: { word: 'Building', tone: 'busy', shape: 'ring' },
  waiting: { word: 'Waiting', tone: 'wait', shape: 'diamond' },
  broken: { word: 'Broken', tone: 'bad', shape: 'triangle' },
  inactive: { word: 'Inactive', tone: 'off', shape: 'dash' },
};

export const templateLook = (state: string): Look => TEMPLATE_LOOK[state as TemplateState] ?? { word: state, tone: 'off', shape: 'dash' };

/** The steps of a start, as src/app composes them, and what comes before the first. */
export const STEP_WORDS: Record<string, string> = {
  asking: 'Asking the server',
  network: 'Making the network',
  capture: 'Making the network',
  files: 'Placing files',
  flags: 'Placing the flag',
  volumes: 'Making disks',
  machines: 'Starting machines',
  ready: 'Waiting until it answers',
  'flags-kept': 'Looking for the flag',
  solve: 'Trying the solution',
  routes: 'Opening the way in',
};

/** A step in words; one that is not known here by its name. */
export function stepWords(step: string): string {
  if (!step) return 'Under way';
  return STEP_WORDS[step] ?? step;
}

/** `Next in line`, `2nd in line`, `23rd in line`. */
export function lineWords(position: number): string {
  if (position <= 1) return 'Next in line';
  const teen = position % 100 >= 11 && position % 100 <= 13;
  const ending = teen ? 'th' : ['th', 'st', 'nd', 'rd'][position % 10] ?? 'th';
  return `${position}${ending} in line`;
}

/** An estimate that counts down: coarse while it is long, so that it stays calm, and honest when it is over. */
export function waitWords(ms: number): string {
  if (ms <= 0) return 'any moment now';
  const seconds = Math.ceil(ms / 1000);
  const step = seconds > 60 ? 15 : seconds > 20 ? 5 : 1;
  const rounded = Math.ceil(seconds / step) * step;
  if (rounded < 60) return `about ${rounded} s`;
  const minutes = Math.floor(rounded / 60);
  const rest = rounded % 60;
  return minutes >= 5 || rest === 0 ? `about ${Math.round(rounded / 60)} min` : `about ${minutes} min ${rest} s`;
}
