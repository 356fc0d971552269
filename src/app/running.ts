/** A running app as its doors (HTTP, CLI, tests) see it: commands that are durable when they resolve, and reads. */
import type {
  Actor,
  JsonObject,
  JsonValue,
  LogVerdict,
  Position,
  RecordedEvent,
  StreamKind,
  TaskError,
} from '../events/index.ts'
import type { AttemptTally, Submitted } from '../execution/index.ts'
import type { ItemView, JobFilter, JobView, ReadModels } from '../projections/index.ts'
import type { PageDefinition, TaskDefinition } from './definition.ts'
import type { RetireOutcome, RetireRequest } from './retention/index.ts'

export type { Submitted } from '../execution/index.ts'

/** Who asks, and how a repeat is recognised. */
export interface Caller {
  readonly by: Actor
  /** Whose tasks and sessions these are. */
  readonly ownerId: string
  /** The client's own id of this command: a repeat with the same id changes nothing and gets the same answer. */
  readonly commandId?: string
  readonly traceparent?: string
}

export interface SubmitRequest {
  readonly name: string
  readonly params: JsonObject
  readonly sessionId?: string
  /** A duration: seconds, or text like '10m'. */
  readonly delay?: number | string
  /** ISO 8601. */
  readonly runAt?: string
  readonly priority?: number
  /** Before the caller's command id it says which task this is: see `Submits`. */
  readonly idempotencyKey?: string
  /** POSTed with the final job when a run has ended. */
  readonly callbackUrl?: string
}

export type SubmitItem = Omit<SubmitRequest, 'name'>

export interface Executed {
  /** Absent when the input was refused before there was a job. */
  readonly taskId: string | undefined
  readonly params: JsonObject
  /** `pending` when `waitMs` were not enough. */
  readonly outcome:
    | { readonly kind: 'result'; readonly result: JsonValue }
    | { readonly kind: 'error'; readonly error: Pick<TaskError, 'type' | 'message' | 'stack'> }
    | { readonly kind: 'pending' }
}

export interface BulkOutcome {
  /** Those that accepted it; those that had moved on meanwhile are not counted. */
  readonly count: number
  /** From which reads show all of it. */
  readonly position: Position
}

export interface ScheduleInfo {
  readonly name: string
  /** The cron in words. */
  readonly meaning: string
  /** ISO 8601, undefined while paused or removed. */
  readonly nextAt: string | undefined
}

export interface HealthCheck {
  readonly name: string
  readonly status: 'healthy' | 'degraded' | 'unhealthy'
  readonly detail?: string
}

export interface RunningApp {
  readonly name: string
  /** Of the app's package, with the commit if known. */
  readonly version: string
  readonly nodeId: string
  readonly hasChat: boolean
  readonly tasks: ReadonlyMap<string, TaskDefinition>
  readonly pages: readonly PageDefinition[]
  readonly reads: ReadModels
  /** What became of the attempts of tasks that this process ran. */
  readonly attempts: AttemptTally
  /** Attempts, turns and what follows the end of a run that are under way here; and tasks that wait, of all nodes. */
  readonly work: { readonly running: number; readonly live: number }

  /**
   * @throws UnknownTask, InvalidInput, LockHeldError, IdempotencyConflict, TaskRetired, QueueFull, NotFound (session),
   * NotRunning
   */
  submit(request: SubmitRequest, caller: Caller): Promise<Submitted>
  /**
   * Submits many of one task at once; each answer in its item's place. The caller's command id is one for each item.
   * @throws UnknownTask; InvalidInput naming each place (`items.3.params.x`), before any is submitted
   */
  submitMany(
    name: string,
    items: readonly SubmitItem[],
    caller: Caller,
  ): Promise<readonly PromiseSettledResult<Submitted>[]>
  /**
   * Runs once, no retries, and waits (Chapkit's synchronous execution). A repeat with the caller's command id is answered
   * with the same run. @throws UnknownTask, IdempotencyConflict (other params), QueueFull
   */
  execute(name: string, params: JsonObject, caller: Caller, waitMs?: number): Promise<Executed>
  /** Each resolves with the position from which reads show it. @throws NotFound, CommandRefused */
  cancelJob(id: string, caller: Caller, reason?: string): Promise<Position>
  /** Cancels those of the filter that wait. */
  cancelWaiting(filter: JobFilter, caller: Caller): Promise<BulkOutcome>
  /** Runs those of the filter again that failed or timed out; cancelled ones only if its status names them. */
  retryEnded(filter: JobFilter, caller: Caller): Promise<BulkOutcome>
  retryJob(id: string, caller: Caller): Promise<Position>
  refreshJob(id: string, caller: Caller): Promise<Position>
  deleteJob(id: string, caller: Caller): Promise<Position>
  /** Starts no more tasks of the name on any node, until it is resumed. What runs goes on. @throws UnknownTask */
  pauseTask(name: string, caller: Caller): Promise<Position>
  resumeTask(name: string, caller: Caller): Promise<Position>
  isPaused(name: string): boolean
  /** Resolves when the job has ended, or after `timeoutMs`, with the job as it is then. */
  waitForJob(id: string, timeoutMs: number): Promise<JobView | undefined>
  /** What a waiting job waits for beside its lock, if anything: `handler build_report`. */
  waitingFor(job: JobView): string | undefined

