// Time that goes on while somebody looks: clocks, count-downs, and what takes a while.
import { useSyncExternalStore } from 'react';
import { Bar } from '../kit/bar';
import { serverNow } from './api';
import { countdown, duration, exact, relative, stopwatch } from './time';

// One clock for the page: everybody who shows time ticks together, and nobody ticks when nobody looks.
function clock(everyMs: number): () => number {
  let now = serverNow();
  let timer: ReturnType<typeof setInterval> | undefined;
  const watchers = new Set<() => void>();
  const watch = (watcher: () => void): (() => void) => {
    watchers.add(watcher);
    now = serverNow();
    timer ??= setInterval(() => {
      now = serverNow();
      for (const each of watchers) each();
    }, everyMs);
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0) {
        clearInterval(timer);
        timer = undefined;
      }
    };
  };
  return () => useSyncExternalStore(watch, () => now);
}

/** Server time in ms, once a second. */
export const useSeconds = clock(1000);
/** Server time in ms, ten times a second: only for what is over soon. */
export const useTenths = clock(100);

/** A time relative to now, the exact one on hover. */
export function When({ at }: { at: string }) {
  const now = useSeconds();
  return <time dateTime={at} title={exact(at)}>{relative(Date.parse(at), now)}</time>;
}

/** How long is left; the exact end on hover. */
export function Left({ until }: { until: string }) {
  const now = useSeconds();
  const left = Date.parse(until) - now;
  const tone = left < 60_000 ? 'bad' : left < 300_000 ? 'wait' : '';
  return (
    <time className={`left ${tone}`} dateTime={until} title={`Ends ${exact(until)}`}>
      <span className="left-word">{left < 300_000 ? 'ends in ' : ''}</span>{countdown(left)}
      <span className="left-word">{left < 300_000 ? '' : ' left'}</span>
    </time>
  );
}

/** The lease as a line that becomes shorter. Decoration: the count-down says the same in words. */
export function LeaseLine({ from, until }: { from: string; until: string }) {
  const now = useSeconds();
  const whole = Date.parse(until) - Date.parse(from);
  const left = Date.parse(until) - now;
  const share = whole > 0 ? Math.min(1, Math.max(0, left / whole)) : 0;
  const tone = left < 60_000 ? 'bad' : left < 300_000 ? 'wait' : '';
  return <div className={`lease-line ${tone}`} aria-hidden="true"><span style={{ width: `${share * 100}%` }} /></div>;
}

/**
 * Something that takes a while, beside what is usual for it. `elapsedMs` was true at `heardAt` (server time, ms).
 * With steps, the bar fills step by step; without, it fills with the usual time and waits before the end.
 */
export function Progress(props: {
  label: string; done: number; total: number; elapsedMs: number; usualMs: number | null; heardAt: number;
}) {
  const now = useTenths();
  const elapsed = props.elapsedMs + Math.max(0, now - props.heardAt);
  const byTime = props.usualMs ? Math.min(0.96, elapsed / props.usualMs) : 0;
  const bySteps = props.total > 0 ? props.done / props.total : 0;
  const share = Math.min(0.98, Math.max(bySteps, props.total > 0 ? Math.min(byTime, (props.done + 0.9) / props.total) : byTime));
  const late = props.usualMs !== null && elapsed > props.usualMs * 1.5 && elapsed - props.usualMs > 2000;
  const usual = props.usualMs === null ? '' : late ? `longer than the usual ${duration(props.usualMs)}` : `usually ${duration(props.usualMs)}`;
  return (
    <div className="progress">
      <div className="progress-words">
        <span className="progress-step">{props.label}</span>
        {props.total > 0 && <span className="muted">{Math.min(props.done + 1, props.total)} of {props.total}</span>}
        <span className="spring" />
        <span className="progress-time">{stopwatch(elapsed)}{usual && <span className="muted"> · {usual}</span>}</span>
      </div>
      <Bar label={props.label} share={share} unknown={props.usualMs === null && props.total === 0} />
    </div>
  );
}
