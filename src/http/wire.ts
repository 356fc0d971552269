/**
 * What crosses the wire, as types: shared by the server and the web components (which import nothing else of src/).
 * snake_case by the public documents; user data inside `params`, `result`, `data`, `block` is left as it is.
 */

export type JobStatus = 'pending' | 'scheduled' | 'running' | 'retry' | 'completed' | 'failed' | 'cancelled' | 'timeout'

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

export interface Problem {
  type: `urn:capsule:error:${string}`
  title: string
  status: number
  detail: string
  instance?: string
  errors?: { path: string; message: string }[]
}

export type JobAction = 'cancel' | 'retry' | 'refresh' | 'delete'

export interface JobError {
  type: string
  message: string
  retryable: boolean
}

/** A task over all its runs, as it stands: in the latest one. Instants are ISO 8601; absent facts are null. */
export interface Job {
  id: string
  task_name: string
  /** What tells it from its siblings: an input value, else the task's name. */
  title: string
  status: JobStatus
  params: { [key: string]: Json }
  result: Json
  error: JobError | null
  error_traceback: string | null
  attempt: number
  retries: number
  failures: number
  progress: { fraction: number | null; message: string | null } | null
  lock_key: string | null
  /** A sentence: what a waiting task waits for; null when nothing but its turn. */
  waiting_for: string | null
  session_id: string | null
  owner_id: string
  tags: string[]
  priority: number
  joined: boolean
  submitted_at: string
  /** When a delayed task or a retry is due. */
  run_at: string | null
  started_at: string | null
  finished_at: string | null
  deadline: string | null
  node: string | null
  /** Who cancelled it, as `user:local`. */
  cancelled_by: string | null
  cancel_requested: boolean
  allowed_actions: JobAction[]
  /** Why an action is not offered, by action. */
  refused_actions: { [action in JobAction]?: string }
  /** Position of the last event that changed it. */
  position: string
  /** On a board, if its input or result has over 8 KiB: that is left out ({}, null). GET the job for it. */
  abridged: boolean
}

export interface HistoryEvent {
  type: string
  at: string
  by: string
  position: string
  revision: number
  data: { [key: string]: Json }
  hash: string | null
}

/** A line that a job's own code logged. */
export interface LogLine {
  at: string
  level: 'debug' | 'info' | 'warn' | 'error'
  message: string
  data: Json
  /** Which start of the job said it, from 1. */
  attempt: number
}

/** What a client says of a task to submit; the same by every door. */
export interface SubmitBody {
  params?: { [key: string]: Json }
  session_id?: string
  /** Seconds, or a duration like `10m`. */
  delay?: string | number
  /** ISO 8601; instead of a delay. */
  run_at?: string
  priority?: number
  /** POSTed with the final job when a run has ended. */
  callback_url?: string
}

/** In the order of what was submitted. */
export interface SubmittedMany {
  items: ({ job: Job; error: null } | { job: null; error: Problem })[]
}

export interface LockParty {
  job_id: string
  task_name: string
  owner_id: string
  /** Null while the job is being recorded. */
  status: JobStatus | null
  /** When it took the lock, or began to wait. */
  since: string
}

export interface Lock {
  key: string
  /** Fencing token of the holder. */
  fence: string
  holder: LockParty
  /** `place` 1 is next. */
  queue: (LockParty & { place: number })[]
}

export interface TaskInfo {
  name: string
  docstring: string | null
  signature: string
  parameters: { name: string; annotation: string | null; default: string | null; required: boolean }[]
  tags: string[]
  /** By an operator, on every node: what is submitted waits. */
  paused: boolean
  schema: { [key: string]: Json }
}

export interface ExecuteResult {
  task_name: string
  params: { [key: string]: Json }
  result: Json
  error: { type: string; message: string; traceback: string } | null
  job_id: string | null
}

// Board -------------------------------------------------------------------------------------------------------------

export interface BoardColumnSpec {
  label: string
  statuses: JobStatus[]
}

export interface BoardFilter {
  task_name?: string
  session_id?: string
  owner_id?: string
  tag?: string
  /** Free text over id, title, task name and params. */
  q?: string
  /** Submitted at or after (ISO 8601). */
  since?: string
}

/** The cards of a column that are in view: `limit` of them after skipping `after`. */
export interface BoardWindow {
  after: number
  limit: number
}

export interface BoardParams {
  filter?: BoardFilter
  /** Default: Scheduled, Queued (pending, retry), Running, Completed, Failed (failed, timeout, cancelled). */
  columns?: BoardColumnSpec[]
  /** By column index. Default {after: 0, limit: 50}. */
  windows?: BoardWindow[]
}

export interface BoardColumn extends BoardColumnSpec {
  count: number
  order: 'next first' | 'oldest first' | 'newest first'
  after: number
  jobs: Job[]
}

export interface Board {
  position: string
  total: number
  columns: BoardColumn[]
}

/** A column as it is now: `ids` only if which cards are in view, or their order, changed; `jobs` only those changed. */
export interface BoardChange {
  column: number
  count: number
  after: number
  ids?: string[]
  jobs: Job[]
}

// Sessions ----------------------------------------------------------------------------------------------------------

export interface Session {
  id: string
  title: string | null
  owner_id: string
  started_at: string
  updated_at: string
  /** The first thing a person said, shortened: the name of a conversation without a title. */
  opening: string | null
  /** The last thing said, shortened. */
  preview: string | null
  turn: { id: string; status: 'queued' | 'running'; started_at: string | null } | null
  jobs: { running: number; waiting: number; completed: number; failed: number }
  ended: boolean
  position: string
}

