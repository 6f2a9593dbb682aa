// What the page says of an instance, wherever it is shown. Pure.
import type { Look } from '../kit/look';
import { sentence } from '../kit/text';
import type { Failure } from './api';
import type { Instance, InstanceState, Template } from './openapi';
import { duration } from './time';

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

export const instanceLook = (state: string): Look => INSTANCE_LOOK[state as InstanceState] ?? { word: state, tone: 'off', shape: 'dash' };

/** How one instance is shown. What its engine keeps from everybody weighs more than what was known last. */
export function lookOf(instance: Instance, undoable: boolean): Look {
  if (undoable) return INSTANCE_LOOK.stopping;
  return instance.unreachable ? { word: 'Unreachable', tone: 'bad', shape: 'triangle' } : instanceLook(instance.state);
}

/** A reason without what the machine said last, which stands on lines of its own behind it. */
export const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';

/** What ended an instance, as a sentence fragment after its name. */
export function endWords(instance: Instance): string {
  switch (instance.reason?.code) {
    case 'user': return 'Stopped by you';
    case 'admin': return 'Stopped by staff';
    case 'expiry': return 'Its time was over';
    case 'abuse': return 'Stopped for misuse';
    case 'engine-loss': return 'Its machine was lost';
    default: return instance.reason?.text ? sentence(firstLine(instance.reason.text)).replace(/\.$/, '') : (instance.state === 'failed' ? 'It failed' : 'Stopped');
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
