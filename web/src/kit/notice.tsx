import type { ReactNode } from 'react';

/** A message beside a form field or button. */
export function Notice({ tone, children }: { tone: 'bad' | 'good' | 'plain'; children: ReactNode }) {
  return <p className={`notice ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>{children}</p>;
}

/** What went wrong, where something did. */
export function Trouble({ text }: { text: string }) {
  return text ? <Notice tone="bad">{text}</Notice> : null;
}

/** Where nothing is yet: what it would be, and the first step. */
export function Empty({ title, children }: { title: string; children: ReactNode }) {
  return <div className="empty"><p className="empty-title">{title}</p><div>{children}</div></div>;
}
