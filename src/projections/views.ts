/**
 * What the read models answer with. The HTTP layer turns these into the wire's snake_case (src/http/wire.ts) and adds
 * what only the running code knows (allowed actions, a missing handler).
 */
import type { JsonObject, JsonValue, Position, ScheduleDefinition, TaskError, TaskStatus } from '../events/index.ts'

export type JobStatus = TaskStatus

export interface ReadModelStatus {
  readonly name: string
  readonly version: number
  /** What it has taken in of the log. */
  readonly position: Position
  /** Whether it is being made again: beside the one in use, or because its version is new. */
  readonly rebuilding: boolean
  /** How far that is, while it is rebuilding. */
  readonly rebuild: RebuildStatus | undefined
  /** Why the last rebuild beside the one in use came to nothing. */
  readonly failed: string | undefined
}

export interface RebuildStatus {
  /** How far in the log it is. */
  readonly position: Position
  /** Where it will take its place, as far as is known by now. */
  readonly until: Position
  /** Events of the log that it has read. */
  readonly events: number
}

/** A task over all its runs, as it stands: in the latest one. Instants are milliseconds since the epoch, by the events' `at`. */
export interface JobView {
  readonly id: string
  readonly name: string
  /** What tells it from its siblings: its most telling input (a string, rather one named like id, name, title), else its name. */
  readonly title: string
  readonly status: JobStatus
  readonly params: JsonObject
  readonly result: JsonValue
  readonly error: TaskError | undefined
  /** Which run of it this is, from 1. */
  readonly run: number
  /** Starts so far, over all runs. */
  readonly attempt: number
  readonly retries: number
  readonly failures: number
  readonly crashes: number
  readonly progress: { readonly fraction?: number; readonly message?: string } | undefined
  readonly lockKey: string | undefined
  /** While it waits for its lock: who holds it and its place in the queue (1 is next). */
  readonly lockWait: { readonly holder: string; readonly place: number } | undefined
  readonly sessionId: string | undefined
  readonly ownerId: string
  readonly tags: readonly string[]
  readonly priority: number
  readonly submittedAt: number
  /** When a delayed task or a retry is due. */
  readonly runAt: number | undefined
  readonly startedAt: number | undefined
  readonly finishedAt: number | undefined
  readonly deadline: number | undefined
  readonly node: string | undefined
  readonly claim: string | undefined
  readonly cancelRequested: boolean
  readonly cancelledBy: string | undefined
  readonly occurrence: { readonly schedule: string; readonly due: string } | undefined
  /** Of the last event that changed it. */
  readonly position: Position
  /** On a board: its input or result is large, and left out: the job has it. */
  readonly abridged?: true
}

export interface JobFilter {
  readonly name?: string
  readonly status?: readonly JobStatus[]
  readonly sessionId?: string
  readonly ownerId?: string
  readonly tag?: string
  /** Free text over id, title, name and params. */
  readonly q?: string
  /** Input fields by equality; values as text or JSON. */
  readonly params?: Readonly<Record<string, JsonValue>>
  readonly since?: number
  readonly until?: number
}

export interface JobQuery extends JobFilter {
  /** Default 50, at most 500. */
  readonly limit?: number
  /** Opaque, from a page's `next`. */
  readonly cursor?: string
  readonly offset?: number
}

export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | undefined
  readonly total: number | undefined
  readonly position: Position
}

export interface BoardQuery {
  readonly filter: JobFilter
  readonly columns: readonly { readonly label: string; readonly statuses: readonly JobStatus[] }[]
  /** By column; the first `after` cards are skipped. */
  readonly windows: readonly { readonly after: number; readonly limit: number }[]
}

/** What comes first in a column, in words. The first two are the same direction: of what is scheduled, the oldest is next. */
export type BoardOrder = 'next first' | 'oldest first' | 'newest first'

export interface BoardView {
  readonly position: Position
  readonly total: number
  readonly columns: readonly {
    readonly label: string
    readonly statuses: readonly JobStatus[]
    readonly count: number
    readonly order: BoardOrder
    readonly after: number
    readonly jobs: readonly JobView[]
  }[]
}

export interface SessionView {
  readonly id: string
  readonly title: string | undefined
  readonly ownerId: string
  readonly startedAt: number
  readonly updatedAt: number
  /** The first thing a person said, shortened: what names a conversation without a title. */
  readonly opening: string | undefined
  readonly preview: string | undefined
  readonly turn:
    | { readonly id: string; readonly status: 'queued' | 'running'; readonly startedAt: number | undefined }
    | undefined
  readonly jobs: {
    readonly running: number
    readonly waiting: number
    readonly completed: number
    readonly failed: number
  }
  readonly ended: boolean
  readonly data: JsonObject
  readonly position: Position
}

