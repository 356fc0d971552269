/**
 * Runs claimed attempts in this process: the handler with its signal, its deadline, its heartbeat, and exactly one
 * command that ends the attempt. Only the runner fires an attempt's timeout.
 *
 * An attempt is over when its handler has settled, or when it was asked to stop and the grace period has passed: then
 * the handler is abandoned, and whatever it still tries is fenced off by its claim.
 */
import {
  type ActorSystem,
  AttemptFenced,
  type Claim,
  type Clock,
  isRefusal,
  type Origin,
  type Report,
  type TaskCommand,
  type TaskContext,
  type Timer,
  taskKind,
} from '../actors/index.ts'
import { type Actor, EventTooLarge, type JsonValue, StoreUnavailable, StreamDeleted } from '../events/index.ts'
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
import type { Attempt, TaskHandler } from './handlers.ts'
import { ProcessDied } from './process/task-process.ts'

/** At most so often is an attempt's progress recorded. */
const PROGRESS_EVERY_MS = 250

export interface RunnerOptions {
  readonly system: ActorSystem
  readonly node: string
  /** 0 ≤ random() < 1, for the jitter of backoff. */
  readonly random: () => number
  /** This node was away for so long that its claims may be others'. */
  readonly isLate: () => boolean
  readonly report: Report
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
    const returned = (attempt.endedBy ? Promise.reject(attempt.endedBy) : handler.run(attempt))
      .then(asJson)
      .finally(() => {
        hasReturned = true
      })
    // An abandoned handler may still reject, long after anybody waits for it.
    returned.catch(() => {})
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
      const result = await Promise.race([returned, attempt.abandoned])
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

/** The attempt under way, as its handler and the runner share it. */
class LiveAttempt implements Attempt {
  readonly taskId: string
  readonly claim: Claim
  readonly submission: Attempt['submission']
  readonly fence: string | undefined
  readonly signal: AbortSignal
  /** Rejects when the attempt was asked to stop and its grace period is over, or when its claim is lost. */
  readonly abandoned: Promise<never>
  /** Origin of the command that ends it. */
  readonly ending: Origin
  /** Somebody else ended the run. */
  lost = false
  endedBy: Error | undefined
  readonly #options: RunnerOptions
  readonly #clock: Clock
  readonly #origin: Origin
  readonly #controller = new AbortController()
  #settled = false
  #abandon: (reason: Error) => void = () => {}
  #deadline: Timer | undefined
  #grace: Timer | undefined
  #progress: { fraction?: number; message?: string } | undefined
  #progressTimer: Timer | undefined
  /** By the monotonic clock. */
  #progressAt = Number.NEGATIVE_INFINITY
  #progressUnderWay: Promise<void> | undefined
  #verified: Promise<void> = Promise.resolve()

  constructor(
    options: RunnerOptions,
    taskId: string,
    claim: Claim,
    submission: Attempt['submission'],
    fence: string | undefined,
  ) {
    this.#options = options
    this.#clock = options.system.clock
    this.taskId = taskId
    this.claim = claim
    this.submission = submission
    this.fence = fence
    this.signal = this.#controller.signal
    const by: Actor = `node:${options.node}`
    this.#origin = { by, causationId: claim.id }
    this.ending = { by, causationId: claim.id, mustLand: true }
    this.abandoned = new Promise((_, reject) => {
      this.#abandon = reject
    })
    this.abandoned.catch(() => {})
    if (claim.deadline !== undefined) this.setDeadline(claim.deadline)
  }

  extend(): void {
    const { timeoutMs } = this.submission
    if (timeoutMs !== undefined && !this.#settled) this.setDeadline(this.#clock.now() + timeoutMs)
  }

  setDeadline(at: number): void {
    this.#deadline?.cancel()
    this.#deadline = this.#clock.at(at, () => {
      const limit = (this.submission.timeoutMs ?? 0) / 1000
      this.stop(new TimeoutError(`The attempt did not end within its timeout of ${limit} s.`))
    })
  }

