/** Running work: dispatcher, runner, turns, schedules, locks, and the node they make. The only door into this folder. */
export { cronInWords, nextDue, validateCron } from './cron.ts'
export { asJson, CancelledError, describeError, NonRetryableError, ShutdownError, TimeoutError } from './errors.ts'
export type { Attempt, Handlers, TaskHandler, TaskLimits, TurnRun } from './handlers.ts'
export { Node, type NodeOptions } from './node.ts'
export { TaskProcesses } from './process/processes.ts'
export type { Guest, LoadedGuest, LoadGuest, RunningJob } from './process/protocol.ts'
export { type DeclaredSchedule, occurrenceTask } from './schedules.ts'
export type { SubmitOutcome } from './submitter.ts'
