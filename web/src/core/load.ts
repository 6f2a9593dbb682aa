import { useEffect, useRef, useState } from 'react';
import { asFailure, type Failure } from './api';
import { noteFailure } from './live';
import { follow, isJoined, type News } from './rooms';

/** News of a room makes what it is about be asked for anew, but not more often than this. */
const GAP_MS = 400;
/** How much more seldom one asks by the clock while news comes by itself. */
const SELDOM = 15;

/**
 * Calls `look` every `everyMs`, and at most `gapMs` after each news of `room` (empty: none) unless `take` has all of it from the
 * news itself; never twice at once, and not while nobody sees the page. Answers how to end it.
 */
export function keepFresh(room: string, everyMs: number, look: () => Promise<void>, gapMs = GAP_MS, take?: (news: News) => boolean): () => void {
  let over = false;
  let timer: ReturnType<typeof setTimeout>;
  let begunAt = Date.now();
  let busy = false;
  let missed = false;
  const later = (time: number): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void turn(), Math.max(0, time - Date.now()));
  };
  const turn = async (): Promise<void> => {
    busy = true;
    begunAt = Date.now();
    missed = document.hidden;
    if (!document.hidden) await look();
    busy = false;
    if (!over) later(missed && !document.hidden ? begunAt + gapMs : Date.now() + everyMs * (room && isJoined(room) ? SELDOM : 1));
  };
  const hear = (): void => {
    if (busy) missed = true;
    else later(begunAt + gapMs);
  };
  const seen = (): void => { if (!document.hidden) hear(); };
  const unfollow = room ? follow(room, (news) => { if (!take?.(news)) hear(); }) : undefined;
  document.addEventListener('visibilitychange', seen);
  later(Date.now() + everyMs);
  return () => {
    over = true;
    clearTimeout(timer);
    unfollow?.();
    document.removeEventListener('visibilitychange', seen);
  };
}

export interface Loaded<T> {
  value: T | null;
  trouble: string;
  /** The reason of the last failure, such as `farm-off`; empty while all is well. */
  reason: string;
  /** Loads it anew; what is there stays until then. */
  again: () => void;
}

export interface How<T> {
  /** Another one begins anew. */
  key?: string;
  /** Loads it again after so many ms, for as long as it is looked at; without, only when asked to. */
  every?: number;
  /** A room that tells when there is something new; then it is asked for seldom by the clock. */
  room?: string;
  /** News makes it be loaded anew, but not more often than this. */
  gapMs?: number;
  /** What the room's snapshots say of it: then it need not be loaded again. */
  read?: (snapshot: Record<string, unknown>) => T;
}

/** Loads something at once, and again as `how` says. What goes wrong is kept beside the value, and shown for the whole page where it concerns it. */
export function useLoad<T>(load: () => Promise<T>, { key = '', every, room = '', gapMs, read }: How<T> = {}): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [turn, setTurn] = useState(0);
  const newest = useRef(load);
  newest.current = load;
  const reader = useRef(read);
  reader.current = read;
  useEffect(() => {
    let over = false;
    let taken = 0;
    const look = async (): Promise<void> => {
      try {
        const before = taken;
        const loaded = await newest.current();
        if (over) return;
        // What the room has said meanwhile is newer.
        if (before === taken) setValue(loaded);
        setFailure(null);
      } catch (error) {
        noteFailure(error);
        if (!over) setFailure(asFailure(error));
      }
    };
    const take = ({ body }: News): boolean => {
      if (over || !reader.current || typeof body.snapshot !== 'object' || body.snapshot === null) return false;
      taken += 1;
      setValue(reader.current(body.snapshot as Record<string, unknown>));
      setFailure(null);
      return true;
    };
    void look();
    const stop = every === undefined ? undefined : keepFresh(room, every, look, gapMs, take);
    return () => { over = true; stop?.(); };
  }, [key, turn, every, room, gapMs]);
  return { value, trouble: failure?.message ?? '', reason: failure?.reason ?? '', again: () => setTurn((before) => before + 1) };
}
