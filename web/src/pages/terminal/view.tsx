// A shell in a machine, in the page: /terminal/ID?machine=NAME. Loaded on demand, because xterm.js is larger than the rest.
import { FitAddon } from '@xterm/addon-fit';
import type { Terminal as Xterm } from '@xterm/xterm';
import { useEffect, useRef, useState } from 'react';
import { asFailure, call } from '../../core/api';
import { Left } from '../../core/clock';
import { useLoad } from '../../core/load';
import type { Instance } from '../../core/openapi';
import { go, usePath, useQuery } from '../../core/route';
import { say, toast, useStore } from '../../core/store';
import { instanceLook } from '../../core/words';
import { copy } from '../../kit/copy';
import { Icon } from '../../kit/icon';
import type { Look } from '../../kit/look';
import { Mark } from '../../kit/mark';
import { Notice, Trouble } from '../../kit/notice';
import { makeScreen } from '../../kit/screen';
import { openShell, pacedWriter, withCtrl, type Shell } from './socket';
import './style.css';

type Phase = 'connecting' | 'open' | 'ended' | 'lost' | 'refused';

const PHASES: Record<Phase, Look> = {
  connecting: { word: 'Connecting', tone: 'busy', shape: 'ring' },
  open: { word: 'Connected', tone: 'good', shape: 'disc' },
  ended: { word: 'Ended', tone: 'off', shape: 'square' },
  lost: { word: 'Connection lost', tone: 'bad', shape: 'triangle' },
  refused: { word: 'No shell', tone: 'bad', shape: 'triangle' },
};

/** Keys that a phone's keyboard does not have, as what they send. */
const TOUCH_KEYS: [string, string][] = [['Esc', '\x1b'], ['Tab', '\t'], ['←', '\x1b[D'], ['↑', '\x1b[A'], ['↓', '\x1b[B'], ['→', '\x1b[C']];

const utf8 = new TextEncoder();

/** Why a connection never stood: the server can say it in words, a WebSocket cannot. */
async function whyRefused(id: string): Promise<string> {
  try {
    const instance = await call<'getInstance'>(`/instances/${encodeURIComponent(id)}`);
    if (instance.state === 'running' || instance.state === 'paused') return 'The machine runs, but has no shell to offer, or the way to it is blocked between here and the server.';
    return `The machine does not run: it is ${instanceLook(instance.state).word.toLowerCase()}.`;
  } catch (error) {
    return asFailure(error).message;
  }
}

/** The screen, its connection and what they say. A new `turn` is a new shell on the same screen. */
function useTerminal(id: string, machine: string, reader: boolean) {
  const holder = useRef<HTMLDivElement>(null);
  const screen = useRef<Xterm | null>(null);
  const shell = useRef<Shell | null>(null);
  const ctrl = useRef(false);
  const phaseNow = useRef<Phase>('connecting');
  const [phase, setPhase] = useState<Phase>('connecting');
  const [text, setText] = useState('');
  const [held, setHeld] = useState(false);
  const [turn, setTurn] = useState(0);

  const hold = (on: boolean): void => {
    ctrl.current = on;
    setHeld(on);
  };
  const enter = (next: Phase, words: string): void => {
    phaseNow.current = next;
    setPhase(next);
    setText(words);
    if (words) say(words);
  };
  const type = (data: string): void => {
    if (phaseNow.current === 'open') {
      shell.current?.type(utf8.encode(ctrl.current ? withCtrl(data) : data));
      if (ctrl.current) hold(false);
    } else if (data === '\r' && phaseNow.current !== 'connecting') {
      setTurn((before) => before + 1);
    }
  };

  useEffect(() => {
    if (!holder.current) return undefined;
    const element = holder.current;
    const { screen: made, dispose } = makeScreen(element, { scrollback: 5000, cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches });
    const fit = new FitAddon();
    made.loadAddon(fit);
    fit.fit();
    screen.current = made;
    made.onData(type);
    made.onBinary((data) => shell.current?.type(Uint8Array.from(data, (each) => each.charCodeAt(0))));
    made.onResize(({ cols, rows }) => shell.current?.resize(cols, rows));
    made.attachCustomKeyEventHandler((event) => onShellKey(event, made));
    const watcher = new ResizeObserver(() => fit.fit());
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      dispose();
      screen.current = null;
    };
  }, []);

  useEffect(() => { if (screen.current) screen.current.options.screenReaderMode = reader; }, [reader]);

  // Another machine begins with an empty screen; a new shell in the same one goes on below the old.
  useEffect(() => { screen.current?.reset(); }, [id, machine]);

  useEffect(() => {
    const on = screen.current;
    if (!on) return undefined;
    let over = false;
    enter('connecting', '');
    const opened = openShell(id, machine, on.cols, on.rows, {
      opened: () => {
        enter('open', '');
        // The window may have changed while the connection was made.
        opened.resize(on.cols, on.rows);
        on.focus();
      },
      printed: pacedWriter((data, done) => on.write(data, done)),
      closed: (said, wasOpen) => {
        on.write('\r\n');
        if (!wasOpen) void whyRefused(id).then((why) => { if (!over) enter('refused', why); });
        else if (said) enter('ended', `The shell has ended (${said}).`);
        else enter('lost', 'The connection was lost. What ran in the shell was stopped with it.');
      },
    });
    shell.current = opened;
    return () => {
      over = true;
      opened.close();
      shell.current = null;
    };
  }, [id, machine, turn]);

  return { holder, screen, phase, text, held, hold, type, again: () => { setTurn((before) => before + 1); screen.current?.focus(); } };
}

