// The wire to a shell in a machine: binary frames are what is typed and printed, a text frame {"resize": [columns, rows]}
// tells the size (api/openapi.yaml, /instances/{id}/terminal).
import { call } from '../../core/api';

export interface ShellEvents {
  opened: () => void;
  printed: (bytes: Uint8Array) => void;
  /** `said` is the server's reason (`exit code 0`); empty where the connection broke. `wasOpen` is false when it never stood. */
  closed: (said: string, wasOpen: boolean) => void;
}

export interface Shell {
  type: (bytes: Uint8Array) => void;
  resize: (columns: number, rows: number) => void;
  close: () => void;
}

export function openShell(instance: string, machine: string, columns: number, rows: number, on: ShellEvents): Shell {
  const query = new URLSearchParams({ cols: String(columns), rows: String(rows) });
  if (machine) query.set('machine', machine);
  const path = `/instances/${encodeURIComponent(instance)}`;
  let socket: WebSocket | null = null;
  let wasOpen = false;
  let over = false;
  const open = async (): Promise<void> => {
    try {
      const { grant } = await call<'openGrant'>(`${path}/grants`, { method: 'POST', body: { kind: 'terminal', machine } });
      query.set('grant', grant);
    } catch {
      // Why, `closed` finds out: the machine may have ended meanwhile.
      if (!over) on.closed('', false);
      return;
    }
    if (over) return;
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    socket = new WebSocket(`${scheme}://${location.host}/api/v1${path}/terminal?${query}`);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      wasOpen = true;
      on.opened();
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (typeof event.data !== 'string') on.printed(new Uint8Array(event.data));
    };
    socket.onclose = (event) => {
      if (!over) on.closed(event.code === 1000 ? event.reason : '', wasOpen);
    };
  };
  void open();
  const send = (data: Uint8Array | string): void => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(data);
  };
  return {
    type: send,
    resize: (wide, high) => send(JSON.stringify({ resize: [wide, high] })),
    close: () => {
      over = true;
      socket?.close();
    },
  };
}

/** How much printed text may wait for the screen before more of it is left out, in bytes. */
const MOST_WAITING = 4 * 1024 * 1024;

/**
 * Puts what a machine prints on a screen that may be slower than the machine: beyond MOST_WAITING it is left out and counted,
 * and the count is said once the screen has caught up. The alternative is a page that hangs under `yes`.
 */
export function pacedWriter(write: (data: Uint8Array | string, done: () => void) => void): (bytes: Uint8Array) => void {
  let waiting = 0;
  let skipped = 0;
  const done = (size: number) => (): void => {
    waiting -= size;
    if (waiting === 0 && skipped > 0) {
      const megabytes = Math.max(1, Math.round(skipped / 1024 / 1024));
      skipped = 0;
      write(`\r\n\x1b[0m\x1b[7m ${megabytes} MB of output left out \x1b[0m\r\n`, () => {});
    }
  };
  return (bytes) => {
    if (waiting > MOST_WAITING) {
      skipped += bytes.length;
      return;
    }
    waiting += bytes.length;
    write(bytes, done(bytes.length));
  };
}

/** What the key Ctrl makes of a character: `c` becomes 0x03. Anything else stays as it is. */
export function withCtrl(text: string): string {
  return /^[a-z@[\\\]^_ ?]$/i.test(text) ? (text === '?' ? '\x7f' : String.fromCharCode(text.toUpperCase().charCodeAt(0) & 31)) : text;
}
