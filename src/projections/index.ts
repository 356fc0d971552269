/** The read side: what people and nodes ask of the log's past. The only door into this folder. */
export { type Clock, systemClock } from './clock.ts'
export * from './errors.ts'
export { type InlineOptions, openReadModels } from './inline.ts'
export { foldJob, type JobRecord, titleOf } from './models/job-fold.ts'
export { type SessionHead, type SessionStep, sessionStep } from './models/session-fold.ts'
export * from './views.ts'
