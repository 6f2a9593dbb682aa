import type { ReactNode } from 'react';
import type { Look, Shape } from './look';

const SHAPES: Record<Shape, ReactNode> = {
  disc: <circle cx="6" cy="6" r="4" fill="currentColor" />,
  ring: <><circle cx="6" cy="6" r="4" className="ring-track" /><path d="M6 2a4 4 0 0 1 4 4" className="ring-arc" /></>,
  diamond: <path d="M6 1.5 10.5 6 6 10.5 1.5 6z" fill="currentColor" />,
  triangle: <path d="M6 1.5 11 10.5H1z" fill="currentColor" />,
  pause: <path d="M3 2h2v8H3zM7 2h2v8H7z" fill="currentColor" />,
  square: <path d="M3 3h6v6H3z" fill="none" stroke="currentColor" strokeWidth="1.5" />,
  dash: <path d="M2 5h8v2H2z" fill="currentColor" />,
};

/** A state: a shape, a colour and a word. */
export function Mark({ word, tone, shape, title }: Look & { title?: string }) {
  return (
    <span className={`mark ${tone}`} title={title}>
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" className={shape}>{SHAPES[shape]}</svg>
      {word}
    </span>
  );
}
