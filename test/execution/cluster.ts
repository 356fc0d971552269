/**
 * Several nodes of one app on one log, in one process and on one clock, which the test moves: each can die, sleep or be cut
 * off, and the log can be slow, silent or away.
 */
import { expect, onTestFinished } from 'vitest'
import { type Clock, ManualClock, settled } from '../../src/actors/index.ts'
import { type App, createApp, type Engine, parseDuration, startApp } from '../../src/app/index.ts'
import {
  type EventStore,
  openMemoryStore,
  type RecordedEvent,
  START,
  type Subscriber,
  type Subscription,
} from '../../src/events/index.ts'
import { LoopAnnouncer } from '../../src/execution/announcer.ts'
import { Leash } from '../../src/testing/leash.ts'
import { unavailable } from '../actors/stores.ts'

/**
 * The clock of one process of several: while it sleeps its timers wait, as in a machine that is suspended. Its date may be
 * ahead of the others'.
 */
class SleepyClock implements Clock {
  readonly #clock: Clock
  readonly #aheadMs: number
  #missed: (() => void)[] | undefined
  #woken = Promise.withResolvers<void>()

  constructor(clock: Clock, aheadMs = 0) {
    this.#clock = clock
    this.#aheadMs = aheadMs
  }

  now = (): number => this.#clock.now() + this.#aheadMs
  monotonic = (): number => this.#clock.monotonic()
  at = (at: number, fire: () => void) => this.#clock.at(at - this.#aheadMs, () => this.#fire(fire))
  after = (ms: number, fire: () => void) => this.#clock.after(ms, () => this.#fire(fire))

  sleep(): void {
    this.#missed = []
    this.#woken = Promise.withResolvers()
  }

  wake(): void {
    const missed = this.#missed ?? []
    this.#missed = undefined
    this.#woken.resolve()
    for (const fire of missed) fire()
  }

  async awake(): Promise<void> {
    if (this.#missed) await this.#woken.promise
  }

  #fire(fire: () => void): void {
    if (this.#missed) this.#missed.push(fire)
    else fire()
  }
}

export class Cluster {
  readonly clock = new ManualClock()
  readonly log = openMemoryStore({ now: () => this.clock.now() })
  readonly nodes: { readonly engine: Engine; readonly leash: Leash; readonly sleeper: SleepyClock }[] = []
  readonly problems: string[] = []
  /** The log takes appends and does not answer. */
  hangs = false
  /** Whoever follows the log hears nothing from an event of this type on, until then; and of what comes next a while later. */
  deafFrom: { readonly type: string; readonly until: Promise<void> } | undefined
  /** Appends of this type are taken at once, or not before then, and answered then. */
  slow: { readonly type: string; readonly taken: 'at once' | 'late'; readonly until: Promise<void> } | undefined
  /** How often the stream of a limit was read. */
  looksAtLimits = 0
  #isDown = false
  readonly #subscribers = new Map<Subscriber, Subscription>()
  readonly #declare: (app: App, node: number) => void

  constructor(declare: (app: App, node: number) => void) {
    this.#declare = declare
  }

