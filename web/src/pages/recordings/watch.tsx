// One recording: /recordings/ID. Played, sped up, gone through, and searched.
import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import { asFailure, call, failureOf } from '../../core/api';
import { When } from '../../core/clock';
import { useLoad } from '../../core/load';
import { go, useQuery } from '../../core/route';
import { bytes, countdown } from '../../core/time';
import { Icon } from '../../kit/icon';
import { Notice, Trouble } from '../../kit/notice';
import { makeScreen } from '../../kit/screen';
import { Search } from '../../kit/search';
import { CastReader, find, linesOf, type Cast, type Line } from './cast';
import { Player, type PlayerState } from './player';

const SPEEDS = [0.5, 1, 2, 4, 8, 16];
const STEP_S = 5;
/** What a pause becomes where pauses are cut. */
const CUT_S = 1;

/** Loads the recording as it is by now, piece by piece. */
async function load(path: string, signal: AbortSignal): Promise<Cast> {
  const response = await fetch(`/api/v1${path}/file`, { credentials: 'same-origin', signal });
  if (!response.ok) throw await failureOf(response);
  const reader = new CastReader();
  const text = new TextDecoder();
  const body = response.body?.getReader();
  for (;;) {
    const piece = await body?.read();
    if (!piece || piece.done) break;
    reader.take(text.decode(piece.value, { stream: true }));
  }
  if (reader.wrong) throw new Error('This file is no recording.');
  return reader.cast;
}

function useCast(path: string): { cast: Cast | null; trouble: string } {
  const [cast, setCast] = useState<Cast | null>(null);
  const [trouble, setTrouble] = useState('');
  useEffect(() => {
    const control = new AbortController();
    load(path, control.signal).then(setCast, (error: unknown) => {
      if (!control.signal.aborted) setTrouble(error instanceof TypeError ? 'The recording did not come whole. Load the page again.' : asFailure(error).message.replace(/^Error: /, ''));
    });
    return () => control.abort();
  }, [path]);
  return { cast, trouble };
}

const IDLE: PlayerState = { playing: false, now: 0, length: 0, seeking: false };

function usePlayer(cast: Cast | null) {
  const holder = useRef<HTMLDivElement>(null);
  const player = useRef<Player | null>(null);
  const [state, setState] = useState(IDLE);
  useEffect(() => {
    const element = holder.current;
    if (!element || !cast) return undefined;
    // Where links of it lead is for nobody to follow, and what it asks of a terminal is answered by none.
    const { screen, dispose } = makeScreen(element, { disableStdin: true, scrollback: 1000, cursorBlink: false, linkHandler: { activate: () => {} } });
    const made = new Player(cast, screen, setState);
    player.current = made;
    made.pauses(CUT_S);
    made.play();
    return () => {
      made.end();
      dispose();
      player.current = null;
    };
  }, [cast]);
  return { holder, player, state };
}

const clock = (seconds: number): string => countdown(Math.floor(seconds) * 1000);

function Found({ lines, seek }: { lines: Line[]; seek: (at: number) => void }) {
  const [words, setWords] = useQuery('text');
  const found = find(lines, words);
  return (
    <div className="recording-found">
      <Search value={words} set={setWords} placeholder="Search what was shown" label="Search the recording's text" maxLength={200} />
      {words.trim() !== '' && <p className="muted" role="status">{found.length === 0 ? 'Nothing was shown that has this text.' : found.length === 200 ? 'The first 200 places:' : `${found.length} ${found.length === 1 ? 'place' : 'places'}:`}</p>}
      {found.length > 0 && (
        <ol>
          {found.map((line, index) => (
            <li key={index}><button type="button" className="quiet" onClick={() => seek(line.at)}><span className="muted">{clock(line.at)}</span> <span className="mono">{line.text}</span></button></li>
          ))}
        </ol>
      )}
    </div>
  );
}

export function Watch({ id }: { id: string }) {
  const path = `/recordings/${encodeURIComponent(id)}`;
  const { value, trouble } = useLoad(() => call<'getRecording'>(path), { key: id });
  const { cast, trouble: broken } = useCast(path);
  const { holder, player, state } = usePlayer(cast);
  const [speed, setSpeed] = useState(1);
  const [cut, setCut] = useState(true);
  const [lines, setLines] = useState<Line[]>([]);
  useEffect(() => { setLines(cast ? linesOf(cast.moments) : []); }, [cast]);
  const toggle = (): void => { if (state.playing) player.current?.pause(); else player.current?.play(); };
  const seek = (to: number): void => { void player.current?.seek(to); };
  const onKey = (event: KeyboardEvent): void => {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === ' ' && !(event.target instanceof HTMLButtonElement)) toggle();
    else if (event.key === 'ArrowLeft') seek(state.now - STEP_S);
    else if (event.key === 'ArrowRight') seek(state.now + STEP_S);
    else return;
    event.preventDefault();
  };
  return (
    <section className="recording-page" aria-labelledby="recording-title" onKeyDown={onKey}>
      <div className="section-head">
        <h1 id="recording-title">Recording of {value?.machine ?? '…'}</h1>
        {value && <span className="muted"><When at={value.started_at} /> by {value.by}, {bytes(value.size)}</span>}
        <span className="spring" />
        <a className="button quiet" href={`/api/v1${path}/file`} download={`recording-${id}.cast`}>Download</a>
        <button type="button" onClick={() => go('/recordings')}><Icon name="close" />Leave</button>
      </div>
      <Trouble text={trouble || broken} />
      {value && value.ended_at === null && <Notice tone="plain">It is still being recorded: this is what was shown by now.</Notice>}
      {value?.end_reason === 'full' && <Notice tone="plain">It was full, and its terminal was closed with it.</Notice>}
      {value?.end_reason === 'server-away' && <Notice tone="plain">The server went away while it was recorded: its last second may be missing.</Notice>}
      {!cast && !trouble && !broken && <p className="muted" role="status">Loading…</p>}
      <div ref={holder} className="recording-screen" data-state={!cast ? 'loading' : state.seeking ? 'seeking' : state.playing ? 'playing' : 'paused'} tabIndex={0} role="group" aria-label="What was shown. Space plays, the arrows go back and forth" />
      <div className="recording-bar" role="group" aria-label="Player">
        <button type="button" className="primary" onClick={toggle} disabled={!cast} title="Key: Space">{state.playing ? 'Pause' : 'Play'}</button>
        <input
          type="range" min={0} max={state.length || 1} step={0.1} value={state.now} disabled={!cast} aria-label="Place" aria-valuetext={`${clock(state.now)} of ${clock(state.length)}`}
          onChange={(event) => seek(Number(event.target.value))}
        />
        <span className="recording-time" data-now={state.now.toFixed(2)}>{clock(state.now)} / {clock(state.length)}</span>
        <label>Speed <select value={speed} onChange={(event) => { const next = Number(event.target.value); setSpeed(next); if (player.current) player.current.speed = next; }}>
          {SPEEDS.map((each) => <option key={each} value={each}>{each} ×</option>)}
        </select></label>
        <label><input type="checkbox" checked={cut} onChange={(event) => { setCut(event.target.checked); player.current?.pauses(event.target.checked ? CUT_S : Infinity); }} /> Without pauses</label>
      </div>
      {cast && <Found lines={lines} seek={(at) => seek(player.current?.timeOf(at) ?? 0)} />}
    </section>
  );
}