  /** With a command id and no `id` of its own, the same caller's same command is the same conversation. @throws InvalidInput */
  createSession(
    caller: Caller,
    options?: { readonly id?: string; readonly title?: string },
  ): Promise<{ sessionId: string; position: Position }>
  /** Without a `messageId` the caller's command id is the message's. @throws NotFound unless `create`, and with `own` when the conversation is not the caller's */
  sendMessage(
    sessionId: string,
    message: { readonly text: string; readonly messageId?: string; readonly create?: boolean; readonly own?: boolean },
    caller: Caller,
  ): Promise<{ messageId: string; position: Position }>
  /**
   * Resolves, once the turn of a message has ended, with the message and what follows it in the conversation (at most 500
   * items); with undefined after `timeoutMs`. @throws NotFound
   */
  waitForTurn(sessionId: string, messageId: string, timeoutMs: number): Promise<readonly ItemView[] | undefined>
  /** A new turn for a message whose turn failed, was interrupted or stopped. */
  retryMessage(sessionId: string, messageId: string, caller: Caller): Promise<{ messageId: string; position: Position }>
  stopTurn(sessionId: string, caller: Caller): Promise<Position>

  /** Lets go of a lock whose holder has ended. @throws NotFound; CommandRefused while the holder lives */
  releaseLock(key: string, caller: Caller): Promise<Position>

  scheduleInfo(name: string): ScheduleInfo | undefined
  /** The next due times of a schedule, ISO 8601, soonest first; none while it is paused. */
  upcoming(name: string, count: number): readonly string[]
  triggerSchedule(name: string, caller: Caller): Promise<{ taskId: string; position: Position }>
  pauseSchedule(name: string, caller: Caller): Promise<Position>
  resumeSchedule(name: string, caller: Caller): Promise<Position>

  /** Of the last event in the log. @throws StoreUnavailable */
  head(): Promise<Position>
  /**
   * An entity's events, oldest first: `limit` of them (default all) from revision `from` on (default the first). None if
   * there is no such entity.
   */
  history(
    kind: StreamKind,
    id: string,
    part?: { readonly from?: bigint; readonly limit?: number },
  ): Promise<readonly RecordedEvent[]>
  /** The position that a read of this entity must include to show what this node last acknowledged for it. */
  acknowledged(kind: StreamKind, id: string): Position
  /**
   * Events as the log has them, in its order: of the whole app after a position, or of one stream from a revision on.
   * @throws StoreError
   */
  events(
    of: { readonly after?: Position } | { readonly stream: string; readonly from?: bigint },
    limit: number,
  ): Promise<readonly RecordedEvent[]>
  /** Where streams go that are retired; undefined when there is no such place. */
  readonly archive: string | undefined
  /**
   * Takes streams out of the log that ended long ago, and to which nothing is owed: each is first written to the archive, and
   * its going recorded. What a run that was cut off left undone, the next one completes.
   * @throws InvalidInput, CommandRefused (no archive), ArchiveInUse, ArchiveUnavailable, StoreError
   */
  retire(request: RetireRequest, caller: Caller): Promise<RetireOutcome>
  /**
   * Holds every event of the app against its hash chain, and with `archive` every stream that went against its copy there.
   * Reads the whole log. @throws StoreError
   */
  verify(options?: { readonly archive?: string }): Promise<LogVerdict>
  health(): Promise<readonly HealthCheck[]>
  /**
   * Drains up to `drainMs` (default 10 s) or until `hurry` is aborted, interrupts the rest, lets go of everything.
   * `clean` if nothing was interrupted.
   */
  stop(options?: { readonly drainMs?: number; readonly hurry?: AbortSignal }): Promise<{ readonly clean: boolean }>
}
