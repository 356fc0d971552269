/**
 * Runs claimed attempts in this process: the handler with its signal, its deadline, its heartbeat, and exactly one
 * command that ends the attempt. Only the runner fires an attempt's timeout.
 *
 * An attempt is over when its handler has settled, or when it was asked to stop and the grace period has passed: then
 * the handler is abandoned, and whatever it still tries is fenced off by its claim.
 */
import { type Claim, isRefusal, type TaskCommand, type TaskContext, taskKind } from '../actors/index.ts'
import { EventTooLarge, type JsonValue, StoreUnavailable } from '../events/index.ts'
import { type AttemptEnd, AttemptTally } from './attempt-tally.ts'
import {
  asJson,
  CancelledError,
  describeError,
  isError,
  NonRetryableError,
  printed,
  ShutdownError,
  TimeoutError,
} from './errors.ts'
import type { TaskHandler } from './handlers.ts'
import { LiveAttempt, type LiveAttemptOptions } from './live-attempt.ts'
import { ProcessDied } from './process/task-process.ts'

export interface RunnerOptions extends LiveAttemptOptions {
  /** 0 ≤ random() < 1, for the jitter of backoff. */
  readonly random: () => number
}

/** The one command that ends an attempt. */
type Ending = Extract<TaskCommand, { readonly type: keyof typeof ENDS }>

const ENDS = {
  complete: 'completed',
  fail: 'failed',
  timeOut: 'timeout',
  interrupt: 'interrupted',
  acknowledgeCancel: 'cancelled',
} as const satisfies Record<string, AttemptEnd>

interface Run {
  readonly attempt: LiveAttempt
  readonly done: Promise<void>
}

export class Runner {
  readonly tally = new AttemptTally()
  readonly #options: RunnerOptions
  readonly #runs = new Map<string, Run>()
  #interrupts = false

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  get running(): number {
    return this.#runs.size
  }

  /** Whether the claim is one of this runner's. */
  has(claim: string): boolean {
    return this.#runs.has(claim)
  }

  /**
   * Runs the attempt. Resolves once its end is recorded; never rejects.
   * @param onReturned called once, when nothing waits for the handler any more and its end is on its way to the log
   */
  run(
    taskId: string,
    claim: Claim,
    { submission, failures }: TaskContext,
    handler: TaskHandler,
    fence: string | undefined,
    onReturned: () => void,
  ): Promise<void> {
    if (!submission) {
      onReturned()
      return Promise.resolve()
    }
    const attempt = new LiveAttempt(this.#options, taskId, claim, submission, fence)
    if (this.#interrupts) attempt.stop(new ShutdownError('The node is stopping.'))
    const done = this.#drive(attempt, handler, failures, onReturned).finally(() => {
      attempt.close()
      this.#runs.delete(claim.id)
    })
    this.#runs.set(claim.id, { attempt, done })
    return done
  }

  /** Asks the attempt to stop because somebody asked to cancel the task. */
  cancel(claim: string): void {
    this.#runs.get(claim)?.attempt.stop(new CancelledError('The task was cancelled.'))
  }

  /** The attempt lost its claim: nothing it does counts any more. */
  fence(claim: string): void {
    this.#runs.get(claim)?.attempt.lose()
  }

  /** This node was away for long: whoever lost the claim meanwhile is told before it writes anything. */
  verify(): void {
    for (const { attempt } of this.#runs.values()) {
      attempt.verify().catch((error) => this.#options.report(error, `looking after task ${attempt.taskId}`))
    }
  }

  /** Somebody pushed the attempt's deadline out: by this node's date, since whoever did may have another. */
  extend(claim: string): void {
    this.#runs.get(claim)?.attempt.extend()
  }

  /** Interrupts everything that runs, or begins after this, and records it, without waiting for handlers. */
  async interruptAll(): Promise<void> {
    this.#interrupts = true
    await Promise.all(
      [...this.#runs.values()].map(async ({ attempt, done }) => {
        attempt.stop(new ShutdownError('The node is stopping.'))
        await done
      }),
    )
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    while (this.#runs.size > 0) await Promise.all([...this.#runs.values()].map(({ done }) => done))
  }

  async #drive(attempt: LiveAttempt, handler: TaskHandler, failures: number, onReturned: () => void): Promise<void> {
    const { clock } = this.#options.system
    const began = clock.monotonic()
    let hasReturned = false
    // One that was stopped before it began does not begin.
    const returned = (attempt.endedBy ? Promise.reject(attempt.endedBy) : handler.run(attempt)).then(asJson)
    const noteReturn = (): void => {
      hasReturned = true
    }
    // An abandoned handler may still reject, long after anybody waits for it.
    returned.then(noteReturn, noteReturn)
    const ending = await this.#ending(attempt, handler, returned, failures)
    const seconds = (clock.monotonic() - began) / 1000
    const isAbandoned = !hasReturned
    const recorded = ending && this.#record(attempt, ending)
    onReturned()
    this.tally.add(attempt.submission.name, (await recorded) ?? 'lost', seconds)
    if (isAbandoned) this.#offerLate(attempt, returned)
  }

