/** The states of a task, by the names that people see, and which of them are alike: one list for rules, views and routes. */
import type { TaskFact } from './catalogue/index.ts'

/** Not started, or to be started again: a cancel ends it at once. */
export const WAITING_STATUSES = ['pending', 'scheduled', 'retry'] as const
/** The run has ended; only a requeue begins another. */
export const TERMINAL_STATUSES = ['completed', 'failed', 'cancelled', 'timeout'] as const
/** In an order that never changes: read models keep the place of a status in it. */
export const TASK_STATUSES = ['pending', 'scheduled', 'running', 'retry', ...TERMINAL_STATUSES] as const

export type TaskStatus = (typeof TASK_STATUSES)[number]

export function isWaiting(status: string): boolean {
  return (WAITING_STATUSES as readonly string[]).includes(status)
}

export function isEnded(status: string): boolean {
  return (TERMINAL_STATUSES as readonly string[]).includes(status)
}

const RUN_ENDS = ['TaskCompleted', 'TaskFailed', 'TaskTimedOut', 'TaskCancelled'] as const

/** Events after which a run is not over, and those that end one; the newest of either says whether the task has ended. */
export const TASK_LIVE_EVENTS: readonly string[] = [
  'TaskSubmitted',
  'TaskScheduled',
  'TaskStarted',
  'TaskRetryScheduled',
  'TaskInterrupted',
  'TaskRequeued',
] satisfies readonly TaskFact['type'][]
export const TASK_END_EVENTS: readonly string[] = RUN_ENDS satisfies readonly TaskFact['type'][]
/** Events after which an attempt no longer runs, whether or not another follows. */
export const ATTEMPT_END_EVENTS: readonly string[] = [
  ...RUN_ENDS,
  'TaskRetryScheduled',
  'TaskInterrupted',
] satisfies readonly TaskFact['type'][]
