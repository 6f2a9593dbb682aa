import { Failure } from './api';
import { duration } from './time';
import type { Instance, InstanceState, Template, TemplateState } from './types';

export type Tone = 'good' | 'busy' | 'wait' | 'bad' | 'off';
export type Shape = 'disc' | 'ring' | 'diamond' | 'triangle' | 'pause' | 'square' | 'dash';

interface Look {
  word: string;
  tone: Tone;
  shape: Shape;
}

export const INSTANCE_LOOK: Record<InstanceState, Look> = {
  queued: { word: 'Queued', tone: 'wait', shape: 'diamond' },
  preparing: { word: 'Preparing', tone: 'busy', shape: 'ring' },
  starting: { word: 'Starting', tone: 'busy', shape: 'ring' },
  running: { word: 'Running', tone: 'good', shape: 'disc' },
  paused: { word: 'Paused', tone: 'wait', shape: 'pause' },
  stopping: { word: 'Stopping', tone: 'busy', shape: 'ring' },
  stopped: { word: 'Stopped', tone: 'off', shape: 'square' },
  failed: { word: 'Failed', tone: 'bad', shape: 'triangle' },
};

export const TEMPLATE_LOOK: Record<TemplateState, Look> = {
  ready: { word: 'Ready', tone: 'off', shape: 'disc' },
  building: { word: 'Building', tone: 'busy', shape: 'ring' },
  waiting: { word: 'Waiting', tone: 'wait', shape: 'diamond' },
  broken: { word: 'Broken', tone: 'bad', shape: 'triangle' },
  inactive: { word: 'Inactive', tone: 'off', shape: 'dash' },
};

const UNKNOWN: Look = { word: 'Unknown', tone: 'off', shape: 'dash' };
export const instanceLook = (state: string): Look => INSTANCE_LOOK[state as InstanceState] ?? { ...UNKNOWN, word: state };
export const templateLook = (state: string): Look => TEMPLATE_LOOK[state as TemplateState] ?? { ...UNKNOWN, word: state };

const STEP_WORDS: Record<string, string> = {
  asking: 'Asking the server',
  place: 'Finding a place',
  queued: 'Waiting for a place',
  network: 'Making the network',
  ports: 'Taking ports',
  flag: 'Placing the flag',
  flags: 'Placing the flag',
  files: 'Placing files',
  volumes: 'Making disks',
  machines: 'Starting machines',
  create: 'Making machines',
  start: 'Starting machines',
  ready: 'Waiting until it answers',
  readiness: 'Waiting until it answers',
  routes: 'Opening the way in',
  isolation: 'Closing it off',
  firewall: 'Closing it off',
};

export function stepWords(step: string): string {
  if (!step) return 'Under way';
  return STEP_WORDS[step] ?? step.charAt(0).toUpperCase() + step.slice(1).replace(/[-_]/g, ' ');
}

/** A reason as it comes from the server, as a sentence of its own. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (!trimmed) return '';
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?…]$/.test(trimmed) ? '' : '.');
}

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

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

/** What ended an instance, as a sentence fragment after its name. */
export function endWords(instance: Instance): string {
  switch (instance.reason?.code) {
    case 'user': return 'Stopped by you';
    case 'admin': return 'Stopped by staff';
    case 'expiry': return 'Its time was over';
    case 'abuse': return 'Stopped for misuse';
    case 'engine-loss': return 'Its machine was lost';
    default: return instance.reason?.text ? sentence(instance.reason.text).replace(/\.$/, '') : (instance.state === 'failed' ? 'It failed' : 'Stopped');
  }
}

/** What stopping this instance takes away. */
export function stopDestroys(instance: Instance): string {
  const count = instance.machines.length;
  const machines = count > 1 ? `${count} machines, their network and files` : 'its machine, network and files';
  return `${instance.template_name}: ${machines} are destroyed.`;
}

/** What the page says when a start did not work, and what to do now. */
export function startTrouble(failure: Failure, template: Pick<Template, 'name'>): string {
  const { limit, current, limited_by: by } = failure.fields as { limit?: number; current?: number; limited_by?: string };
  switch (failure.reason) {
    case 'limit-reached':
      return by === 'instances_per_owner' && limit !== undefined
        ? `You have ${current ?? limit} of ${limit} machines. Stop one, then start ${template.name}.`
        : `${template.name} was not started. ${failure.message}`;
    case 'instance-exists': return `${template.name} is on its way or running already.`;
    case 'unreachable': return `${template.name} was not started: the server cannot be reached. Nothing was changed.`;
    default: return `${template.name} was not started. ${failure.message}`;
  }
}

/** What the page says when extending did not work. */
export function extendTrouble(failure: Failure, instance: Instance, now: number): string {
  const at = Date.parse(String(failure.fields.extendable_at ?? ''));
  if (failure.reason === 'not-extendable-yet' && !Number.isNaN(at)) {
    return `${instance.template_name} can be extended in ${duration(at - now)}.`;
  }
  if (failure.reason === 'extension-exhausted') return `${instance.template_name} has had all its extensions.`;
  return `${instance.template_name} was not extended. ${failure.message}`;
}
