// Flags by hand: any text; every flag of the configured format in it is taken.
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { call, type Failure } from './api';
import type { FarmReceipt } from './farm_types';
import { receiptWords } from './farm_words';
import { noteFailure } from './live';
import { Icon, Notice } from './parts';
import { say } from './store';

export function PasteDialog({ shown, hide, pasted }: { shown: boolean; hide: () => void; pasted: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const [receipt, setReceipt] = useState<FarmReceipt | null>(null);
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (shown && !dialog.current?.open) {
      setReceipt(null);
      setTrouble('');
      dialog.current?.showModal();
      dialog.current?.querySelector('textarea')?.focus();
    }
    if (!shown) dialog.current?.close();
  }, [shown]);
  const send = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const data = new FormData(form.current ?? undefined);
    const filled = Object.fromEntries(['text', 'sploit', 'team', 'service'].map((name) => [name, String(data.get(name) ?? '').trim()]).filter(([, value]) => value));
    setBusy(true);
    setTrouble('');
    try {
      const done = await call<FarmReceipt>('/farm/flags/text', { method: 'POST', body: filled, deadlineMs: 60_000 });
      setReceipt(done);
      say(receiptWords(done));
      if (done.received > 0) {
        form.current?.reset();
        pasted();
      }
    } catch (error) {
      noteFailure(error);
      setTrouble(`Nothing was taken. ${(error as Failure).message}`);
    } finally {
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} className="paste" onClose={hide} onClick={(event) => { if (event.target === dialog.current) hide(); }} aria-labelledby="paste-title">
      <div className="section-head"><h2 id="paste-title">Paste flags</h2><span className="spring" /><button type="button" className="icon-button" onClick={hide} aria-label="Close"><Icon name="close" /></button></div>
      <form ref={form} onSubmit={(event) => void send(event)}>
        <label>Any text with flags in it<textarea name="text" rows={8} required spellCheck={false} onKeyDown={(event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.current?.requestSubmit(); }} /></label>
        <div className="line-form">
          <label>Sploit<input name="sploit" placeholder="manual" maxLength={100} autoComplete="off" /></label>
          <label>Team<input name="team" placeholder="not named" maxLength={100} autoComplete="off" /></label>
          <label>Service<input name="service" placeholder="not named" maxLength={100} autoComplete="off" /></label>
          <button type="submit" className="primary" disabled={busy} title="Key: Ctrl+Enter">{busy ? 'Handing in…' : 'Hand in'}</button>
        </div>
      </form>
      {receipt && <Notice tone={receipt.received > 0 ? 'good' : 'bad'}>{receiptWords(receipt)}</Notice>}
      {trouble && <Notice tone="bad">{trouble}</Notice>}
    </dialog>
  );
}
