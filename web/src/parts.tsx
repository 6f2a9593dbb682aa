// Small pieces that several views use.
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { copy } from './actions';
import { useSeconds, useTenths } from './store';
import { countdown, duration, exact, relative, stopwatch } from './time';
import type { Shape, Tone } from './words';

const SHAPES: Record<Shape, ReactNode> = {
  disc: <circle cx="6" cy="6" r="4" fill="currentColor" />,
  ring: <><circle cx="6" cy="6" r="4" className="ring-track" /><path d="M6 2a4 4 0 0 1 4 4" className="ring-arc" /></>,
  diamond: <path d="M6 1.5 10.5 6 6 10.5 1.5 6z" fill="currentColor" />,
  triangle: <path d="M6 1.5 11 10.5H1z" fill="currentColor" />,
  pause: <path d="M3 2h2v8H3zM7 2h2v8H7z" fill="currentColor" />,
  square: <path d="M3 3h6v6H3z" fill="none" stroke="currentColor" strokeWidth="1.5" />,
  dash: <path d="M2 5h8v2H2z" fill="currentColor" />,
};

/** A state: a shape, a colour and a word, never a colour alone. */
export function Mark({ word, tone, shape, title }: { word: string; tone: Tone; shape: Shape; title?: string }) {
  return (
    <span className={`mark ${tone}`} title={title}>
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" className={shape}>{SHAPES[shape]}</svg>
      {word}
    </span>
  );
}

const ICONS = {
  copy: 'M5.5 5.5v-2a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-2M3.5 5.5h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-6a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1z',
  check: 'M3 8.5 6.5 12 13 4.5',
  open: 'M9.5 2.5h4v4M13.5 2.5 8 8M7 3.5H3.5a1 1 0 0 0-1 1v8a1 1 0 0 0 1 1h8a1 1 0 0 0 1-1V9',
  close: 'M4 4l8 8M12 4l-8 8',
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.8 10.8 14 14',
  play: 'M5 3.2v9.6L12.5 8z',
  down: 'M4 6l4 4 4-4',
  person: 'M8 8a2.75 2.75 0 1 0 0-5.5A2.75 2.75 0 0 0 8 8zM3 13.5c.5-2.2 2.5-3.5 5-3.5s4.5 1.3 5 3.5',
  undo: 'M5.5 3 2.5 6l3 3M2.5 6h7a4 4 0 0 1 0 8H6',
} as const;

export function Icon({ name }: { name: keyof typeof ICONS }) {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" className="icon">
      <path d={ICONS[name]} />
    </svg>
  );
}

/** Copies; `label` puts a word beside the sign where the sign alone would not say what it is for. */
export function CopyButton({ text, what, label }: { text: string; what: string; label?: string }) {
  const [copied, setCopied] = useState<boolean | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => () => clearTimeout(timer.current), []);
  const run = async (): Promise<void> => {
    setCopied(await copy(text));
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setCopied(null), 1600);
  };
  const says = copied === null ? `Copy ${what}` : copied ? 'Copied' : 'Copying is not allowed here';
  return (
    <button type="button" className={label ? 'quiet' : 'icon-button'} onClick={() => void run()} aria-label={says} title={says} data-copied={copied ?? undefined}>
      <Icon name={copied ? 'check' : 'copy'} />{label && (copied ? 'Copied' : label)}
    </button>
  );
}

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
      <div
        className={`bar ${props.usualMs === null && props.total === 0 ? 'unknown' : ''}`} role="progressbar" aria-label={props.label}
        aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)}
      >
        <span style={{ width: `${share * 100}%` }} />
      </div>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children: ReactNode }) {
  return <div className="empty"><p className="empty-title">{title}</p><div>{children}</div></div>;
}

export function Key({ children }: { children: ReactNode }) {
  return <kbd>{children}</kbd>;
}

/** A message beside a form field or button. */
export function Notice({ tone, children }: { tone: 'bad' | 'good' | 'plain'; children: ReactNode }) {
  return <p className={`notice ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>{children}</p>;
}