/** Keys that the page keeps for itself; everything else goes to the machine, Tab and Esc included. */
function onShellKey(event: KeyboardEvent, screen: Xterm): boolean {
  if (!event.ctrlKey || !event.shiftKey || event.type !== 'keydown') return true;
  switch (event.code) {
    case 'KeyC':
      event.preventDefault();
      if (screen.hasSelection()) void copy(screen.getSelection()).then(() => screen.focus());
      return false;
    // The browser pastes by itself when xterm.js leaves it the key.
    case 'KeyV': return false;
    case 'KeyX':
      event.preventDefault();
      document.getElementById('leave-terminal')?.focus();
      return false;
    default: return true;
  }
}

/** One's own machine as it is known already; somebody else's is asked for. */
function useInstance(id: string): { instance: Instance | null; trouble: string } {
  const mine = useStore().instances[id];
  const { value, trouble } = useLoad(async () => mine ?? call<'getInstance'>(`/instances/${encodeURIComponent(id)}`), { key: `${id} ${mine === undefined}` });
  return { instance: mine ?? value, trouble: mine ? '' : trouble };
}

async function copySelection(screen: Xterm | null): Promise<void> {
  const text = screen?.getSelection() ?? '';
  if (!text) toast('Select something in the terminal first.');
  else toast((await copy(text)) ? 'Copied.' : 'Copying is not allowed here.');
  screen?.focus();
}

async function paste(screen: Xterm | null): Promise<void> {
  try {
    screen?.paste(await navigator.clipboard.readText());
  } catch {
    toast('The browser does not let the page read the clipboard. Press Ctrl+Shift+V in the terminal.');
  }
  screen?.focus();
}

export default function TerminalPage() {
  const id = usePath().split('/')[2] ?? '';
  const { instance, trouble } = useInstance(id);
  const [machine, setMachine] = useQuery('machine');
  const [reader, setReader] = useState(false);
  const { holder, screen, phase, text, held, hold, type, again } = useTerminal(id, machine, reader);
  const names = instance?.machines.map((each) => each.name) ?? [];
  const standing = phase === 'open' || phase === 'connecting';
  return (
    <section className="terminal-page" aria-labelledby="terminal-title">
      <div className="section-head">
        <h1 id="terminal-title">{instance?.template_name ?? 'Terminal'}</h1>
        {names.length > 1 && (
          <select aria-label="Machine" value={machine || names[0]} onChange={(event) => setMachine(event.target.value === names[0] ? '' : event.target.value)}>
            {names.map((name) => <option key={name}>{name}</option>)}
          </select>
        )}
        <Mark {...PHASES[phase]} />
        {instance?.expires_at && <Left until={instance.expires_at} />}
        <span className="spring" />
        <button type="button" className="quiet" onClick={() => void copySelection(screen.current)} title="Copies what is selected. Ctrl+Shift+C">Copy</button>
        <button type="button" className="quiet" onClick={() => void paste(screen.current)} title="Ctrl+Shift+V">Paste</button>
        <button type="button" className="quiet" aria-pressed={reader} onClick={() => setReader(!reader)} title="Tells a screen reader what is printed">Read aloud</button>
        <button type="button" id="leave-terminal" onClick={() => go('/')} title="Ctrl+Shift+X, then Enter"><Icon name="close" />Leave</button>
      </div>
      <Trouble text={trouble} />
      {instance && instance.recorded.length > 0 && <Notice tone="plain">This terminal is recorded: what it shows is kept, and you and the staff can see it later. What you type is not.</Notice>}
      <div ref={holder} className="terminal" data-phase={phase} />
      {text && (
        <div className="terminal-end">
          <Notice tone={phase === 'ended' ? 'plain' : 'bad'}>{text}</Notice>
          {!standing && <button type="button" className="primary" onClick={again} title="Key: Enter in the terminal">Open a new shell</button>}
        </div>
      )}
      <div className="touch-keys" role="group" aria-label="Keys">
        <button type="button" aria-pressed={held} onClick={() => { hold(!held); screen.current?.focus(); }}>Ctrl</button>
        {TOUCH_KEYS.map(([name, sends]) => <button type="button" key={name} onClick={() => { type(sends); screen.current?.focus(); }}>{name}</button>)}
      </div>
      <p className="muted terminal-keys"><kbd>Ctrl</kbd> <kbd>Shift</kbd> with <kbd>C</kbd> copies, <kbd>V</kbd> pastes, <kbd>X</kbd> leaves the terminal. Every other key goes to the machine.</p>
    </section>
  );
}
