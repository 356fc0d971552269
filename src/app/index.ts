/** What an app is declared with, and a running app. The only door into this folder. */
export {
  App,
  type AppOptions,
  type CronOptions,
  createApp,
  type IncomingMessage,
  type MessageHandler,
  type OccurrenceContext,
  type ScheduleHandler,
  type TurnContext,
} from './app.ts'
export { VALID_ID } from './callers.ts'
export { currentSession } from './current-session.ts'
export * from './definition.ts'
export { type Duration, parseDuration } from './duration.ts'
export type { Engine } from './engine.ts'
export { findApp } from './find-app.ts'
export { instantOf, maybeInstant } from './instant.ts'
export { jobJson } from './job-json.ts'
export { type Parting, type PartsBy, type ReplayOutcome, replayLog } from './replay.ts'
export * from './retention/index.ts'
export { runShell, type ShellOptions, type ShellResult } from './run-shell.ts'
export * from './running.ts'
export type { ReplyWriter, Said, Session, SessionData } from './session.ts'
export { type StartOptions, startApp } from './start.ts'
export { MOST_AT_ONCE } from './submit-many.ts'
export type {
  FailureContext,
  FailureFunction,
  FindOptions,
  RetryRule,
  ScheduleOptions,
  SubmitManyOptions,
  SubmitOptions,
  Task,
  TaskContext,
  TaskFilter,
  TaskFunction,
  TaskHandle,
  TaskOptions,
} from './task.ts'
export { TaskFailed } from './task-api.ts'
export { tellTrouble } from './trouble.ts'
export { type TaskBoardOptions, ui } from './ui.ts'
