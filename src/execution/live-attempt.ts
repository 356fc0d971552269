/**
 * An attempt under way, as its handler and the runner share it: its signal and deadline, what it may still write, and that it
 * lost its claim.
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
  type Timer,
  taskKind,
} from '../actors/index.ts'
import { type Actor, type JsonValue, StreamDeleted } from '../events/index.ts'
import { printed, ShutdownError, TimeoutError } from './errors.ts'
import type { Attempt } from './handlers.ts'

/** At most so often is an attempt's progress recorded. */
const PROGRESS_EVERY_MS = 250

export interface LiveAttemptOptions {
  readonly system: ActorSystem
  readonly node: string
  /** This node was away for so long that its claims may be others'. */
  readonly isLate: () => boolean
  readonly report: Report
}

export class LiveAttempt implements Attempt {
  readonly taskId: string
  readonly claim: Claim
  readonly submission: Attempt['submission']
  readonly fence: string | undefined
  readonly signal: AbortSignal
  /** Origin of the command that ends it. */
  readonly ending: Origin
  /** Somebody else ended the run. */
  lost = false
  endedBy: Error | undefined
  readonly #options: LiveAttemptOptions
  readonly #clock: Clock
  readonly #origin: Origin
  readonly #controller = new AbortController()
  #settled = false
  #abandonedFor: Error | undefined
  #onAbandoned: ((reason: Error) => void) | undefined
  #deadline: Timer | undefined
  #grace: Timer | undefined
  #progress: { fraction?: number; message?: string } | undefined
  #progressTimer: Timer | undefined
  /** By the monotonic clock. */
  #progressAt = Number.NEGATIVE_INFINITY
  #progressUnderWay: Promise<void> | undefined
  #verified: Promise<void> = Promise.resolve()

  constructor(
    options: LiveAttemptOptions,
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
    if (claim.deadline !== undefined) this.setDeadline(claim.deadline)
  }

  /**
   * What the handler returns. Rejects before, when the attempt was asked to stop and its grace period is over, or when its
   * claim is lost. To be asked once.
   */
  unlessAbandoned<T>(returned: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      returned.then(resolve, reject)
      if (this.#abandonedFor) reject(this.#abandonedFor)
      this.#onAbandoned = reject
    })
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

  #abandon(reason: Error): void {
    this.#abandonedFor ??= reason
    this.#onAbandoned?.(reason)
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
