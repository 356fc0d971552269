/**
 * What the execution side asks of the app: code to run for a task, a turn or an occurrence. The app wraps its user's
 * handlers into these (session, services); execution knows nothing of either.
 */
import type { Claim, Message } from '../actors/index.ts'
import type { JsonObject, JsonValue, Submission } from '../events/index.ts'

/** One attempt of a task, as its handler sees it. */
export interface Attempt {
  readonly taskId: string
  readonly claim: Claim
  readonly submission: Submission
  /** Fencing token of the task's lock: grows with every holder. */
  readonly fence: string | undefined
  /** Aborted on timeout, cancel and shutdown; its reason says which. */
  readonly signal: AbortSignal
  /** Conflated: at most four a second are recorded, the last always. @throws AttemptFenced */
  progress(fraction: number | undefined, message?: string): void
  /** Pushes the deadline out by the task's timeout. @throws AttemptFenced */
  heartbeat(): Promise<void>
  /** @throws AttemptFenced */
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, data?: JsonValue): Promise<void>
  /** @throws AttemptFenced once the attempt may no longer write. */
  assertCurrent(): void
  /**
   * The same for what the attempt does outside of its own stream, which does not hold it against the claim: a node that
   * was away for long looks first whether the claim is still its own. @throws AttemptFenced
   */
  confirmCurrent(): Promise<void>
  /** The same, but code that an attempt left behind when it came to its own end may go on. @throws AttemptFenced */
  confirmUnfenced(): Promise<void>
}

/** How many of a task may run, over all nodes. */
export interface TaskLimits {
  /** At the same time. */
  readonly concurrency?: number
  /** At the same time for each key of the input. */
  readonly key?: { readonly of: (params: JsonObject) => string; readonly limit: number }
  /** Starts in any window of `perMs`. */
  readonly rate?: { readonly limit: number; readonly perMs: number }
}

export interface TaskHandler {
  readonly limits?: TaskLimits | undefined
  /** A crash of it ends a process that runs nothing else, so the node goes on beside it. */
  readonly isolated?: boolean
  run(attempt: Attempt): Promise<unknown>
  /** Whether another attempt might end better after this error. */
  retryable(error: unknown): boolean
}

/** One turn of a conversation, as its handler sees it. */
export interface TurnRun {
  readonly sessionId: string
  readonly claim: string
  readonly message: Message
  /** Aborted on Stop, timeout and shutdown. */
  readonly signal: AbortSignal
  /** As an attempt's. @throws AttemptFenced */
  confirmCurrent(): Promise<void>
}

export interface Handlers {
  readonly names: readonly string[]
  task(name: string): TaskHandler | undefined
  /** Absent in an app without app.message. */
  readonly turn: ((turn: TurnRun) => Promise<void>) | undefined
}
