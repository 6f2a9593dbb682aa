import { useEffect, useRef, useState } from 'react';
import type { Failure } from './api';
import { noteFailure } from './live';

export interface Regular<T> {
  value: T | null;
  trouble: string;
  /** The reason of the last failure, such as `farm-off`; empty while all is well. */
  reason: string;
  again: () => void;
}

/** Loads something at once and again every `everyMs` while it is looked at. Another `dependency` begins anew. */
export function useRegular<T>(load: () => Promise<T>, everyMs: number, dependency: string): Regular<T> {
  const [value, setValue] = useState<T | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [turn, setTurn] = useState(0);
  const newest = useRef(load);
  newest.current = load;
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout>;
    let first = true;
    const run = async (): Promise<void> => {
      try {
        if (first || !document.hidden) {
          const loaded = await newest.current();
          if (!over) { setValue(loaded); setFailure(null); }
        }
      } catch (error) {
        noteFailure(error);
        if (!over) setFailure(error as Failure);
      }
      first = false;
      if (!over) timer = setTimeout(() => void run(), everyMs);
    };
    void run();
    return () => { over = true; clearTimeout(timer); };
  }, [dependency, turn, everyMs]);
  return { value, trouble: failure?.message ?? '', reason: failure?.reason ?? '', again: () => setTurn((before) => before + 1) };
}