  /**
   * @param announcesApart as from a thread of its own: whatever holds up the node, it is heard
   * @param settings when it can read them, which it does on its start
   * @param aheadMs by how much its date is ahead of the others'
   */
  async add({ announcesApart = false, settings = Promise.resolve(), aheadMs = 0 } = {}): Promise<Engine> {
    const index = this.nodes.length
    const app = createApp({ name: 'demo', concurrency: 10 })
    this.#declare(app, index)
    const sleeper = new SleepyClock(this.clock, aheadMs)
    const leash = new Leash(this.#storeOf(sleeper, settings), sleeper)
    const starting = startApp(app, {
      store: leash.store,
      shared: true,
      clock: leash.clock,
      random: () => 0.5,
      processTasks: 'here',
      ...(announcesApart
        ? { announcer: (of) => new LoopAnnouncer({ ...of, store: this.log, clock: this.clock }) }
        : {}),
      report: (error, doing) => {
        if (!leash.isCut) this.problems.push(`${doing}: ${error}`)
      },
    })
    let engine: Engine | undefined
    void starting.then((started) => {
      engine = started
    })
    while (!engine) await settled()
    this.nodes.push({ engine, leash, sleeper })
    return engine
  }

  /** The log as one process reaches it: not at all while it sleeps, and without answers while the log hangs. */
  #storeOf(sleeper: SleepyClock, settings: Promise<void>): EventStore {
    const { log } = this
    return {
      append: async (...of) => {
        await sleeper.awake()
        while (this.hangs) await new Promise<void>((resolve) => this.clock.after(100, resolve))
        this.#assertUp()
        const slow = of[2].some(({ type }) => type === this.slow?.type) ? this.slow : undefined
        if (slow?.taken === 'late') await slow.until
        const result = await log.append(...of)
        await slow?.until
        return result
      },
      readStream: async (...of) => {
        this.#assertUp()
        if (of[0].startsWith('demo.limit-')) this.looksAtLimits++
        if (of[0].startsWith('demo.setting-')) await settings
        return log.readStream(...of)
      },
      readAll: async (...of) => {
        this.#assertUp()
        return log.readAll(...of)
      },
      subscribe: (options, subscriber) => {
        const subscription = log.subscribe(options, {
          ...subscriber,
          events: async (batch) => {
            await sleeper.awake()
            const { type, until } = this.deafFrom ?? {}
            const at = batch.findIndex((event) => event.type === type)
            if (at < 0) return subscriber.events(batch)
            if (at > 0) await subscriber.events(batch.slice(0, at))
            await until
            await subscriber.events(batch.slice(at, at + 1))
            await settled()
            if (at + 1 < batch.length) await subscriber.events(batch.slice(at + 1))
          },
        })
        this.#subscribers.set(subscriber, subscription)
        if (this.#isDown) queueMicrotask(() => this.#drop(subscriber, subscription))
        return subscription
      },
      head: async () => {
        this.#assertUp()
        return log.head()
      },
      deleteStream: async (...of) => {
        this.#assertUp()
        return log.deleteStream(...of)
      },
      capStream: async (...of) => {
        this.#assertUp()
        return log.capStream(...of)
      },
      close: () => log.close(),
    }
  }

  /** The server is gone: whatever is asked fails at once, and subscriptions end. */
  down(): void {
    this.#isDown = true
    for (const [subscriber, subscription] of this.#subscribers) this.#drop(subscriber, subscription)
  }

  up(): void {
    this.#isDown = false
  }

  #drop(subscriber: Subscriber, subscription: Subscription): void {
    this.#subscribers.delete(subscriber)
    void subscription.close()
    subscriber.dropped?.(unavailable())
  }

  #assertUp(): void {
    if (this.#isDown) throw unavailable()
  }

  kill(index: number): void {
    this.nodes[index]?.leash.cut()
  }

  async advance(time: string): Promise<void> {
    await this.clock.advance(parseDuration(time))
  }

  async events(prefix: string): Promise<readonly RecordedEvent[]> {
    const all: RecordedEvent[] = []
    for (let from = START; ; ) {
      const page = await this.log.readAll({ from, prefixes: [`demo.${prefix}`] })
      const last = page.at(-1)
      if (!last) return all
      all.push(...page)
      from = last.position
    }
  }

  /** The types of these events, in the order of the log. */
  async types(prefix: string): Promise<readonly string[]> {
    return (await this.events(prefix)).map(({ type }) => type)
  }
}

export async function cluster(
  size: number,
  declare: (app: App, node: number) => void,
  options: { announcesApart?: boolean } = {},
): Promise<Cluster> {
  const c = new Cluster(declare)
  for (let index = 0; index < size; index++) await c.add(options)
  await c.advance('3s')
  onTestFinished(async () => {
    for (const { leash } of c.nodes) leash.cut()
    await c.log.close()
    expect(c.problems).toEqual([])
  })
  return c
}

export const caller = { by: 'user:ada', ownerId: 'ada' } as const

export function first(c: Cluster): Engine {
  const node = c.nodes.find(({ leash }) => !leash.isCut)
  if (!node) throw new Error('all nodes are dead')
  return node.engine
}
