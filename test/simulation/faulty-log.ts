/**
 * A log that behaves as badly as its port allows: it answers late or not at all, fails before or after it has recorded,
 * is gone for a while, and lets subscribers lag or drops them. Each process has its own connection to it, which can be
 * cut as `kill -9` would, or sleep as `kill -STOP` would: then the process does and hears nothing for a while.
 */
import type { Clock, Timer } from '../../src/actors/index.ts'
import {
  type AppendResult,
  type EventData,
  type EventStore,
  type ExpectedRevision,
  openMemoryStore,
  type Position,
  type ReadAllOptions,
  type ReadStreamOptions,
  type RecordedEvent,
  type Revision,
  StoreUnavailable,
  type SubscribeOptions,
  type Subscriber,
  type Subscription,
} from '../../src/events/index.ts'
import type { Random } from './random.ts'

/** Chances from 0 to 1, and times in milliseconds. */
export interface Faults {
  readonly slow: number
  readonly slowestMs: number
  /** Of an append: not recorded, and said so. */
  readonly failBefore: number
  /** Of an append: recorded, and said to have failed. */
  readonly failAfter: number
  /** Of an append: recorded, and the process dies before it hears of it. */
  readonly killAfter: number
  readonly failRead: number
  /** Of a batch of a subscription. */
  readonly lag: number
  readonly longestLagMs: number
  readonly drop: number
}

export const NO_FAULTS: Faults = {
  slow: 0,
  slowestMs: 0,
  failBefore: 0,
  failAfter: 0,
  killAfter: 0,
  failRead: 0,
  lag: 0,
  longestLagMs: 0,
  drop: 0,
}

/** From when to when, in milliseconds. */
export interface Span {
  readonly from: number
  to: number
}

export class FaultyLog {
  /** What is recorded: never fails. */
  readonly recorded: EventStore
  readonly clock: Clock
  readonly random: Random
  faults: Faults
  /** When it was out of reach. */
  readonly outages: Span[] = []
  #isHealed = false

  constructor(options: { readonly clock: Clock; readonly random: Random; readonly faults: Faults }) {
    this.clock = options.clock
    this.random = options.random
    this.faults = options.faults
    this.recorded = openMemoryStore({ now: () => options.clock.now() })
  }

  /** `kill` ends the process that is to be connected. */
  connect(kill: () => void): Connection {
    return new Connection(this, kill)
  }

  /** The log is out of reach for so long. */
  outage(ms: number): void {
    extend(this.outages, this.clock.now(), ms)
  }

  get isDown(): boolean {
    return this.clock.now() < (this.outages.at(-1)?.to ?? 0)
  }

  get isHealed(): boolean {
    return this.#isHealed
  }

  /** From now on it is as good as a log can be. */
  heal(): void {
    this.faults = NO_FAULTS
    const outage = this.outages.at(-1)
    if (outage) outage.to = Math.min(outage.to, this.clock.now())
    this.#isHealed = true
  }
}

export class Connection implements EventStore {
  readonly clock: Clock
  /** When the process slept. */
  readonly sleeps: Span[] = []
  readonly #log: FaultyLog
  /** Appends on their way: what each does when it arrives. */
  readonly #travelling = new Set<() => void>()
  readonly #subscriptions = new Set<Subscription>()
  readonly #kill: () => void
  #isCut = false
  /** Until then its subscriptions hear nothing, though all else is well. */
  #deafUntil = 0

  constructor(log: FaultyLog, kill: () => void) {
    this.#log = log
    this.#kill = kill
    this.clock = new MortalClock(log.clock, this)
  }

  get isCut(): boolean {
    return this.#isCut
  }

