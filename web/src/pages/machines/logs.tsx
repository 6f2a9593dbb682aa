import { useEffect, useRef, useState } from 'react';
import { asFailure, failureOf } from '../../core/api';
import type { Instance } from '../../core/openapi';
import { CopyButton } from '../../kit/copy';

/** What the machines of an instance write, as they write it. */
export function Logs({ instance }: { instance: Instance }) {
  const names = instance.machines.map((machine) => machine.name);
  const [machine, setMachine] = useState(names[0] ?? '');
  const [text, setText] = useState('');
  const [trouble, setTrouble] = useState('');
  const end = useRef<HTMLPreElement>(null);
  useEffect(() => {
    const abort = new AbortController();
    setText('');
    setTrouble('');
    const read = async (): Promise<void> => {
      const query = new URLSearchParams({ tail: '200', follow: '1' });
      if (machine) query.set('machine', machine);
      const response = await fetch(`/api/v1/instances/${encodeURIComponent(instance.id)}/logs?${query}`, { signal: abort.signal });
      if (!response.ok) throw await failureOf(response);
      const reader = response.body?.getReader();
      const decoder = new TextDecoder();
      for (;;) {
        const part = await reader?.read();
        if (!part || part.done) break;
        const more = decoder.decode(part.value, { stream: true });
        // A chatty machine must not fill the page's memory.
        setText((before) => (before + more).slice(-60_000));
      }
    };
    read().catch((error: unknown) => {
      if (!abort.signal.aborted) setTrouble(asFailure(error).message);
    });
    return () => abort.abort();
  }, [instance.id, machine]);
  useEffect(() => { end.current?.scrollTo(0, end.current.scrollHeight); }, [text]);
  return (
    <div className="logs">
      <div className="logs-head">
        <span className="label">Output</span>
        {names.length > 1 && (
          <select aria-label="Machine" value={machine} onChange={(event) => setMachine(event.target.value)}>
            {names.map((name) => <option key={name}>{name}</option>)}
          </select>
        )}
        <span className="spring" />
        {text && <CopyButton text={text} what="the output" />}
      </div>
      <pre ref={end} tabIndex={0} aria-label={`Output of ${machine || 'the machine'}`}>{trouble || text || 'Nothing written yet.'}</pre>
    </div>
  );
}
