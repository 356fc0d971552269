/** Running work: dispatcher, runner, turns, schedules, locks, and the node they make. The only door into this folder. */
export type { MakeAnnouncer } from './announcer.ts'
export { announceFromThread } from './announcing/thread.ts'
export { AttemptTally } from './attempt-tally.ts'
export { checkCallbackUrl } from './callback-address.ts'
export { verifyCallback } from './callback-signature.ts'
export type { CallbackSettings } from './callbacks.ts'
export { cronInWords, validateCron } from './cron.ts'
export { DateWatch } from './date-watch.ts'
export {
  asJson,
  asLogged,
  CancelledError,
  describeError,
  fieldOf,
  isError,
  NonRetryableError,
  printed,
  ShutdownError,
  TimeoutError,
} from './errors.ts'
export type { Attempt, Handlers, TaskHandler, TaskLimits, TurnRun } from './handlers.ts'
export { Histogram } from './histogram.ts'
export type { LockKeeper } from './locks.ts'
export { LoopHeld, LoopWatch } from './loop-watch.ts'
export { Node } from './node.ts'
export { onFailureTask, onFailureTaskId } from './on-failure.ts'
export { knowErrors, reviveError, type WiredError, wireError } from './process/error-wire.ts'
export { killGroup } from './process/group.ts'
export { TaskProcesses } from './process/processes.ts'
export type { LoadedGuest, LoadGuest, RunningJob } from './process/protocol.ts'
export { type DeclaredSchedule, occurrenceTask } from './schedules.ts'
export type { Submitted } from './submitter.ts'