  /** Aborts the signal, and gives the handler its grace period to come to an end. The first reason stands. */
  stop(reason: Error): void {
    if (this.endedBy || this.lost || this.#settled) return
    this.endedBy = reason
    this.#deadline?.cancel()
    this.#controller.abort(reason)
    const graceMs = reason instanceof ShutdownError ? 0 : this.submission.graceMs
    this.#grace = this.#clock.at(this.#clock.now() + graceMs, () => this.#abandon(reason))
  }

  lose(): void {
    if (this.lost || this.#settled) return
    this.lost = true
    const reason = new AttemptFenced('attempt', `task ${this.taskId}`, this.claim.id)
    this.#controller.abort(reason)
    this.#abandon(reason)
  }

  /** The handler has come to its end, or was given up: whatever it left running must not write any more. */
  settle(): void {
    this.#settled = true
    this.#deadline?.cancel()
    this.#grace?.cancel()
  }

  close(): void {
    this.settle()
    this.#progressTimer?.cancel()
  }

  assertCurrent(): void {
    if (this.lost || this.#settled) throw new AttemptFenced('attempt', `task ${this.taskId}`, this.claim.id)
  }

  async confirmCurrent(): Promise<void> {
    await (this.#options.isLate() ? this.verify() : this.#verified)
    this.assertCurrent()
  }

  async confirmUnfenced(): Promise<void> {
    if (!this.#settled || this.signal.aborted) await this.confirmCurrent()
  }

  /** Looks whether the claim is still this attempt's. */
  verify(): Promise<void> {
    const verified = this.#options.system.read(taskKind, this.taskId).then(({ state }) => {
      if (state.context.claim?.id !== this.claim.id) this.lose()
    })
    this.#verified = verified.catch(() => {}) // whoever asked is told
    return verified
  }

  progress(fraction: number | undefined, message?: string): void {
    this.assertCurrent()
    if (fraction !== undefined && !(fraction >= 0 && fraction <= 1)) {
      throw new RangeError(`progress(${fraction}): the fraction done is a number from 0 to 1.`)
    }
    this.#progress = {
      ...(fraction === undefined ? {} : { fraction }),
      ...(message === undefined ? {} : { message: printed(message) }),
    }
    if (this.#progressTimer) return
    const restMs = this.#progressAt + PROGRESS_EVERY_MS - this.#clock.monotonic()
    if (restMs <= 0) this.#recordProgress()
    else this.#progressTimer = this.#clock.after(restMs, () => this.#recordProgress())
  }

  async heartbeat(): Promise<void> {
    this.assertCurrent()
    if (this.submission.timeoutMs === undefined) return
    await this.#execute({ type: 'extend', claim: this.claim.id })
  }

  async log(level: 'debug' | 'info' | 'warn' | 'error', message: string, data?: JsonValue): Promise<void> {
    this.assertCurrent()
    // It may well be an error that was caught.
    const line = printed(message)
    await this.#execute({
      type: 'log',
      claim: this.claim.id,
      level,
      message: line,
      ...(data === undefined ? {} : { data }),
    })
  }

  /** The last progress before the end is recorded even if it came too soon after the one before. */
  flush(): Promise<void> | undefined {
    if (this.#progressTimer) this.#recordProgress()
    return this.#progressUnderWay
  }

  #recordProgress(): void {
    this.#progressTimer?.cancel()
    this.#progressTimer = undefined
    const progress = this.#progress
    if (!progress || this.lost) return
    this.#progress = undefined
    this.#progressAt = this.#clock.monotonic()
    this.#progressUnderWay = this.#execute({ type: 'progress', claim: this.claim.id, ...progress }).then(
      () => {},
      (error) => {
        if (!isRefusal(error)) this.#options.report(error, `recording progress of task ${this.taskId}`)
      },
    )
  }

  async #execute(command: TaskCommand): Promise<void> {
    try {
      await this.#options.system.execute(taskKind, this.taskId, command, this.#origin)
    } catch (error) {
      if (error instanceof AttemptFenced || error instanceof StreamDeleted) this.lose()
      throw error
    }
  }
}