  /** How the attempt ends, once its handler has, or is given up; undefined if somebody else ended the run. */
  async #ending(
    attempt: LiveAttempt,
    handler: TaskHandler,
    returned: Promise<JsonValue>,
    failures: number,
  ): Promise<Ending | undefined> {
    try {
      const result = await attempt.unlessAbandoned(returned)
      if (attempt.lost) return undefined
      attempt.settle()
      return attempt.endedBy instanceof TimeoutError ? this.#timeOut(attempt, failures) : complete(attempt, result)
    } catch (error) {
      if (attempt.lost) return undefined
      attempt.settle()
      return this.#unfinished(attempt, handler, error, failures)
    }
  }

  /** What an abandoned handler returns in the end is offered all the same: its claim is over, and the log shows the try. */
  #offerLate(attempt: LiveAttempt, returned: Promise<JsonValue>): void {
    const { taskId, ending } = attempt
    returned
      .then((result) => this.#options.system.execute(taskKind, taskId, complete(attempt, result), ending))
      .catch(() => {}) // refused, or failed in the end, or too late even for that: the store is closed
  }

  /** @returns undefined if somebody else had ended the run */
  async #record(attempt: LiveAttempt, ending: Ending): Promise<AttemptEnd | undefined> {
    const { system, report } = this.#options
    try {
      const flushed = attempt.flush()
      // The end is on its way when this returns, before whatever takes its place is claimed.
      if (flushed) await flushed
      await system.execute(taskKind, attempt.taskId, ending, attempt.ending)
    } catch (error) {
      if (isRefusal(error)) return undefined // the claim was lost: the refusal is recorded
      if (error instanceof EventTooLarge && ending.type === 'complete') {
        const tooLarge = new NonRetryableError(
          `The result has ${error.bytes} bytes of JSON, the limit is ${error.limit}.`,
        )
        return this.#record(attempt, {
          type: 'fail',
          claim: attempt.claim.id,
          error: describeError(tooLarge, false),
          delayMs: 0,
        })
      }
      report(error, `recording the end of task ${attempt.taskId}`)
    }
    return ENDS[ending.type]
  }

  #unfinished(attempt: LiveAttempt, handler: TaskHandler, error: unknown, failures: number): Ending {
    const claim = attempt.claim.id
    if (attempt.endedBy instanceof CancelledError) return { type: 'acknowledgeCancel', claim }
    if (attempt.endedBy instanceof ShutdownError) return { type: 'interrupt', claim, cause: 'drain' }
    if (attempt.endedBy instanceof TimeoutError) return this.#timeOut(attempt, failures)
    if (isError(error) && error instanceof ProcessDied) {
      return { type: 'interrupt', claim, cause: 'crash', alone: true, detail: error.message }
    }
    // The log was away, and not for a moment: that is no failure of the task.
    const isLost = isError(error) && error instanceof StoreUnavailable && error.retryable
    if (isLost && attempt.submission.onInterrupt !== 'fail') {
      return { type: 'interrupt', claim, cause: 'lost', detail: error.message }
    }
    const isHopeless = isError(error) && error instanceof NonRetryableError
    const retryable = !isHopeless && this.#isRetryable(attempt, handler, error)
    return { type: 'fail', claim, error: describeError(error, retryable), delayMs: this.#backoff(attempt, failures) }
  }

  /** Asks user code, which may throw in turn. */
  #isRetryable({ taskId }: LiveAttempt, handler: TaskHandler, error: unknown): boolean {
    try {
      return handler.retryable(error)
    } catch (thrown) {
      this.#options.report(thrown, `asking the retryFor of task ${taskId} about ${printed(error)}`)
      return false
    }
  }

  #timeOut(attempt: LiveAttempt, failures: number): Ending {
    return {
      type: 'timeOut',
      claim: attempt.claim.id,
      error: describeError(attempt.endedBy, true),
      delayMs: this.#backoff(attempt, failures),
    }
  }

  /**
   * Exponential backoff with full jitter: a uniformly random part of min(max, base × factor^failures). Source: M.
   * Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
   */
  #backoff({ submission: { backoff } }: LiveAttempt, failures: number): number {
    // After a thousand failures the power is infinite, and nothing times that is no number.
    const growth = Math.min(backoff.factor ** failures, Number.MAX_VALUE)
    const ceiling = Math.min(backoff.max, backoff.base * growth)
    return Math.round(this.#options.random() * ceiling)
  }
}

function complete(attempt: LiveAttempt, result: JsonValue): Ending {
  return { type: 'complete', claim: attempt.claim.id, result }
}
