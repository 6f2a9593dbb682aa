// Flags as far as somebody has read them: the list is live and keeps its place while somebody reads further down.
import { useEffect, useRef, useState } from 'react';
import { asFailure, call, type Answer } from '../../core/api';
import { noteFailure } from '../../core/live';
import { keepFresh } from '../../core/load';
import { mergePage, waitingOf, type Shown } from './list';

export const FILTERS = ['status', 'sploit', 'team', 'service', 'flag', 'response', 'since', 'until'] as const;
export type Filter = (typeof FILTERS)[number];

export const PAGE = 100;
const LOOK_MS = 1000;
/** Whose first row is above the window's edge is reading; whose is not wants to see what comes. */
const atTop = (): boolean => scrollY < 120;

interface Listed {
  rows: Shown[] | null;
  waiting: number;
  more: boolean;
  busy: boolean;
  trouble: string;
  older: () => void;
  showNew: () => void;
}

export function useFlags(search: string, live: boolean): Listed {
  const [rows, setRows] = useState<Shown[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [waiting, setWaiting] = useState(0);
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  const turn = useRef(0);
  const shown = useRef<Shown[]>([]);
  shown.current = rows ?? [];

  const ask = async (cursor: string | null): Promise<Answer<'listFarmFlags'> | null> => {
    const mine = turn.current;
    const query = new URLSearchParams(search);
    query.set('limit', String(PAGE));
    if (cursor) query.set('cursor', cursor);
    try {
      const page = await call<'listFarmFlags'>(`/farm/flags?${query}`);
      if (mine !== turn.current) return null;
      setTrouble('');
      return page;
    } catch (error) {
      noteFailure(error);
      if (mine === turn.current) setTrouble(asFailure(error).message);
      return null;
    }
  };
  const begin = async (): Promise<void> => {
    const page = await ask(null);
    if (!page) return;
    setRows(page.items);
    setNext(page.next);
    setWaiting(0);
  };
  const look = async (): Promise<void> => {
    const page = await ask(null);
    if (!page) return;
    const fresh = waitingOf(shown.current, page.items);
    // So much has come that there would be a gap: who is at the top begins anew, who reads is told.
    if (atTop() && fresh >= page.items.length && page.next) return begin();
    setRows(mergePage(shown.current, { items: page.items, below: Infinity, last: page.next === null }, atTop()));
    setWaiting(atTop() ? 0 : fresh);
  };
  const older = async (): Promise<void> => {
    setBusy(true);
    const page = await ask(next);
    setBusy(false);
    if (!page) return;
    const below = shown.current[shown.current.length - 1]?.id ?? Infinity;
    setRows(mergePage(shown.current, { items: page.items, below, last: page.next === null }, true));
    setNext(page.next);
  };

  useEffect(() => {
    turn.current++;
    setRows(null);
    setNext(null);
    const timer = setTimeout(() => void begin(), 150);
    return () => clearTimeout(timer);
  }, [search]);
  const loaded = rows !== null;
  useEffect(() => {
    if (!live || !loaded) return undefined;
    return keepFresh('farm', LOOK_MS, look);
  }, [search, live, loaded]);
  const showNew = (): void => {
    scrollTo({ top: 0 });
    void begin();
  };
  return { rows, waiting, more: next !== null, busy, trouble, older: () => void older(), showNew };
}
