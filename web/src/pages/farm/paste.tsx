// Flags by hand: any text; every flag of the configured format in it is taken.
import { useEffect, useState } from 'react';
import { call } from '../../core/api';
import { useForm } from '../../core/form';
import type { FarmReceipt } from '../../core/openapi';
import { say } from '../../core/store';
import { Dialog } from '../../kit/dialog';
import { Notice, Trouble } from '../../kit/notice';
import { receiptWords } from './words';

export function PasteDialog({ shown, hide, pasted }: { shown: boolean; hide: () => void; pasted: () => void }) {
  const [receipt, setReceipt] = useState<FarmReceipt | null>(null);
  const form = useForm((failure) => `Nothing was taken. ${failure.message}`);
  useEffect(() => {
    if (!shown) return;
    setReceipt(null);
    form.clear();
  }, [shown]);
  const send = form.submit(async (fields) => {
    const filled = Object.fromEntries(['text', 'sploit', 'team', 'service'].map((name) => [name, fields.text(name)]).filter(([, value]) => value));
    const done = await call<'pasteFarmFlags'>('/farm/flags/text', { method: 'POST', body: filled, deadlineMs: 60_000 });
    setReceipt(done);
    say(receiptWords(done));
    if (done.received === 0) return;
    fields.reset();
    pasted();
  });
  return (
    <Dialog shown={shown} hide={hide} id="paste" title="Paste flags" className="paste">
      <form onSubmit={send}>
        <label>Any text with flags in it<textarea name="text" rows={8} required spellCheck={false} onKeyDown={(event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) event.currentTarget.form?.requestSubmit(); }} /></label>
        <div className="line-form">
          <label>Sploit<input name="sploit" placeholder="manual" maxLength={100} autoComplete="off" /></label>
          <label>Team<input name="team" placeholder="not named" maxLength={100} autoComplete="off" /></label>
          <label>Service<input name="service" placeholder="not named" maxLength={100} autoComplete="off" /></label>
          <button type="submit" className="primary" disabled={form.busy} title="Key: Ctrl+Enter">{form.busy ? 'Handing in…' : 'Hand in'}</button>
        </div>
      </form>
      {receipt && <Notice tone={receipt.received > 0 ? 'good' : 'bad'}>{receiptWords(receipt)}</Notice>}
      <Trouble text={form.trouble} />
    </Dialog>
  );
}