interface ItemBase {
  readonly id: string
  readonly index: number
  readonly at: number
}
export type ItemView =
  | (ItemBase & {
      readonly kind: 'message'
      readonly text: string
      readonly by: string
      readonly state: 'queued' | 'running' | 'answered' | 'failed' | 'interrupted' | 'stopped'
      readonly error: string | undefined
    })
  | (ItemBase & {
      readonly kind: 'reply'
      readonly text: string
      readonly streaming: boolean
      readonly taskId: string | undefined
    })
  | (ItemBase & {
      readonly kind: 'notice'
      readonly text: string
      readonly earlier: readonly { readonly text: string; readonly at: number }[]
    })
  | (ItemBase & { readonly kind: 'task'; readonly jobId: string; readonly message: string | undefined })
  | (ItemBase & { readonly kind: 'block'; readonly block: JsonObject })

export type TranscriptQuery = { readonly after?: number; readonly limit?: number } | { readonly last: number }

export interface TranscriptView {
  readonly session: SessionView
  readonly items: readonly ItemView[]
}

export interface ScheduleView extends ScheduleDefinition {
  readonly name: string
  readonly paused: boolean
  readonly removed: boolean
  /** Due time of the last decision, ISO 8601. */
  readonly lastDue: string | undefined
  /** The last 30, newest first. */
  readonly last: readonly OccurrenceView[]
  readonly position: Position
}

export interface OccurrenceView {
  readonly due: string
  readonly decision: 'due' | 'skipped'
  readonly trigger: 'cron' | 'caught-up' | 'manual' | undefined
  readonly reason: 'overlap' | 'missed' | 'paused' | undefined
  readonly jobId: string | undefined
  readonly status: JobStatus | undefined
  readonly position: Position
}

export interface LockView {
  readonly key: string
  readonly holder: LockParty
  readonly queue: readonly LockParty[]
}
export interface LockParty {
  readonly taskId: string
  /** The task's name and owner, '' if the log does not say. */
  readonly name: string
  readonly ownerId: string
  /** The stream's revision at which it was acquired or queued. */
  readonly revision: string
  /** Fencing token of the holder: the revision at which it became that. For a waiter, when it began to wait. */
  readonly fence: string
  /** When it became the holder or began to wait, milliseconds since the epoch. */
  readonly since: number
  /** Whether the lock event carried a submission, so that the task's stream may still be missing. */
  readonly carriesSubmission: boolean
  /** The task's status, undefined while its stream is missing. */
  readonly status: JobStatus | undefined
}

/** All that a starting node needs to know of work, as of one position, so that a start does not replay the past. */
export interface WorkSnapshot {
  readonly position: Position
  /** pending, scheduled and retry, in the order of submission. Read lazily: there may be a million. */
  readonly waiting: Iterable<WaitingTask>
  readonly running: readonly { readonly id: string; readonly claim: string; readonly node: string }[]
  readonly locks: readonly LockView[]
  /** Live tasks that will owe something when their run ends. */
  readonly owing: readonly string[]
  readonly owed: readonly OwedRun[]
  /** Sessions with a message that has no ended turn. */
  readonly openTurns: readonly { readonly sessionId: string; readonly running: boolean }[]
  /** Occurrences whose task is missing or has ended without OccurrenceFinished. */
  readonly occurrences: readonly {
    readonly schedule: string
    readonly due: string
    readonly taskId: string
    readonly status: JobStatus | undefined
  }[]
}
/** A run that has ended, and what is still to be done about it. */
export interface OwedRun {
  readonly taskId: string
  /** Of the task, from 1. */
  readonly run: number
  /** Id of the event that ended it. */
  readonly event: string
  readonly what: 'callback' | 'on-failure'
}
export interface WaitingTask {
  readonly id: string
  readonly name: string
  readonly status: 'pending' | 'scheduled' | 'retry'
  readonly ownerId: string
  readonly priority: number
  /** Not before this, milliseconds since the epoch. */
  readonly runAt: number | undefined
  readonly expiresAt: number | undefined
  readonly lockKey: string | undefined
  readonly submittedAt: number
  readonly crashes: number
  /** Which run of it waits, from 1. */
  readonly run: number
}

