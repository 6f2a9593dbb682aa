// How an event reads in the list. Pure.
import type { Event } from '../../core/openapi';
import type { Look } from '../../kit/look';

export const WEIGHTS: readonly Event['severity'][] = ['info', 'good', 'warning', 'error'];

export const LOOKS: Record<Event['severity'], Omit<Look, 'word'>> = {
  info: { tone: 'off', shape: 'square' },
  good: { tone: 'good', shape: 'disc' },
  warning: { tone: 'wait', shape: 'diamond' },
  error: { tone: 'bad', shape: 'triangle' },
};

export const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** What a row says beside its kind: the words that people look for first. */
export function summary(event: Event): string {
  const detail = event.detail;
  const parts: string[] = [];
  if (typeof detail.count === 'number') parts.push(event.kind === 'events.removed' ? `${detail.count} events` : `${detail.count} more within a minute`);
  if (detail.template_name) parts.push(asText(detail.template_name));
  if (detail.owner_name && detail.owner_name !== event.actor) parts.push(`of ${asText(detail.owner_name)}`);
  const reason = detail.reason_text ?? detail.reason;
  if (reason) parts.push(asText(reason));
  if (parts.length === 0) {
    for (const [key, value] of Object.entries(detail).slice(0, 3)) parts.push(`${key}: ${asText(value)}`);
  }
  return parts.join(' · ').slice(0, 160);
}
