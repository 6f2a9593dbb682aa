// How jobs and their kinds are written. Pure.
import type { Job, JobKind } from '../../core/openapi';
import { duration } from '../../core/time';
import type { Look } from '../../kit/look';

/** The room that tells of all kinds of jobs, as soon as their numbers change. */
export const BOARD = 'jobs';

export type JobState = Job['state'];
export const JOB_STATES: readonly JobState[] = ['waiting', 'running', 'failed', 'done'];

export const JOB_LOOK: Record<JobState, Look> = {
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

export function kindLook(kind: JobKind): Look {
  if (kind.paused) return { word: kind.paused_by ? `Paused by ${kind.paused_by}` : 'Paused', tone: 'wait', shape: 'pause' };
  if (!kind.known) return { word: 'Not run here', tone: 'off', shape: 'dash' };
  if (kind.failed > 0) return { word: 'With failures', tone: 'bad', shape: 'triangle' };
  return kind.running > 0 ? { word: 'At work', tone: 'busy', shape: 'ring' } : { word: 'Well', tone: 'good', shape: 'disc' };
}
