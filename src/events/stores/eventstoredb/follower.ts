/**
 * One subscription, for as long as its subscriber wants it: whatever ends a call to the server, the next one begins after
 * the last event that the subscriber has taken.
 *
 *     paging ──(a page that is not full)──▶ live ──(any error, "Consumer too slow" among them)──▶ paging …
 *
 * Paging reads `$all`, as fast as the server can; it is filtered here, since the server filters subscriptions only. Live is
 * a filtered subscription, which also tells how far it has come past what does not match.
 */
import { excludeSystemEvents, streamNameFilter } from '@eventstore/db-client'
import { StoreUnavailable } from '../../errors.ts'
import { type Position, type RecordedEvent, START } from '../../event.ts'
import type { Subscriber } from '../../store.ts'
import type { Connection } from './connection.ts'
import { isTooSlow, toStoreError } from './failure.ts'
import { Pump, READ_AHEAD } from './pump.ts'
import { asResolved, positionOf, recorded } from './recorded.ts'
import { endOf, type Scope, scan } from './scan.ts'
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

/** Events of `$all` in one page while catching up. */
const PAGE = 2000
/** Events the server looks at before it says how far it is, when none of them matches. */
const SEARCH_WINDOW = 512

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
      await this.#page(wire)
      if (!this.#stopped) await this.#live(wire)
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

  /** Reads from the position to the end of the log. */
  async #page(wire: Wire): Promise<void> {
    const { scope, timeoutMs, subscriber } = this.#options
    // A writer that never rests must not put off the news that the past is done.
    const past = this.#toldCaughtUp ? START : await endOf(wire, timeoutMs)
    for (;;) {
      if (!this.#toldCaughtUp && this.#position >= past) {
        this.#toldCaughtUp = true
        subscriber.caughtUp?.(this.#position)
      }
      if (this.#stopped) return
      let seen = 0
      const pages = scan({ wire, after: this.#position, limit: PAGE, timeoutMs })
      for await (const { events, scannedTo, count } of pages) {
        await this.#deliver(events.filter((event) => scope.has(event.stream)))
        if (this.#stopped) return
        seen += count
        if (scannedTo > this.#position) this.#position = scannedTo
      }
      if (seen < PAGE) break
    }
    if (!this.#toldCaughtUp) {
      // The end was an event that is no longer there, or one that only the server sees.
      if (past > this.#position) this.#position = past
      this.#toldCaughtUp = true
      subscriber.caughtUp?.(this.#position)
    }
  }

  async #live(wire: Wire): Promise<void> {
    const { scope, timeoutMs, backoffMs } = this.#options
    let checkpoint: Position = START
    const passed = {
      maxSearchWindow: SEARCH_WINDOW,
      checkpointReached: (_: unknown, { commit }: { commit: bigint }) => {
        checkpoint = commit as Position
        pump.wake()
      },
    }
    const filter = scope.prefixes
      ? streamNameFilter({ prefixes: [...scope.prefixes], ...passed })
      : excludeSystemEvents(passed)
    const position = this.#position
    const subscription = wire.subscribeToAll(
      { fromPosition: position < 0n ? 'start' : { commit: position, prepare: position }, filter },
      READ_AHEAD,
    )
    const pump = new Pump(wire, subscription, asResolved)
    let confirmed = false
    subscription.once('confirmation', () => {
      confirmed = true
      pump.wake()
    })
    this.#wake = () => pump.wake()
    try {
      while (!this.#stopped) {
        const batch = await pump.next(confirmed ? undefined : timeoutMs)
        if (this.#stopped) return
        if (!batch) throw new StoreUnavailable('The event store has ended a subscription.', { retryable: true })
        if (confirmed) this.#backoffMs = backoffMs
        const passedTo = batch.drained ? checkpoint : START
        const fresh: RecordedEvent[] = []
        let last = this.#position
        for (const resolved of batch.items) {
          const at = positionOf(resolved)
          if (at === undefined || at <= last) continue
          last = at
          const event = recorded(resolved)
          if (event && scope.has(event.stream)) fresh.push(event)
        }
        await this.#deliver(fresh)
        if (this.#stopped) return
        this.#position = passedTo > last ? passedTo : last
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
