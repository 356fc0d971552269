/**
 * One subscription, for as long as its subscriber wants it: whatever ends a call to the server, the next one begins after
 * the last event that the subscriber has taken. Each call is a filtered subscription to `$all`, which also tells how far it
 * has come past what does not match.
 */
import { StoreUnavailable } from '../../errors.ts'
import { type Position, type RecordedEvent, START } from '../../event.ts'
import type { Subscriber } from '../../store.ts'
import type { Connection } from './connection.ts'
import { isTooSlow, toStoreError } from './failure.ts'
import { endOf, type Scope, take, watch } from './scan.ts'
import type { Wire } from './wire.ts'

export interface FollowerOptions {
  readonly connection: Connection
  readonly scope: Scope
  readonly from: Promise<Position>
  readonly subscriber: Subscriber
  readonly timeoutMs: number
  readonly backoffMs: number
  readonly longestBackoffMs: number
}

class SubscriberFailed extends Error {}

export class Follower {
  readonly #options: FollowerOptions
  /** Everything up to here was delivered, or does not match. */
  #position: Position = START
  #toldCaughtUp = false
  #stopped = false
  #reason: Error | undefined
  #backoffMs: number
  #wake: (() => void) | undefined

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#backoffMs = options.backoffMs
  }

  /** Without a reason the subscriber asked for it, and is not told. */
  stop(reason?: Error): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#reason = reason
    this.#wake?.()
  }

  /** Resolves when the subscription has ended. */
  async run(): Promise<void> {
    try {
      this.#position = await this.#options.from
      while (!this.#stopped) await this.#round()
    } catch (error) {
      const cause = error instanceof SubscriberFailed ? error.cause : error
      this.stop(cause instanceof Error ? cause : new Error(String(cause)))
    }
    if (this.#reason) this.#options.subscriber.dropped?.(this.#reason)
  }

  async #round(): Promise<void> {
    const { connection, backoffMs, longestBackoffMs } = this.#options
    const wire = connection.wire()
    try {
      await this.#watch(wire)
    } catch (error) {
      if (error instanceof SubscriberFailed) throw error
      const failure = toStoreError(error)
      if (failure instanceof StoreUnavailable && !failure.retryable) throw failure
      if (this.#stopped) return
      if (isTooSlow(error)) return
      connection.failed(error, wire)
      await this.#rest(this.#backoffMs)
      this.#backoffMs = Math.min(Math.max(this.#backoffMs * 2, backoffMs), longestBackoffMs)
    }
  }

  async #watch(wire: Wire): Promise<void> {
    const { scope, timeoutMs, backoffMs, subscriber } = this.#options
    // A writer that never rests must not put off the news that the past is done.
    const past = this.#toldCaughtUp ? START : await endOf(wire, timeoutMs)
    if (this.#stopped) return
    const { pump, confirmed } = watch(wire, scope, this.#position)
    let isConfirmed = false
    void confirmed.then(() => {
      isConfirmed = true
      this.#backoffMs = backoffMs
      pump.wake()
    })
    this.#wake = () => pump.wake()
    try {
      while (!this.#stopped) {
        const batch = await pump.next(isConfirmed ? undefined : timeoutMs)
        if (this.#stopped) return
        if (!batch) throw new StoreUnavailable('The event store has ended a subscription.', { retryable: true })
        const { events, upTo } = take(batch, scope, this.#position)
        await this.#deliver(events)
        if (this.#stopped) return
        this.#position = upTo
        if (!this.#toldCaughtUp && (batch.caughtUp || upTo >= past)) {
          // The end may be an event that does not match, or that only the server sees.
          if (past > upTo) this.#position = past
          this.#toldCaughtUp = true
          subscriber.caughtUp?.(this.#position)
        }
      }
    } finally {
      this.#wake = undefined
      pump.close()
    }
  }

  async #deliver(events: readonly RecordedEvent[]): Promise<void> {
    if (events.length === 0) return
    try {
      await this.#options.subscriber.events(events)
    } catch (cause) {
      throw new SubscriberFailed('The subscriber failed', { cause })
    }
  }

  async #rest(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
  }
}
