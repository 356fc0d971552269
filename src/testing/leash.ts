/**
 * What holds a node to its log and clock, so that it can be cut off as `kill -9` would: after that nothing it does is
 * recorded, nothing it waits for comes, and none of its timers fires.
 */
import type { Clock, Timer } from '../actors/index.ts'
import type {
  AppendResult,
  EventData,
  EventStore,
  ExpectedRevision,
  SubscribeOptions,
  Subscriber,
  Subscription,
} from '../events/index.ts'

/** A crash that is to come: when an event of this type is appended, with it recorded or not. */
export interface CrashPoint {
  readonly when: 'before' | 'after'
  readonly type: string
}

export class Leash {
  readonly store: EventStore
  readonly clock: Clock
  readonly #subscriptions = new Set<Subscription>()
  #isCut = false
  #crashPoint: (CrashPoint & { readonly crashed: () => void }) | undefined

  constructor(store: EventStore, clock: Clock) {
    this.store = this.#held(store)
    this.clock = {
      now: () => clock.now(),
      at: (at, fire) => this.#at(clock, at, fire),
      monotonic: () => clock.monotonic(),
      after: (ms, fire) => this.#at(clock, clock.now() + ms, fire),
    }
  }

  get isCut(): boolean {
    return this.#isCut
  }

  cut(): void {
    this.#isCut = true
    for (const subscription of this.#subscriptions) void subscription.close()
  }

  /** Cuts when the point is reached; resolves then. */
  cutAt(point: CrashPoint): Promise<void> {
    return new Promise((crashed) => {
      this.#crashPoint = { ...point, crashed }
    })
  }

  #at(clock: Clock, at: number, fire: () => void): Timer {
    return clock.at(at, () => {
      if (!this.#isCut) fire()
    })
  }

  #held(store: EventStore): EventStore {
    return {
      append: (stream, expected, events) => this.#append(store, stream, expected, events),
      readStream: (stream, options) => this.#answer(store.readStream(stream, options)),
      readAll: (options) => this.#answer(store.readAll(options)),
      head: () => this.#answer(store.head()),
      deleteStream: (stream, expected) => this.#change(() => store.deleteStream(stream, expected)),
      capStream: (stream, maxCount) => this.#change(() => store.capStream(stream, maxCount)),
      subscribe: (options, subscriber) => this.#subscribe(store, options, subscriber),
      // The log outlives the node.
      close: async () => this.cut(),
    }
  }

  async #append(
    store: EventStore,
    stream: string,
    expected: ExpectedRevision,
    events: readonly EventData[],
  ): Promise<AppendResult> {
    if (this.#isCut) return never()
    const point = this.#crashPoint
    const reached = point !== undefined && events.some(({ type }) => type === point.type)
    if (reached && point.when === 'before') return this.#crash(point.crashed)
    const result = await store.append(stream, expected, events)
    if (reached && !this.#isCut) return this.#crash(point.crashed)
    return this.#isCut ? never() : result
  }

  #crash(crashed: () => void): Promise<never> {
    this.cut()
    crashed()
    return never()
  }

  async #change<T>(change: () => Promise<T>): Promise<T> {
    return this.#isCut ? never() : this.#answer(change())
  }

  async #answer<T>(asked: Promise<T>): Promise<T> {
    const answer = await asked
    return this.#isCut ? never() : answer
  }

  #subscribe(store: EventStore, options: SubscribeOptions, subscriber: Subscriber): Subscription {
    const subscription = store.subscribe(options, {
      events: (batch) => (this.#isCut ? undefined : subscriber.events(batch)),
      caughtUp: (position) => {
        if (!this.#isCut) subscriber.caughtUp?.(position)
      },
      dropped: (error) => {
        if (!this.#isCut) subscriber.dropped?.(error)
      },
    })
    this.#subscriptions.add(subscription)
    return subscription
  }
}

/** What a process that is gone hears of its calls. */
function never(): Promise<never> {
  return new Promise(() => {})
}
