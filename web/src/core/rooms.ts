// The wire to the server's rooms (docs/realtime.md): one Socket.IO connection for the page, joined to the rooms that
// somebody on it follows. What was missed while the connection was away comes by itself, or the room says that it cannot tell.
import type { Socket } from 'socket.io-client';

export interface News {
  /** `joined`: from here on everything is told; what was before is in `snapshot`, or must be asked for. Else the room's own word for it. */
  event: string;
  body: Record<string, unknown>;
}
type Listener = (news: News) => void;

interface Followed {
  listeners: Set<Listener>;
  joined: boolean;
  /** Where in the log it stands; empty: it has no history. */
  offset: string;
}

interface Answer {
  ok: boolean;
  recovered?: boolean;
  offset?: string;
  snapshot?: unknown;
}

export interface Wire {
  down: () => void;
  /** The server let nobody in; `reason` is its word for why. */
  refused: (reason: string) => void;
}

const ANSWER_MS = 10_000;
const AGAIN_MS = 5000;

const rooms = new Map<string, Followed>();
let socket: Socket | null = null;
let againTimer: ReturnType<typeof setTimeout> | undefined;
/** Grows with each opening and closing: what is loaded for one that is over is not used. */
let turn = 0;

function tell(room: Followed, news: News): void {
  for (const listener of room.listeners) listener(news);
}

function join(name: string, room: Followed): void {
  const asked = socket;
  if (!asked?.connected) return;
  const from = room.offset ? { since: room.offset } : {};
  asked.timeout(ANSWER_MS).emit('join', name, from, (error: Error | null, answer: Answer) => {
    if (asked !== socket || rooms.get(name) !== room) return;
    // Who follows a room that cannot be joined goes on asking by itself.
    room.joined = !error && answer.ok;
    if (!room.joined) return;
    room.offset = answer.offset ?? '';
    if (!answer.recovered) tell(room, { event: 'joined', body: { snapshot: answer.snapshot } });
  });
}

function onNews(event: string, body: unknown, offset: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  const told = body as Record<string, unknown>;
  const room = rooms.get(String(told.room));
  if (!room) return;
  if (typeof offset === 'string') room.offset = offset;
  tell(room, { event, body: told });
}

/** Connects, and comes back by itself until `closeRooms`. WebSocket first; long polling where that does not get through. */
export function openRooms(wire: Wire): void {
  closeRooms();
  const mine = turn;
  // The client is not needed to show something, so it comes after what is.
  import('socket.io-client').then(({ io }) => {
    if (mine === turn) wireUp(io({ transports: ['websocket', 'polling'], tryAllTransports: true, reconnectionDelay: 500, reconnectionDelayMax: AGAIN_MS }), wire);
  }, () => {
    againTimer = setTimeout(() => { if (mine === turn) openRooms(wire); }, AGAIN_MS);
  });
}

function wireUp(opened: Socket, wire: Wire): void {
  socket = opened;
  opened.on('connect', () => {
    for (const [name, room] of rooms) {
      if (!opened.recovered) room.joined = false;
      if (room.joined) tell(room, { event: 'recovered', body: {} });
      else join(name, room);
    }
  });
  opened.onAny(onNews);
  opened.on('disconnect', () => wire.down());
  opened.on('connect_error', (error: Error & { data?: { reason?: string } }) => {
    wire.down();
    // A network that is away is tried again by the client itself; a refusal is not.
    if (opened.active) return;
    wire.refused(error.data?.reason ?? error.message);
    againTimer = setTimeout(() => { if (socket === opened) opened.connect(); }, AGAIN_MS);
  });
}

export function closeRooms(): void {
  turn += 1;
  clearTimeout(againTimer);
  socket?.disconnect();
  socket = null;
  for (const room of rooms.values()) {
    room.joined = false;
    room.offset = '';
  }
}

/** Whether news of the room comes by itself at the moment. */
export const isJoined = (name: string): boolean => socket?.connected === true && rooms.get(name)?.joined === true;

/** Follows a room until the answer is called; several may follow the same one. */
export function follow(name: string, listener: Listener): () => void {
  const known = rooms.get(name);
  const room = known ?? { listeners: new Set(), joined: false, offset: '' };
  room.listeners.add(listener);
  if (!known) {
    rooms.set(name, room);
    join(name, room);
  }
  return () => {
    room.listeners.delete(listener);
    if (room.listeners.size > 0 || rooms.get(name) !== room) return;
    rooms.delete(name);
    if (room.joined && socket?.connected) socket.emit('leave', name);
  };
}
