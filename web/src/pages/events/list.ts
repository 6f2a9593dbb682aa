// The log as far as somebody has read it. The URL holds the filters, so that a finding can be handed on as a link.
import { useEffect, useRef, useState } from 'react';
import { asFailure, call } from '../../core/api';
import { noteFailure } from '../../core/live';
import { keepFresh } from '../../core/load';
import type { Event } from '../../core/openapi';

const POLL_MS = 2500;
const MOST_ROWS = 2000;
const FILTERS = ['kind', 'severity', 'user', 'owner', 'instance', 'from', 'to', 'text'] as const;

/** "Only these", from the address of the page; times there are in UTC. */
export function queryOf(search: string): URLSearchParams {
  const from = new URLSearchParams(search);
  const query = new URLSearchParams();
  for (const name of FILTERS) {
    const value = from.get(name);
    if (value) query.set(name, value);
  }
  return query;
}

/** The list as far as it is loaded: the newest at the top, more on both ends. */
export function useEvents(search: string, live: boolean) {
  const [rows, setRows] = useState<Event[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [until, setUntil] = useState<string | null>(null);
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  const last = useRef('0');
  const turn = useRef(0);

  const fail = (error: unknown): void => {
    noteFailure(error);
    setTrouble(asFailure(error).message);
  };
  const load = async (cursor: string | null): Promise<void> => {
    const mine = turn.current;
    const query = queryOf(search);
    query.set('limit', '100');
    if (cursor) query.set('cursor', cursor);
    setBusy(true);
    try {
      const page = await call<'listEvents'>(`/admin/events?${query}`);
      if (mine !== turn.current) return;
      setRows((before) => (cursor ? [...(before ?? []), ...page.items] : page.items));
      setNext(page.next);
      setUntil(page.looked_until);
      if (!cursor) last.current = page.last;
      setTrouble('');
    } catch (error) {
      if (mine === turn.current) fail(error);
    } finally {
      if (mine === turn.current) setBusy(false);
    }
  };
  useEffect(() => {
    turn.current++;
    setRows(null);
    setNext(null);
    const timer = setTimeout(() => void load(null), 150);
    return () => clearTimeout(timer);
  }, [search]);
  useEffect(() => {
    if (!live) return undefined;
    const look = async (): Promise<void> => {
      if (rows === null) return;
      const mine = turn.current;
      const query = queryOf(search);
      query.set('after', last.current);
      query.set('limit', '500');
      try {
        const page = await call<'listEvents'>(`/admin/events?${query}`);
        if (mine !== turn.current) return;
        // More than fits on a page came meanwhile: begin anew instead of leaving a gap.
        if (page.next) void load(null);
        else if (page.items.length > 0) setRows((before) => [...page.items, ...(before ?? [])].slice(0, MOST_ROWS));
        last.current = page.last;
        setTrouble('');
      } catch (error) {
        if (mine === turn.current) fail(error);
      }
    };
    return keepFresh('events', POLL_MS, look);
  }, [search, live, rows === null]);
  return { rows, next, until, trouble, busy, older: () => void load(next) };
}