// Live ---------------------------------------------------------------------------------------------------------------

export interface BoardDelta {
  readonly column: number
  readonly count: number
  readonly after: number
  /** Only if which cards are in view, or their order, changed. */
  readonly ids: readonly string[] | undefined
  /** Cards in view that are new there or changed. */
  readonly jobs: readonly JobView[]
}

export interface WatchTopics {
  board: { params: BoardQuery; data: BoardView; change: BoardDelta }
  job: { params: { readonly id: string }; data: JobView; change: JobView }
  session: {
    params: { readonly id: string }
    data: TranscriptView
    change:
      | { readonly kind: 'session'; readonly session: SessionView }
      | { readonly kind: 'item'; readonly item: ItemView }
  }
  sessions: {
    params: { readonly ownerId?: string }
    data: readonly SessionView[]
    change: { readonly session: SessionView }
  }
  schedules: { params: Record<string, never>; data: readonly ScheduleView[]; change: ScheduleView }
}
export type WatchTopic = keyof WatchTopics

/** What a watcher is told: first a snapshot (unless it could resume from where it stood), then deltas that join up. */
export interface WatchSink<T extends WatchTopic> {
  snapshot(position: Position, data: WatchTopics[T]['data']): void
  delta(from: Position, to: Position, changes: readonly WatchTopics[T]['change'][]): void
  failed(error: Error): void
}

export interface Watch<T extends WatchTopic> {
  /** Moves a board's windows or changes its filter: answered with a delta or a fresh snapshot. */
  update(params: WatchTopics[T]['params']): void
  close(): void
}

/** Ids of jobs or of conversations, without a look at what they name. */
export interface IdPage {
  readonly ids: readonly string[]
  /** Where the next page begins; undefined when there is none. */
  readonly next: string | undefined
}

/** What ended before an instant. */
export interface RetirableQuery {
  readonly kind: 'task' | 'session'
  /** Milliseconds since the epoch. */
  readonly before: number
  readonly limit: number
  /** `next` of the page before. */
  readonly after?: string
}

/** The read side of a running node. */
export interface JobTally {
  readonly name: string
  readonly status: JobStatus
  readonly count: number
}

export interface ReadModels {
  /** What every answer includes at least. */
  readonly position: Position
  /** Resolves once `position` is included. @throws ReadModelBehind after `timeoutMs` (default 5000); StoreCorrupt at once */
  waitFor(position: Position, timeoutMs?: number): Promise<void>
  job(id: string): Promise<JobView | undefined>
  jobs(query: JobQuery): Promise<Page<JobView>>
  countJobs(filter: JobFilter): Promise<number>
  /** How many of each task are in each status. */
  tally(): Promise<readonly JobTally[]>
  /** Ids only, oldest first, at most `limit` (default 1000), from `next` of the page before on: for bulk commands. */
  jobIds(filter: JobFilter, page?: { readonly limit?: number; readonly after?: string }): Promise<IdPage>
  /** Ids of ended tasks, deleted ones too, or of ended conversations that no task belongs to: what retention looks at. */
  retirable(query: RetirableQuery): Promise<IdPage>
  board(query: BoardQuery): Promise<BoardView>
  session(id: string): Promise<SessionView | undefined>
  sessions(query: {
    readonly ownerId?: string
    readonly limit?: number
    readonly cursor?: string
  }): Promise<Page<SessionView>>
  /** In their order: the items from index `after` on, at most `limit`; or the `last` so many. Default all. */
  transcript(id: string, query?: TranscriptQuery): Promise<TranscriptView | undefined>
  schedules(): Promise<readonly ScheduleView[]>
  schedule(name: string): Promise<ScheduleView | undefined>
  occurrences(name: string, query: { readonly limit?: number; readonly cursor?: string }): Promise<Page<OccurrenceView>>
  locks(): Promise<readonly LockView[]>
  /** As of one position, on this thread. Call after waitFor(head). */
  work(): WorkSnapshot
  watch<T extends WatchTopic>(topic: T, params: WatchTopics[T]['params'], sink: WatchSink<T>, from?: Position): Watch<T>
  status(): Promise<readonly ReadModelStatus[]>
  /**
   * Begins to make read models again from the log, one or all; those of which that is under way go on. They answer as
   * before until the new ones have caught up, which then take their place.
   * @returns how they stand
   * @throws UnknownReadModel
   */
  rebuild(name?: string): Promise<readonly ReadModelStatus[]>
  close(): Promise<void>
}
