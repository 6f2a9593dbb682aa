// What the keys do with the card or row that has the focus; with none, with the only machine that lives.
import { extend, open, start, stop } from '../../core/actions';
import { useKeys } from '../../core/keys';
import type { Instance } from '../../core/openapi';
import { go } from '../../core/route';
import { isLive, liveOf } from '../../core/state';
import { current } from '../../core/store';

function target(item: HTMLElement | null): Instance | undefined {
  const state = current();
  if (item) {
    const byId = state.instances[item.dataset.instance ?? ''];
    return byId && isLive(byId) ? byId : liveOf(state, item.dataset.template ?? '');
  }
  const living = Object.values(state.instances).filter(isLive);
  return living.length === 1 ? living[0] : undefined;
}

const withTarget = (does: (instance: Instance) => void) => (item: HTMLElement | null): void => {
  const instance = target(item);
  if (instance) does(instance);
};

/** Starts what a row stands for, or opens it when it runs. */
function enter(item: HTMLElement | null): void {
  const template = item?.dataset.template;
  if (!template) return;
  const living = liveOf(current(), template);
  if (living && (living.state === 'running' || living.state === 'paused')) open(living);
  else void start(template);
}

export function useMachineKeys(): void {
  useKeys({
    Enter: enter,
    e: withTarget((instance) => void extend(instance)),
    s: withTarget((instance) => stop(instance)),
    t: withTarget((instance) => go(`/terminal/${instance.id}`)),
    d: withTarget((instance) => { if (current().templates[instance.template]?.desktop) go(`/desktop/${instance.id}`); }),
  });
}