  /**
   * The process is gone: it hears and does nothing more. What it had sent has arrived or never will, since the directory
   * is let go only with the process.
   */
  cut(): void {
    for (const arrive of this.#travelling) if (this.#log.random.chance(0.5)) arrive()
    this.#travelling.clear()
    this.#isCut = true
    for (const subscription of this.#subscriptions) void subscription.close()
  }

  /** For so long what others record does not reach it. */
  deafen(ms: number): void {
    this.#deafUntil = Math.max(this.#deafUntil, this.clock.now() + ms)
  }

  /** The process does and hears nothing for so long; what it had sent arrives. */
  sleep(ms: number): void {
    extend(this.sleeps, this.#log.clock.now(), ms)
  }

  get isAsleep(): boolean {
    return this.#log.clock.now() < this.wakesAt
  }

  get wakesAt(): number {
    return this.sleeps.at(-1)?.to ?? 0
  }

  append(stream: string, expected: ExpectedRevision, events: readonly EventData[]): Promise<AppendResult> {
    return this.#change('append', () => this.#log.recorded.append(stream, expected, events))
  }

  deleteStream(stream: string, expected: Revision | 'no-stream'): Promise<void> {
    return this.#change('deletion', () => this.#log.recorded.deleteStream(stream, expected))
  }

  /** It only spares room, so nobody would notice a fault of it. */
  async capStream(stream: string, maxCount: number): Promise<void> {
    if (this.#isCut) await never()
    await this.#log.recorded.capStream(stream, maxCount)
  }

  async #change<T>(what: string, record: () => Promise<T>): Promise<T> {
    const { random } = this.#log
    const { failBefore, failAfter } = this.#log.faults
    const failsBefore = this.#log.isDown || random.chance(failBefore)
    const failsAfter = random.chance(failAfter)
    if (!failsBefore) {
      const arrive = () => void record().catch(() => {})
      this.#travelling.add(arrive)
      await this.#travel()
      this.#travelling.delete(arrive)
    } else await this.#travel()
    if (failsBefore) throw unavailable(`${what} was not recorded`)
    const result = await record()
    // It may have travelled until the faults were over, after which nobody starts another process.
    if (random.chance(this.#log.faults.killAfter)) this.#kill()
    await this.#travel()
    await this.#awake()
    if (failsAfter) throw unavailable(`${what} was recorded, and its answer lost`)
    return result
  }

  readStream(stream: string, options?: ReadStreamOptions): Promise<readonly RecordedEvent[]> {
    return this.#read(() => this.#log.recorded.readStream(stream, options))
  }

  readAll(options?: ReadAllOptions): Promise<readonly RecordedEvent[]> {
    return this.#read(() => this.#log.recorded.readAll(options))
  }

  head(): Promise<Position> {
    return this.#read(() => this.#log.recorded.head())
  }

  /** The log outlives its connections. */
  async close(): Promise<void> {
    this.cut()
  }

  subscribe(options: SubscribeOptions, subscriber: Subscriber): Subscription {
    let ended = false
    const subscription = this.#log.recorded.subscribe(options, {
      events: async (batch) => {
        for (const part of this.#parts(batch)) {
          await this.#lag()
          await this.#deafness()
          await this.#awake()
          if (ended || this.#isCut) return
          const { faults, random, isDown } = this.#log
          if (isDown || random.chance(faults.drop)) {
            ended = true
            void subscription.close()
            subscriber.dropped?.(unavailable('subscription was dropped'))
            return
          }
          await subscriber.events(part)
        }
      },
      caughtUp: (position) => {
        if (!ended && !this.#isCut) subscriber.caughtUp?.(position)
      },
      dropped: (error) => {
        if (!ended && !this.#isCut) subscriber.dropped?.(error)
      },
    })
    this.#subscriptions.add(subscription)
    return {
      close: async () => {
        ended = true
        this.#subscriptions.delete(subscription)
        await subscription.close()
      },
    }
  }

  /** A batch, perhaps in two. */
  #parts(batch: readonly RecordedEvent[]): readonly (readonly RecordedEvent[])[] {
    const { faults, random } = this.#log
    if (batch.length < 2 || !random.chance(faults.lag)) return [batch]
    const cut = random.between(1, batch.length - 1)
    return [batch.slice(0, cut), batch.slice(cut)]
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    const { faults, random, isDown } = this.#log
    const fails = isDown || random.chance(faults.failRead)
    await this.#travel()
    const answer = fails ? undefined : await read()
    await this.#awake()
    if (answer === undefined) throw unavailable('read was not answered')
    return answer
  }

  async #travel(): Promise<void> {
    const { faults, random } = this.#log
    if (random.chance(faults.slow)) await this.#pause(random.between(0, faults.slowestMs))
    if (this.#isCut) await never()
  }

  /** A process that sleeps finds what came for it when it wakes. */
  async #awake(): Promise<void> {
    while (this.isAsleep) await new Promise<void>((resolve) => this.#log.clock.at(this.wakesAt, resolve))
    if (this.#isCut) await never()
  }

  async #lag(): Promise<void> {
    const { faults, random } = this.#log
    if (random.chance(faults.lag)) await this.#pause(random.between(0, faults.longestLagMs))
  }

  async #deafness(): Promise<void> {
    const ms = this.#deafUntil - this.#log.clock.now()
    if (ms > 0 && !this.#log.isHealed) await this.#pause(ms)
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#log.clock.at(this.#log.clock.now() + ms, resolve))
  }
}

/** Of a process: its timers sleep and die with it. */
class MortalClock implements Clock {
  readonly #clock: Clock
  readonly #process: Pick<Connection, 'isCut' | 'isAsleep' | 'wakesAt'>

  constructor(clock: Clock, process: Pick<Connection, 'isCut' | 'isAsleep' | 'wakesAt'>) {
    this.#clock = clock
    this.#process = process
  }

  now(): number {
    return this.#clock.now()
  }

  at(at: number, fire: () => void): Timer {
    let timer: Timer
    const ring = (): void => {
      const { isCut, isAsleep, wakesAt } = this.#process
      if (isAsleep) timer = this.#clock.at(wakesAt, ring)
      else if (!isCut) fire()
    }
    timer = this.#clock.at(at, ring)
    return { cancel: () => timer.cancel() }
  }

  monotonic(): number {
    return this.now()
  }

  after(ms: number, fire: () => void): Timer {
    return this.at(this.now() + ms, fire)
  }
}

function extend(spans: Span[], now: number, ms: number): void {
  const last = spans.at(-1)
  if (last && now <= last.to) last.to = Math.max(last.to, now + ms)
  else spans.push({ from: now, to: now + ms })
}

function unavailable(what: string): StoreUnavailable {
  return new StoreUnavailable(`The simulated ${what}.`, { retryable: true })
}

/** What a process that is gone hears of its calls. */
function never(): Promise<never> {
  return new Promise(() => {})
}
