/** Tasks as an app declares and uses them: the options, the descriptor that submits, the handle of one submitted task. */
import type { z } from 'zod'
import type { JsonValue, TaskError } from '../events/index.ts'
import type { JobFilter, JobStatus, JobView } from '../projections/index.ts'
import type { Duration } from './duration.ts'
import type { Session } from './session.ts'

/** What a task's handler gets beside its input. */
export interface TaskContext {
  readonly taskId: string
  /** 1 for the first start. */
  readonly attempt: number
  /** The conversation the task may reply to, if it was submitted with one. */
  readonly session: Session | undefined
  /** Aborted on timeout, cancel and shutdown: hand it to what you wait for. */
  readonly signal: AbortSignal
  /** How far the work is, from 0 to 1. Conflated: call it as often as you like. */
  progress(fraction: number | undefined, message?: string): void
  /** Pushes the deadline out by the task's timeout. */
  heartbeat(): Promise<void>
  /** A line of the task's own log. */
  log(message: string, data?: JsonValue): Promise<void>
  /** Fencing token of the task's lock, for side effects elsewhere: grows with every holder. */
  readonly fence: string | undefined
}

export interface TaskOptions<Input = never> {
  readonly description?: string
  readonly tags?: readonly string[]
  /** Attempts after the first one. Default 0. */
  readonly retries?: number
  /** Pause before an attempt: a random part of base × factor^failures, at most max. Default 1s, 2, 5m. */
  readonly backoff?: { readonly base?: Duration; readonly factor?: number; readonly max?: Duration }
  /** Only these errors are worth another attempt: a class, or a function that says so. Default: all. */
  readonly retryFor?: readonly RetryRule[]
  /** Of each attempt. Default: none. */
  readonly timeout?: Duration
  /** How long an aborted handler may take to stop before it is abandoned. Default 5s. */
  readonly grace?: Duration
  /** A timed-out attempt uses up a retry instead of ending the task. Default false. */
  readonly retryOnTimeout?: boolean
  /** What becomes of the task when its process dies: it runs again, or fails. Default 'retry'. */
  readonly onInterrupt?: 'retry' | 'fail'
  /** At most one live task per key: `'report:{report_id}'` filled in from the input, or a function of it. */
  readonly lock?: KeyOf<Input>
  /** What a submit does while the lock is held. Default 'join'. */
  readonly onLocked?: 'join' | 'queue' | 'reject' | 'replace'
  /**
   * Runs the handler in its own OS process: for work that keeps a processor busy, needs much memory, or may crash. With
   * `memory` the process is ended when it uses more: '256mb', '2gb'. Default false.
   */
  readonly process?: boolean | { readonly memory?: string }
  /** Higher first. Default 0. */
  readonly priority?: number
  /** How many run at the same time, over all nodes. Default: as many as the nodes run. */
  readonly concurrency?: number
  /** How many run at the same time for each key, made like a lock's: `{ key: 'user:{user_id}', limit: 2 }`. */
  readonly concurrencyKey?: { readonly key: KeyOf<Input>; readonly limit: number }
  /** How many start in a window of time, over all nodes: `{ limit: 100, per: '1s' }`. */
  readonly rateLimit?: { readonly limit: number; readonly per: Duration }
  /** A task that did not start this long after it could have is of no use any more: it fails as expired. */
  readonly expires?: Duration
  /** A submit is refused while so many wait. Default: no bound. */
  readonly maxQueued?: number
  /** POSTed with the final job when a run has ended, whatever the end; a submit may name another one. */
  readonly callbackUrl?: string
  /** Runs after a run that ended as failed or timeout, as a durable task of its own: `<task>.on_failure`. */
  readonly onFailure?: FailureFunction<Input>
}

/** What an onFailure handler gets beside the input and the error. `taskId` and the rest are its own task's. */
export interface FailureContext extends TaskContext {
  /** The run that failed. */
  readonly failed: { readonly taskId: string; readonly run: number }
}

/** `input` is handed over as it was recorded, should it no longer fit the task's schema. */
export type FailureFunction<Input> = (input: Input, error: TaskError, context: FailureContext) => unknown

/** A key made of the input: `'report:{report_id}'`, or a function. */
export type KeyOf<Input> = string | ((input: Input) => string)

/** Input schema; checked at submit and again at start. Without one any JSON object goes. */
export interface WithInput<Schema extends z.ZodType> {
  readonly input: Schema
}

