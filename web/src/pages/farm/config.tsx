// The farm's configuration as text: errors where they are, and what would change before it does.
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { call, type Failure } from '../../core/api';
import { useForm } from '../../core/form';
import { useLoad } from '../../core/load';
import type { FarmConfig } from '../../core/openapi';
import { toast } from '../../core/store';
import { Trouble } from '../../kit/notice';
import { plural } from '../../kit/text';
import { changesOf, diffLines } from './diff';

/** Where a failure says that it is, from 1; null when it is about the whole. */
function lineOf(failure: Failure | null): number | null {
  const line = Number(failure?.fields.line);
  return Number.isInteger(line) && line > 0 ? line : null;
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
  const { value: inForce, trouble: away, again } = useLoad(() => call<'getFarmConfig'>('/farm/config'), { every: 5000 });
  const [base, setBase] = useState<FarmConfig | null>(null);
  const [draft, setDraft] = useState('');
  const { busy, trouble, failure, run, clear } = useForm();
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

  const wrongLine = lineOf(failure);
  useEffect(() => { if (wrongLine !== null) goToLine(area.current, wrongLine); }, [failure]);
  const save = (): void => {
    if (!base || busy || !dirty) return;
    run(async () => {
      const saved = await call<'putFarmConfig'>('/farm/config', { method: 'PUT', body: { text: draft, version: base.version } });
      setBase(saved);
      setDraft(saved.text);
      toast('In force. Nothing was restarted and no flag was touched.');
      again();
    });
  };
  if (!base) return <Trouble text={away} />;
  const newer = inForce !== null && inForce.version !== base.version;
  return (
    <>
      <div className="section-head">
        <span className="muted">{base.path && <><code>{base.path}</code> · </>}version {base.version} · tokens are shown as <code>***</code> and kept when they stay so</span>
        <span className="spring" />
        {dirty && <button type="button" onClick={() => { setDraft(base.text); clear(); }}>Discard</button>}
        <button type="button" className="primary" disabled={!dirty || busy} onClick={save} title="Key: Ctrl+S in the text">{busy ? 'Checking…' : 'Check and put in force'}</button>
      </div>
      {newer && (
        <p className="notice bad" role="alert">
          The file has changed meanwhile. <button type="button" onClick={() => { setBase(inForce); clear(); }}>Compare mine with the new one</button>{' '}
          <button type="button" onClick={() => { setBase(inForce); setDraft(inForce.text); clear(); }}>Take the new one</button>
        </p>
      )}
      {failure && !(failure.reason === 'farm-config-changed' && newer) && (
        <p className="notice bad" role="alert" id="config-trouble">
          {wrongLine !== null && <><button type="button" className="quiet" onClick={() => goToLine(area.current, wrongLine)}>Line {wrongLine}</button>{' '}</>}{trouble} <span>The one before stays in force.</span>
        </p>
      )}
      <Editor text={draft} change={(text) => { setDraft(text); clear(); }} wrongLine={wrongLine} save={save} area={area} />
      <Changes before={base.text} after={draft} />
    </>
  );
}
