// The screen of a machine, in the page: /desktop/ID. Loaded on demand, because noVNC is larger than the rest.
import RFB from '@novnc/novnc';
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
import { openScreen, wordsFor } from './socket';
import './style.css';

type Phase = 'connecting' | 'open' | 'ended' | 'refused';

const PHASES: Record<Phase, Look> = {
  connecting: { word: 'Connecting', tone: 'busy', shape: 'ring' },
  open: { word: 'Connected', tone: 'good', shape: 'disc' },
  ended: { word: 'Ended', tone: 'off', shape: 'square' },
  refused: { word: 'No desktop', tone: 'bad', shape: 'triangle' },
};

/** Why a connection never stood: the server can say it in words, a WebSocket cannot. */
async function whyRefused(id: string): Promise<string> {
  try {
    const instance = await call<'getInstance'>(`/instances/${encodeURIComponent(id)}`);
    if (instance.state === 'running' || instance.state === 'paused') return 'You have this desktop open too many times, or the way to it is blocked between here and the server.';
    return `The machine does not run: it is ${instanceLook(instance.state).word.toLowerCase()}.`;
  } catch (error) {
    return asFailure(error).message;
  }
}

/** The screen and its connection; `machine` is undefined until it is known. A new `turn` is a new connection. */
function useScreen(id: string, machine: string | undefined, watch: boolean) {
  const holder = useRef<HTMLDivElement>(null);
  const screen = useRef<RFB | null>(null);
  const [phase, setPhase] = useState<Phase>('connecting');
  const [text, setText] = useState('');
  const [clipboard, setClipboard] = useState('');
  const [turn, setTurn] = useState(0);

  useEffect(() => {
    const target = holder.current;
    if (!target || machine === undefined) return undefined;
    let over = false;
    let wasOpen = false;
    const enter = (next: Phase, words: string): void => {
      if (over) return;
      setPhase(next);
      setText(words);
      if (words) say(words);
    };
    const refused = (): void => void whyRefused(id).then((why) => enter('refused', why));
    enter('connecting', '');
    const open = async (): Promise<void> => {
      const socket = await openScreen(id, machine, watch);
      if (over) return socket.close();
      const made = new RFB(target, socket, { shared: true });
      screen.current = made;
      made.viewOnly = watch;
      made.scaleViewport = true;
      made.background = 'transparent';
      made.addEventListener('connect', () => {
        wasOpen = true;
        enter('open', '');
        made.focus({ preventScroll: true });
      });
      made.addEventListener('clipboard', (event) => setClipboard((event as CustomEvent<{ text: string }>).detail.text));
      socket.addEventListener('close', (event) => {
        if (wasOpen || event.reason) enter('ended', wordsFor(event.reason));
        else refused();
      });
      return undefined;
    };
    open().catch(refused);
    return () => {
      over = true;
      screen.current?.disconnect();
      screen.current = null;
    };
  }, [id, machine, watch, turn]);

  return { holder, screen, phase, text, clipboard, again: () => setTurn((before) => before + 1) };
}

/** One's own machine as it is known already; somebody else's is asked for. */
function useInstance(id: string): { instance: Instance | null; trouble: string } {
  const mine = useStore().instances[id];
  const { value, trouble } = useLoad(async () => mine ?? call<'getInstance'>(`/instances/${encodeURIComponent(id)}`), { key: `${id} ${mine === undefined}` });
  return { instance: mine ?? value, trouble: mine ? '' : trouble };
}

async function paste(screen: RFB | null): Promise<void> {
  try {
    screen?.clipboardPasteFrom(await navigator.clipboard.readText());
    toast('The machine’s clipboard has it now.');
  } catch {
    toast('The browser does not let the page read the clipboard.');
  }
  screen?.focus();
}

async function take(text: string): Promise<void> {
  if (!text) toast('Nothing was copied in the machine yet.');
  else toast((await copy(text)) ? 'Copied.' : 'Copying is not allowed here.');
}

export default function DesktopPage() {
  const id = usePath().split('/')[2] ?? '';
  const { instance, trouble } = useInstance(id);
  const [watch, setWatch] = useQuery('watch');
  const watching = watch === '1';
  const { loaded, templates } = useStore();
  const machine = instance ? templates[instance.template]?.desktop?.machine : undefined;
  const none = loaded && instance !== null && machine === undefined;
  const { holder, screen, phase, text, clipboard, again } = useScreen(id, machine, watching);
  return (
    <section className="desktop-page" aria-labelledby="desktop-title">
      <div className="section-head">
        <h1 id="desktop-title">{instance?.template_name ?? 'Desktop'}</h1>
        <Mark {...PHASES[none ? 'refused' : phase]} />
        {instance?.expires_at && <Left until={instance.expires_at} />}
        <span className="spring" />
        <button type="button" className="quiet" aria-pressed={watching} onClick={() => setWatch(watching ? '' : '1')} title="Only looks: keys and the pointer stay here">Watch only</button>
        <button type="button" className="quiet" onClick={() => void take(clipboard)} title="What was copied in the machine">Copy</button>
        <button type="button" className="quiet" disabled={watching} onClick={() => void paste(screen.current)} title="Puts your clipboard’s text into the machine’s">Paste</button>
        <button type="button" className="quiet" disabled={watching} onClick={() => { screen.current?.sendCtrlAltDel(); screen.current?.focus(); }}>Ctrl+Alt+Del</button>
        <button type="button" className="quiet" onClick={() => void holder.current?.requestFullscreen().then(() => screen.current?.focus())}>Full screen</button>
        <button type="button" onClick={() => go('/')}><Icon name="close" />Leave</button>
      </div>
      <Trouble text={trouble || (none ? 'This machine has no desktop.' : '')} />
      <div ref={holder} className="screen" data-phase={phase} />
      {text && (
        <div className="desktop-end">
          <Notice tone={phase === 'ended' ? 'plain' : 'bad'}>{text}</Notice>
          <button type="button" className="primary" onClick={again}>Connect again</button>
        </div>
      )}
      <p className="muted desktop-keys">Keys go to the machine while the screen has the focus; a click on this line takes them back.</p>
    </section>
  );
}
