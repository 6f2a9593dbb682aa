// The shapes of the jobs' part of api/openapi.yaml, and how their states are written.
import { duration } from './time';
import type { Shape, Tone } from './words';

/** The room that tells of all kinds of jobs, as soon as their numbers change. */
export const BOARD = 'jobs';

export const JOB_STATES = ['waiting', 'running', 'failed', 'done'] as const;
export type JobState = (typeof JOB_STATES)[number];

export interface JobKind {
  name: string;
  about: string;
  known: boolean;
  paused: boolean;
  paused_by: string | null;
  waiting: number;
  ready: number;
  running: number;
  failed: number;
  rate: number;
  lateness: { p50_ms: number; p90_ms: number; p99_ms: number; max_ms: number; firings: number };
  tries: number;
  priority: number;
  at_once: number;
  timeout_ms: number;
}

export interface JobMinute {
  at: string;
  started: number;
  done: number;
  errors: number;
  p50_ms: number;
  p99_ms: number;
  max_ms: number;
}

export interface Job {
  id: string;
  kind: string;
  state: JobState;
  due_at: string;
  made_at: string;
  started_at: string | null;
  finished_at: string | null;
  lateness_ms: number | null;
  attempt: number;
  maybe_begun: boolean;
  priority: number;
  schedule: string | null;
  lane: string | null;
  unique: string | null;
  bundle: string | null;
  node: string | null;
  error: string | null;
}

export interface JobFiring {
  attempt: number;
  node: string;
  due_at: string;
  started_at: string;
  finished_at: string;
  lateness_ms: number;
  took_ms: number;
  error: string | null;
}

export type JobDetail = Job & { payload: string; firings: JobFiring[] };

export const JOB_LOOK: Record<JobState, { word: string; tone: Tone; shape: Shape }> = {
  waiting: { word: 'Waiting', tone: 'wait', shape: 'diamond' },
  running: { word: 'Running', tone: 'busy', shape: 'ring' },
  failed: { word: 'Failed', tone: 'bad', shape: 'triangle' },
  done: { word: 'Done', tone: 'good', shape: 'disc' },
};

/** A lateness: small ones keep their tenths, because the mark to hold is a millisecond. */
export function late(ms: number): string {
  if (ms < 0) return 'early';
  return ms < 10 ? `${ms.toFixed(1)} ms` : duration(ms);
}

export function kindLook(kind: JobKind): { word: string; tone: Tone; shape: Shape } {
  if (kind.paused) return { word: kind.paused_by ? `Paused by ${kind.paused_by}` : 'Paused', tone: 'wait', shape: 'pause' };
  if (!kind.known) return { word: 'Not run here', tone: 'off', shape: 'dash' };
  if (kind.failed > 0) return { word: 'With failures', tone: 'bad', shape: 'triangle' };
  return kind.running > 0 ? { word: 'At work', tone: 'busy', shape: 'ring' } : { word: 'Well', tone: 'good', shape: 'disc' };
}