interface ItemBase {
  id: string
  /** Order within the conversation. */
  index: number
  at: string
}

export type TranscriptItem =
  | (ItemBase & {
      kind: 'message'
      text: string
      by: string
      /** queued: waits for its turn; answered: its turn ended well. */
      state: 'queued' | 'running' | 'answered' | 'failed' | 'interrupted' | 'stopped'
      /** Why the turn failed. */
      error: string | null
    })
  | (ItemBase & { kind: 'reply'; text: string; streaming: boolean; task_id: string | null })
  | (ItemBase & { kind: 'notice'; text: string; earlier: { text: string; at: string }[] })
  | (ItemBase & { kind: 'task'; job_id: string; message: string | null })
  | (ItemBase & { kind: 'block'; block: { [key: string]: Json } })

export interface Transcript {
  session: Session
  items: TranscriptItem[]
}

export type TranscriptChange = { kind: 'session'; session: Session } | { kind: 'item'; item: TranscriptItem }

// Schedules ---------------------------------------------------------------------------------------------------------

export interface Schedule {
  name: string
  description: string | null
  cron: string
  /** The cron in words. */
  meaning: string
  timezone: string
  overlap: 'skip' | 'queue' | 'parallel'
  missed: 'skip' | 'latest' | 'all'
  paused: boolean
  removed: boolean
  next_at: string | null
  /** The next due times, where they were asked for. */
  upcoming?: string[]
  last: Occurrence[]
  position: string
}

export interface Occurrence {
  due: string
  decision: 'due' | 'skipped'
  trigger: 'cron' | 'caught-up' | 'manual' | null
  /** Why it was skipped. */
  reason: 'overlap' | 'missed' | 'paused' | null
  job_id: string | null
  /** Of its task: a job status; null while skipped. */
  status: JobStatus | null
  position: string
}

// Pages -------------------------------------------------------------------------------------------------------------

export type PageBlock =
  | {
      kind: 'task_board'
      title: string | null
      filter: BoardFilter | null
      columns: BoardColumnSpec[] | null
      refresh_ms: number | null
    }
  | { kind: 'divider' }
  | { kind: 'heading'; text: string }
  | { kind: 'text'; text: string }

export interface Page {
  name: string
  /** Of the lucide icon set. */
  icon: string | null
  slug: string
  blocks: PageBlock[]
}

export interface AppInfo {
  name: string
  version: string
  node: string
  has_chat: boolean
  has_schedules: boolean
  pages: { name: string; icon: string | null; slug: string }[]
}

// Live protocol -----------------------------------------------------------------------------------------------------

export interface Topics {
  board: { params: BoardParams; data: Board; change: BoardChange }
  job: { params: { id: string }; data: Job; change: Job }
  session: { params: { id: string }; data: Transcript; change: TranscriptChange }
  sessions: { params: Record<string, never>; data: Session[]; change: { session: Session } }
  schedules: { params: Record<string, never>; data: Schedule[]; change: Schedule }
}
export type Topic = keyof Topics

export interface Commands {
  /** `create: true` starts the conversation when there is none with this id. */
  'message.send': { payload: { session_id: string; text: string; create?: boolean }; result: { message_id: string } }
  /** A new turn for the message of a turn that failed, was interrupted or stopped. */
  'message.retry': { payload: { session_id: string; message_id: string }; result: { message_id: string } }
  'turn.stop': { payload: { session_id: string }; result: Record<string, never> }
  'job.cancel': { payload: { id: string }; result: Job }
  'job.retry': { payload: { id: string }; result: Job }
  'task.submit': { payload: SubmitBody & { name: string }; result: Job }
  'schedule.trigger': { payload: { name: string }; result: { job_id: string } }
  'schedule.pause': { payload: { name: string }; result: Schedule }
  'schedule.resume': { payload: { name: string }; result: Schedule }
}
export type CommandName = keyof Commands

export type ClientFrame =
  | { type: 'hello'; protocol: 1; token?: string }
  | { [T in Topic]: { type: 'subscribe'; id: string; topic: T; params: Topics[T]['params']; from?: string } }[Topic]
  | { type: 'window'; id: string; column: number; after: number; limit: number }
  | { type: 'unsubscribe'; id: string }
  | { [C in CommandName]: { type: 'command'; id: string; name: C; payload: Commands[C]['payload'] } }[CommandName]
  | { type: 'pong' }

export type ServerFrame =
  | {
      type: 'welcome'
      user: { id: string; name: string }
      position: string
      /** `time`: its clock now (ISO 8601), so that countdowns are right on a client whose clock is not. */
      server: { version: string; node: string; time?: string }
    }
  | { type: 'snapshot'; id: string; position: string; data: Topics[Topic]['data'] }
  | { type: 'delta'; id: string; from: string; to: string; changes: Topics[Topic]['change'][] }
  | { type: 'ack'; id: string; position: string; result: Commands[CommandName]['result'] }
  /** `id` is that of the command or subscription refused; null when the frame had none. */
  | { type: 'error'; id: string | null; problem: Problem }
  | { type: 'ping' }

/** Why the server closed a socket. */
export const CLOSE = {
  badFrame: 4400,
  signIn: 4401,
  stop: 4403,
  slowDown: 4429,
  restarting: 1012,
  /** By `ws` itself, at a frame of more than `LiveLimits.frameBytes`. */
  tooLarge: 1009,
} as const
