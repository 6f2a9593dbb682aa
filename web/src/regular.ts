import { useEffect, useRef, useState } from 'react';
import type { Failure } from './api';
import { noteFailure } from './live';
import { follow, isJoined } from './rooms';

export interface Regular<T> {
  value: T | null;
  trouble: string;
  /** The reason of the last failure, such as `farm-off`; empty while all is well. */
  reason: string;
  again: () => void;
}

/** News of a room makes what it is about be asked for anew, but not more often than this. */
const GAP_MS = 400;
/** How much more seldom one asks by the clock while news comes by itself. */
const SELDOM = 15;

/**
 * Calls `look` every `everyMs`, and soon after each news of `room` (empty: none); never twice at once, and not while nobody sees
 * the page. Answers how to end it.
 */
export function keepFresh(room: string, everyMs: number, look: () => Promise<void>): () => void {
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
    if (!over) later(missed && !document.hidden ? begunAt + GAP_MS : Date.now() + everyMs * (room && isJoined(room) ? SELDOM : 1));
  };
  const hear = (): void => {
    if (busy) missed = true;
    else later(begunAt + GAP_MS);
  };
  const seen = (): void => { if (!document.hidden) hear(); };
  const unfollow = room ? follow(room, hear) : undefined;
  document.addEventListener('visibilitychange', seen);
  later(Date.now() + everyMs);
  return () => {
    over = true;
    clearTimeout(timer);
    unfollow?.();
    document.removeEventListener('visibilitychange', seen);
  };
}

/**
 * Loads something at once and again every `everyMs` while it is looked at; with a `room`, as soon as that has news, and then
 * seldom by the clock. Another `dependency` begins anew.
 */
export function useRegular<T>(load: () => Promise<T>, everyMs: number, dependency: string, room = ''): Regular<T> {
  const [value, setValue] = useState<T | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [turn, setTurn] = useState(0);
  const newest = useRef(load);
  newest.current = load;
  useEffect(() => {
    let over = false;
    const look = async (): Promise<void> => {
      try {
        const loaded = await newest.current();
        if (!over) { setValue(loaded); setFailure(null); }
      } catch (error) {
        noteFailure(error);
        if (!over) setFailure(error as Failure);
      }
    };
    void look();
    const stop = keepFresh(room, everyMs, look);
    return () => { over = true; stop(); };
  }, [dependency, turn, everyMs, room]);
  return { value, trouble: failure?.message ?? '', reason: failure?.reason ?? '', again: () => setTurn((before) => before + 1) };
}
