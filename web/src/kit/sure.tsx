import { useState } from 'react';

/** Asks once more, in the button itself, before it destroys. */
export function Sure({ label, question, run }: { label: string; question: string; run: () => void }) {
  const [asked, setAsked] = useState(false);
  return asked
    ? <button type="button" className="danger" onClick={() => { setAsked(false); run(); }} onBlur={() => setAsked(false)}>{question}</button>
    : <button type="button" className="quiet" onClick={() => setAsked(true)}>{label}</button>;
}
