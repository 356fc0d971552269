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

/** What each event says of the run of its task. The compiler asks for a line for a new one. */
const SAYS_OF_RUN = {
  TaskSubmitted: 'begins',
  TaskScheduled: 'begins',
  TaskRequeued: 'begins',
  TaskStarted: 'is attempted',
  TaskRetryScheduled: 'waits for another attempt',
  TaskInterrupted: 'waits for another attempt',
  TaskCompleted: 'has ended',
  TaskFailed: 'has ended',
  TaskTimedOut: 'has ended',
  TaskCancelled: 'has ended',
  TaskProgressed: 'goes on',
  TaskLogged: 'goes on',
  TaskDeadlineExtended: 'goes on',
  TaskCancelRequested: 'goes on',
  TaskWriteRefused: 'goes on',
  TaskDeleted: 'goes on',
  CallbackDelivered: 'goes on',
  CallbackFailed: 'goes on',
} as const satisfies Record<TaskFact['type'], string>

type SaidOfRun = (typeof SAYS_OF_RUN)[TaskFact['type']]

/** Types of the events that say one of these. */
function saying(...what: readonly SaidOfRun[]): ReadonlySet<string> {
  return new Set(Object.entries(SAYS_OF_RUN).flatMap(([type, says]) => (what.includes(says) ? [type] : [])))
}

/** A run is not over after these. The newest of them and of those that end one says whether the task has ended. */
export const RUN_LIVE_EVENTS = saying('begins', 'is attempted', 'waits for another attempt')
export const RUN_END_EVENTS = saying('has ended')
/** An attempt no longer runs after these, whether or not another follows. */
export const ATTEMPT_END_EVENTS = saying('waits for another attempt', 'has ended')
/** After any of these a task waits, runs or has ended otherwise than before. */
export const RUN_MOVE_EVENTS: ReadonlySet<string> = RUN_LIVE_EVENTS.union(RUN_END_EVENTS)
