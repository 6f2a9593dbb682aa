// The farm's configuration as text: errors where they are, and what would change before it does.
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { call, type Failure } from './api';
import { changesOf, diffLines } from './diff';
import type { FarmConfig } from './farm_types';
import { noteFailure } from './live';
import { Notice } from './parts';
import { useRegular } from './regular';
import { toast } from './store';
import { plural } from './words';

interface Trouble {
  text: string;
  /** Where it is, from 1; null when it is about the whole. */
  line: number | null;
  changed: boolean;
}

function troubleOf(failure: Failure): Trouble {
  const line = Number(failure.fields.line);
  return { text: failure.message, line: Number.isInteger(line) && line > 0 ? line : null, changed: failure.reason === 'farm-config-changed' };
}

/** Puts the cursor at the beginning of a line and the line into view. */
function goToLine(area: HTMLTextAreaElement | null, line: number): void {
  if (!area) return;
  const lines = area.value.split('\n');
  const from = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  area.focus();
  area.setSelectionRange(from, from + (lines[line - 1]?.length ?? 0));
  area.scrollTop = Math.max(0, (line - 4) * (area.scrollHeight / Math.max(1, lines.length)));
}

function Editor({ text, change, wrongLine, save, area }: {
  text: string; change: (text: string) => void; wrongLine: number | null; save: () => void; area: React.RefObject<HTMLTextAreaElement>;
}) {
  const gutter = useRef<HTMLOListElement>(null);
  const lines = text.split('\n').length;
  const key = (event: KeyboardEvent): void => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== 's') return;
    event.preventDefault();
    save();
  };
  return (
    <div className="editor">
      <ol ref={gutter} aria-hidden="true">
        {Array.from({ length: lines }, (_, index) => <li key={index} className={index + 1 === wrongLine ? 'wrong' : ''}>{index + 1}</li>)}
      </ol>
      <textarea
        ref={area} value={text} onChange={(event) => change(event.target.value)} onKeyDown={key} aria-label="farm.toml" spellCheck={false} autoCapitalize="none" wrap="off"
        rows={Math.min(40, Math.max(12, lines + 1))} onScroll={(event) => { if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop; }}
        aria-invalid={wrongLine !== null} aria-describedby={wrongLine !== null ? 'config-trouble' : undefined}
      />
    </div>
  );
}

const SIGNS = { same: ' ', gone: '−', new: '+' };

function Changes({ before, after }: { before: string; after: string }) {
  const lines = useMemo(() => diffLines(before, after), [before, after]);
  const shown = changesOf(lines);
  const of = (kind: string): number => lines.filter((line) => line.kind === kind).length;
  return (
    <section aria-labelledby="diff-title">
      <div className="section-head"><h2 id="diff-title">What changes</h2><span className="muted count">{plural(of('new'), 'line')} in, {of('gone')} out</span></div>
      {shown.length === 0
        ? <p className="muted">Nothing yet.</p>
        : (
          <div className="table-frame diff" tabIndex={0} role="group" aria-label="Changed lines">
            {shown.map((line, index) => (line === null
              ? <div key={index} className="gap" aria-hidden="true">⋯</div>
              : <div key={index} className={line.kind}><span className="diff-line" aria-hidden="true">{line.line}</span><span className="diff-sign">{SIGNS[line.kind]}<span className="offscreen">{line.kind === 'gone' ? 'out: ' : line.kind === 'new' ? 'in: ' : ''}</span></span>{line.text || ' '}</div>))}
          </div>
        )}
    </section>
  );
}

export function ConfigPage() {
  const { value: inForce, trouble: away, again } = useRegular(() => call<FarmConfig>('/farm/config'), 5000, 'farm-config');
  const [base, setBase] = useState<FarmConfig | null>(null);
  const [draft, setDraft] = useState('');
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [busy, setBusy] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const dirty = base !== null && draft !== base.text;

  // Somebody else's change comes in by itself while nothing is typed here; otherwise it is offered.
  useEffect(() => {
    if (inForce && !dirty && inForce.version !== base?.version) {
      setBase(inForce);
      setDraft(inForce.text);
    }
  }, [inForce?.version, dirty]);
  useEffect(() => {
    if (!dirty) return undefined;
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [dirty]);

  const save = async (): Promise<void> => {
    if (!base || busy || !dirty) return;
    setBusy(true);
    setTrouble(null);
    try {
      const saved = await call<FarmConfig>('/farm/config', { method: 'PUT', body: { text: draft, version: base.version } });
      setBase(saved);
      setDraft(saved.text);
      toast('In force. Nothing was restarted and no flag was touched.');
      again();
    } catch (error) {
      noteFailure(error);
      const found = troubleOf(error as Failure);
      setTrouble(found);
      if (found.line !== null) goToLine(area.current, found.line);
    } finally {
      setBusy(false);
    }
  };
  if (!base) return away ? <Notice tone="bad">{away}</Notice> : null;
  const newer = inForce !== null && inForce.version !== base.version;
  return (
    <>
      <div className="section-head">
        <span className="muted">{base.path && <><code>{base.path}</code> · </>}version {base.version} · tokens are shown as <code>***</code> and kept when they stay so</span>
        <span className="spring" />
        {dirty && <button type="button" onClick={() => { setDraft(base.text); setTrouble(null); }}>Discard</button>}
        <button type="button" className="primary" disabled={!dirty || busy} onClick={() => void save()} title="Key: Ctrl+S in the text">{busy ? 'Checking…' : 'Check and put in force'}</button>
      </div>
      {newer && (
        <p className="notice bad" role="alert">
          The file has changed meanwhile. <button type="button" onClick={() => { setBase(inForce); setTrouble(null); }}>Compare mine with the new one</button>{' '}
          <button type="button" onClick={() => { setBase(inForce); setDraft(inForce.text); setTrouble(null); }}>Take the new one</button>
        </p>
      )}
      {trouble && !(trouble.changed && newer) && (
        <p className="notice bad" role="alert" id="config-trouble">
          {trouble.line !== null && <><button type="button" className="quiet" onClick={() => goToLine(area.current, trouble.line ?? 1)}>Line {trouble.line}</button>{' '}</>}{trouble.text} <span>The one before stays in force.</span>
        </p>
      )}
      <Editor text={draft} change={(text) => { setDraft(text); setTrouble(null); }} wrongLine={trouble?.line ?? null} save={() => void save()} area={area} />
      <Changes before={base.text} after={draft} />
    </>
  );
}