export type RetryRule = (new (...args: never[]) => Error) | ((error: unknown) => boolean)

export type TaskFunction<Input, Result> = (input: Input, context: TaskContext) => Result | Promise<Result>

export interface SubmitOptions {
  /** The conversation the task may reply to; its owner becomes the task's. */
  readonly session?: Session | undefined
  readonly priority?: number
  /** The same owner, task and key is the same task, however often it is submitted. */
  readonly idempotencyKey?: string
  /** POSTed with the final job when a run has ended. */
  readonly callbackUrl?: string
}

export interface SubmitManyOptions<Input = never> extends Omit<ScheduleOptions, 'idempotencyKey'> {
  /** Of each task, by its input and its place from 0. */
  readonly idempotencyKey?: (input: Input, index: number) => string
}

export interface ScheduleOptions extends SubmitOptions {
  /** From now. */
  readonly delay?: Duration
  readonly runAt?: Date | string
}

export interface TaskFilter extends Pick<JobFilter, 'tag' | 'q'> {
  readonly status?: JobStatus | readonly JobStatus[]
  readonly sessionId?: string
  readonly ownerId?: string
  /** Input fields, by equality. */
  readonly input?: Readonly<Record<string, JsonValue>>
}

export interface FindOptions extends TaskFilter {
  /** Default 100; `Infinity` for all. */
  readonly limit?: number
  readonly offset?: number
}

/** One submitted task. Each call rejects with NotFound when there is no such task, or it was retired. */
export interface TaskHandle<Result = JsonValue> {
  readonly taskId: string
  /** The live task of the same lock was joined instead of making a new one. */
  readonly joined: boolean
  /** Where it is now, by the log. */
  status(): Promise<JobStatus>
  /** All that the board shows of it; instants in milliseconds since the epoch. @throws NotFound also once it was deleted */
  job(): Promise<JobView>
  /**
   * Waits for the end, at most `timeout`. @throws TaskFailed when it did not complete, TimeoutError after `timeout`, NotRunning
   * when the app stops
   */
  result(options?: { readonly timeout?: Duration }): Promise<Result>
  /**
   * At once while it waits; a running one is asked to stop, and has the task's `grace` for it. Resolves when that is recorded.
   * @throws CommandRefused when it has ended in another way
   */
  cancel(reason?: string): Promise<void>
  /** Pushes a running task's deadline out by its timeout. @throws CommandRefused when it does not run, or has no timeout */
  refresh(): Promise<void>
}

/** A declared task: what app.task returns. Each call rejects (`handle` throws) with NotRunning while nothing runs the app. */
export interface Task<Input, Result> {
  readonly name: string
  /**
   * Resolves when it is durable: it runs then, whatever becomes of this process.
   * @throws InvalidInput for an input that does not fit the schema, or an option that does not fit
   * @throws QueueFull, LockHeldError for what the task's `maxQueued` and `onLocked: 'reject'` turn away
   * @throws IdempotencyConflict, TaskRetired for a key that was used before: with other input, or for what is gone from the log
   * @throws NotFound if the log has no such session
   * @throws AttemptFenced in a handler that has lost its claim
   * @throws StoreUnavailable, EventTooLarge from the log. After the former, submit again with the same key: it may be recorded
   */
  submit(input: Input, options?: SubmitOptions): Promise<TaskHandle<Result>>
  /** Submits it for later. @throws what `submit` does */
  schedule(input: Input, options: ScheduleOptions): Promise<TaskHandle<Result>>
  /**
   * Submits many at once, which costs little more than one. Each answer stands in its input's place: a handle, or why
   * that one was refused. @throws InvalidInput, and submits none, if an input does not fit
   */
  submitMany(
    inputs: readonly Input[],
    options?: SubmitManyOptions<Input>,
  ): Promise<readonly PromiseSettledResult<TaskHandle<Result>>[]>
  /** Newest first. @throws InvalidInput, as those below, if the filter has a name or a value that there is not */
  find(options?: FindOptions): Promise<readonly JobView[]>
  /** How many tasks, of all states unless `status` says which, as of the end of the log now. */
  count(filter?: TaskFilter): Promise<number>
  /** Cancels those that wait: what runs goes on. @returns how many; @throws AttemptFenced in a handler that has lost its claim */
  cancel(filter?: TaskFilter): Promise<number>
  /** The handle of a task submitted earlier. Asks nothing: an id that there is not shows at its first call. */
  handle(taskId: string): TaskHandle<Result>
}
