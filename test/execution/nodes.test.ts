import { describe, expect, onTestFinished, test } from 'vitest'
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
import { writeAsNewer } from './newer.ts'

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

/** Several nodes of one app on one log, in one process, each of which can die or be cut off. */
class Cluster {
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
}

async function cluster(
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

const caller = { by: 'user:ada', ownerId: 'ada' } as const

function first(c: Cluster): Engine {
  const node = c.nodes.find(({ leash }) => !leash.isCut)
  if (!node) throw new Error('all nodes are dead')
  return node.engine
}

describe('several nodes on one log', () => {
  test('see each other, and run each task once between them', async () => {
    const ran: string[] = []
    const c = await cluster(3, (app, node) => app.task('work', ({ n }: { n: number }) => void ran.push(`${node}:${n}`)))
    for (const { engine } of c.nodes) expect(engine.nodes).toHaveLength(3)
    const engines = c.nodes.map(({ engine }) => engine)
    for (let n = 0; n < 30; n++) await engines[n % 3]?.submit({ name: 'work', params: { n } }, caller)
    await c.advance('2s')
    expect(ran).toHaveLength(30)
    expect(new Set(ran.map((run) => run.split(':')[1])).size).toBe(30)
  })

  test('work that waits is spread over them by preference, with few races', async () => {
    const ran = new Map<number, number>()
    const c = await cluster(3, (app, node) => app.task('work', () => void ran.set(node, (ran.get(node) ?? 0) + 1)))
    for (let n = 0; n < 90; n++) await first(c).submit({ name: 'work', params: { n }, delay: 5 }, caller)
    await c.advance('10s')
    expect([...ran.values()].reduce((sum, count) => sum + count, 0)).toBe(90)
    expect(ran.size).toBe(3)
    const started = (await c.events('task-')).filter(({ type }) => type === 'TaskStarted')
    expect(started).toHaveLength(90)
  })

  test('a node that left a task to another takes it for due no sooner than the other does', async () => {
    const starts: number[] = []
    const c = await cluster(2, (app) =>
      app.task('work', { retries: 1, backoff: { base: '20s', max: '20s' } }, ({ n }: { n: number }, { attempt }) => {
        starts[10 * n + attempt] = c.clock.now()
        if (attempt === 1) throw new Error('once')
      }),
    )
    for (let n = 0; n < 5; n++) await first(c).submit({ name: 'work', params: { n }, delay: 1 }, caller)
    await c.advance('30s')
    for (let n = 0; n < 5; n++) {
      const waited = (starts[10 * n + 2] ?? 0) - (starts[10 * n + 1] ?? 0)
      expect(waited).toBeGreaterThanOrEqual(10_000)
      expect(waited).toBeLessThan(11_000)
    }
  })

  // A promise: see docs/promises.md.
  test('a command given on one node is seen on all, and a repeat on another changes nothing', async () => {
    const c = await cluster(2, (app) => app.task('work', { timeout: '1h' }, () => new Promise(() => {})))
    const [a, b] = c.nodes.map(({ engine }) => engine)
    const { taskId } = (await a?.submit({ name: 'work', params: {} }, { ...caller, commandId: 'one' })) ?? {}
    const again = await b?.submit({ name: 'work', params: {} }, { ...caller, commandId: 'one' })
    expect(again?.taskId).toBe(taskId)
    await settled()
    for (const engine of [a, b]) await engine?.refreshJob(taskId ?? '', { ...caller, commandId: 'longer' })
    const extended = (await c.events('task-')).filter(({ type }) => type === 'TaskDeadlineExtended')
    expect(extended).toHaveLength(1)
    await b?.cancelJob(taskId ?? '', { ...caller, commandId: 'two' })
    await a?.cancelJob(taskId ?? '', { ...caller, commandId: 'two' })
    const requests = (await c.events('task-')).filter(({ type }) => type === 'TaskCancelRequested')
    expect(requests).toHaveLength(1)
    await c.advance('6s')
    expect((await c.events('task-')).map(({ type }) => type)).toContain('TaskCancelled')
  })

  // A promise: see docs/promises.md.
  test('work of a node that died runs again on another within ten seconds, and only then', async () => {
    const ran: number[] = []
    const c = await cluster(3, (app, node) =>
      app.task('work', () => {
        ran.push(node)
        return new Promise((resolve) => c.clock.after(60_000, () => resolve(node)))
      }),
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    expect(ran).toEqual([0])
    c.kill(0)
    await c.advance('5s')
    expect(ran).toEqual([0])
    await c.advance('5s')
    expect(ran).toHaveLength(2)
    const types = (await c.events('task-')).map(({ type }) => type)
    expect(types).toEqual(['TaskSubmitted', 'TaskStarted', 'TaskInterrupted', 'TaskStarted'])
    expect(first(c).nodes).toHaveLength(2)
  })

  test('a turn of a node that died is interrupted, and later messages go on', async () => {
    const answered: string[] = []
    const c = await cluster(2, (app, node) =>
      app.message(async (session, { text }) => {
        answered.push(`${node}:${text}`)
        if (text === 'hang') await new Promise(() => {})
        await session.reply(`heard ${text}`)
      }),
    )
    await first(c).sendMessage('talk', { text: 'hang', create: true }, caller)
    await c.advance('1s')
    const node = Number(answered[0]?.split(':')[0])
    c.kill(node)
    await c.advance('11s')
    await first(c).sendMessage('talk', { text: 'hello' }, caller)
    await c.advance('2s')
    const types = (await c.events('session-')).map(({ type }) => type)
    expect(types).toContain('TurnInterrupted')
    expect(types.at(-1)).toBe('TurnCompleted')
  })

  test('a lock whose holder died with its node goes to the next in line once the run has ended', async () => {
    const order: string[] = []
    const c = await cluster(2, (app, node) =>
      app.task('work', { lock: 'one', onLocked: 'queue' }, ({ n }: { n: number }) => {
        order.push(`${n}`)
        return n === 0 && node === 0 ? new Promise(() => {}) : null
      }),
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: { n: 0 } }, caller)
    await c.nodes[1]?.engine.submit({ name: 'work', params: { n: 1 } }, caller)
    await settled()
    c.kill(0)
    await c.advance('12s')
    expect(order).toEqual(['0', '0', '1'])
  })

  test('a waiter that is displaced before its submit is through is recorded, and cancelled', async () => {
    const c = await cluster(2, (app) => {
      app.task('held', { lock: 'one', onLocked: 'queue' }, () => new Promise(() => {}))
      app.task('newest', { lock: 'one', onLocked: 'replace' }, () => 'ran')
    })
    const [a, b] = c.nodes
    await b?.engine.submit({ name: 'held', params: {} }, caller)
    await settled()
    const cut = a?.leash.cutAt({ when: 'before', type: 'TaskSubmitted' })
    void a?.engine.submit({ name: 'held', params: {} }, caller)
    await cut
    const newest = await b?.engine.submit({ name: 'newest', params: {} }, caller)
    const queued = (await c.events('lock-')).find(({ type }) => type === 'LockQueued')
    const displaced = await c.events(`task-${queued?.data.taskId}`)
    expect(displaced.map(({ type }) => type)).toEqual(['TaskSubmitted', 'TaskCancelled'])
    await c.advance('20s')
    expect((await c.events(`task-${newest?.taskId}`)).at(-1)?.type).toBe('TaskCompleted')
  })

  test('what a node left between two streams is put right, though it died before it was heard of', async () => {
    const c = new Cluster((app) => app.task('work', { lock: 'one' }, () => 'done'))
    onTestFinished(async () => {
      for (const { leash } of c.nodes) leash.cut()
      await c.log.close()
    })
    const a = await c.add()
    await c.add()
    const cut = c.nodes[0]?.leash.cutAt({ when: 'before', type: 'TaskSubmitted' })
    void a.submit({ name: 'work', params: {} }, caller)
    await cut
    expect(await c.events('task-')).toEqual([])
    await c.advance('10s')
    expect((await c.events('task-')).at(-1)?.type).toBe('TaskCompleted')
    expect((await c.events('lock-')).at(-1)?.type).toBe('LockReleased')
  })

  test('what was taken up elsewhere while a node started is known to it: if that node dies, it runs again', async () => {
    const ran: number[] = []
    const c = await cluster(2, (app, node) =>
      app.task('work', () => {
        ran.push(node)
        return new Promise(() => {})
      }),
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    const held = Promise.withResolvers<void>()
    const starting = c.add({ settings: held.promise })
    await settled()
    c.kill(0)
    await c.advance('10s')
    expect(ran).toEqual([0, 1])
    held.resolve()
    await starting
    await c.advance('3s')
    c.kill(1)
    await c.advance('10s')
    expect(ran).toEqual([0, 1, 2])
  })

  test('a node that reads a stream ahead of what it has heard of the locks starts nothing past a lock', async () => {
    const ran: string[] = []
    const c = await cluster(1, (app) => {
      for (const name of ['first', 'second']) {
        app.task(name, { lock: 'one', onLocked: 'queue', retries: 0 }, () => {
          ran.push(name)
          return new Promise(() => {})
        })
      }
    })
    const held = await first(c).submit({ name: 'first', params: {} }, caller)
    await first(c).submit({ name: 'second', params: {} }, caller)
    await settled()
    // It knows nothing of the first but that it runs.
    const other = await c.add()
    await c.advance('3s')
    const heard = Promise.withResolvers<void>()
    c.deafFrom = { type: 'TaskInterrupted', until: heard.promise }
    c.kill(0)
    await c.advance('10s')
    await other.cancelJob(held.taskId, caller)
    await other.retryJob(held.taskId, caller)
    await c.advance('1s')
    expect(ran).toEqual(['first'])
    heard.resolve()
    await c.advance('3s')
    expect(ran).toEqual(['first', 'second'])
  })

  // A promise: see docs/promises.md.
  test('limits hold over all of them', async () => {
    let now = 0
    let most = 0
    const starts: number[] = []
    const c = await cluster(3, (app) => {
      app.task('narrow', { concurrency: 2 }, async () => {
        most = Math.max(most, ++now)
        await new Promise<void>((resolve) => c.clock.after(500, resolve))
        now--
      })
      app.task('slow', { rateLimit: { limit: 20, per: '1s' } }, () => void starts.push(c.clock.now()))
    })
    const engines = c.nodes.map(({ engine }) => engine)
    for (let n = 0; n < 12; n++) await engines[n % 3]?.submit({ name: 'narrow', params: {} }, caller)
    await c.advance('10s')
    expect(most).toBe(2)
    for (let n = 0; n < 90; n++) await engines[n % 3]?.submit({ name: 'slow', params: {} }, caller)
    await c.advance('8s')
    expect(starts).toHaveLength(90)
    for (const at of starts) {
      expect(starts.filter((other) => other > at - 1000 && other <= at).length).toBeLessThanOrEqual(22)
    }
  })

  test.each([
    { what: 'all at once', every: 0, takes: 0 },
    { what: 'all at once, and each takes its time', every: 0, takes: 150 },
    { what: 'somewhat more often than they may start', every: 8, takes: 0 },
    { what: 'somewhat more often than they may start, and each takes its time', every: 8, takes: 150 },
  ])('a rate is held and used by all of them: submitted $what', { timeout: 60_000 }, async ({ every, takes }) => {
    const starts: number[] = []
    const c = await cluster(3, (app) =>
      app.task('limited', { rateLimit: { limit: 100, per: '1s' } }, async () => {
        starts.push(c.clock.now())
        if (takes > 0) await new Promise<void>((resolve) => c.clock.after(takes, resolve))
      }),
    )
    const engines = c.nodes.map(({ engine }) => engine)
    for (let n = 0; n < 1_300; n++) {
      await engines[n % 3]?.submit({ name: 'limited', params: {} }, caller)
      if (every > 0) await c.clock.advance(every)
    }
    await c.advance('15s')
    expect(starts).toHaveLength(1_300)
    const begin = starts[0] ?? 0
    const ofWindow = (from: number, ms: number) => starts.filter((at) => at >= from && at < from + ms).length
    for (const at of starts) expect(ofWindow(at, 1_000)).toBeLessThanOrEqual(110)
    expect(ofWindow(begin, 10_000) / 10).toBeGreaterThanOrEqual(95)
    // Three nodes compete for each permit; that many wait must not mean that they ask the more.
    expect(c.looksAtLimits).toBeLessThanOrEqual(10 * starts.length)
  })

  test.each([-60_000, 60_000])('a limit holds though their dates are apart (by %i ms)', async (aheadMs) => {
    let now = 0
    let most = 0
    const c = await cluster(1, (app) =>
      app.task('narrow', { concurrency: 1 }, async () => {
        most = Math.max(most, ++now)
        await new Promise<void>((resolve) => c.clock.after(500, resolve))
        now--
      }),
    )
    await c.add({ aheadMs })
    await c.advance('3s')
    const claims = Promise.withResolvers<void>()
    c.slow = { type: 'TaskStarted', taken: 'late', until: claims.promise }
    for (const { engine } of c.nodes) await engine.submit({ name: 'narrow', params: {} }, caller)
    await c.advance('3s')
    claims.resolve()
    await c.advance('10s')
    expect(most).toBe(1)
    const returned = (await c.events('limit-')).filter(({ type }) => type === 'PermitReturned')
    expect(returned.map(({ data }) => data.reason)).toEqual(['ended', 'ended'])
  })

  test.each([-300_000, 300_000])(
    'a refresh on a node whose date is another pushes the deadline out (by %i ms)',
    async (aheadMs) => {
      const c = await cluster(1, (app) =>
        app.task(
          'work',
          { timeout: '60s' },
          (_: object, { signal }) =>
            new Promise((_, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason))
            }),
        ),
      )
      const { taskId } = await first(c).submit({ name: 'work', params: {} }, caller)
      await settled()
      const other = await c.add({ aheadMs })
      await c.advance('30s')
      await other.refreshJob(taskId, caller)
      await c.advance('50s')
      expect((await first(c).reads.job(taskId))?.status).toBe('running')
      await c.advance('15s')
      expect((await first(c).reads.job(taskId))?.status).toBe('timeout')
    },
  )

  test('a cancel reaches the attempt whose claim has no answer yet', async () => {
    const c = await cluster(2, (app) =>
      app.task(
        'work',
        (_: object, { signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason))
          }),
      ),
    )
    const answers = Promise.withResolvers<void>()
    c.slow = { type: 'TaskStarted', taken: 'at once', until: answers.promise }
    const { taskId } = await first(c).submit({ name: 'work', params: {}, delay: 1 }, caller)
    await c.advance('2s')
    const started = (await c.events(`task-${taskId}`)).find(({ type }) => type === 'TaskStarted')
    await c.nodes.find(({ engine }) => engine.nodeId !== started?.data.node)?.engine.cancelJob(taskId, caller)
    await c.advance('1s')
    answers.resolve()
    await c.advance('10s')
    expect((await first(c).reads.job(taskId))?.status).toBe('cancelled')
  })

  test('a claim that others have interrupted by when it is answered does not run, and the task does', async () => {
    const ran: string[] = []
    const c = await cluster(2, (app, node) => {
      if (node === 0) app.task('work', (_: object, { attempt }) => void ran.push(`attempt ${attempt}`))
    })
    const answers = Promise.withResolvers<void>()
    c.slow = { type: 'TaskStarted', taken: 'at once', until: answers.promise }
    const { taskId } = await first(c).submit({ name: 'work', params: {}, delay: 1 }, caller)
    await c.advance('2s')
    c.nodes[0]?.sleeper.sleep()
    await c.advance('15s')
    c.nodes[0]?.sleeper.wake()
    await c.advance('1s')
    expect((await c.events(`task-${taskId}`)).at(-1)?.type).toBe('TaskInterrupted')
    answers.resolve()
    await c.advance('1s')
    expect(ran).toEqual(['attempt 2'])
    expect((await first(c).reads.job(taskId))?.status).toBe('completed')
  })

  test('a claim that comes too late for a task whose node has died meanwhile leaves it to the next claim', async () => {
    const ran: number[] = []
    const c = await cluster(3, (app, node) => {
      // The third one only sees to what the dead leave.
      if (node === 2) return
      app.task('work', () => {
        ran.push(node)
        return ran.length === 1 ? new Promise(() => {}) : 'done'
      })
    })
    const late = Promise.withResolvers<void>()
    c.slow = {
      type: 'TaskStarted',
      taken: 'late',
      // Only for the first that asks.
      get until() {
        c.slow = undefined
        return late.promise
      },
    }
    const { taskId } = await first(c).submit({ name: 'work', params: {}, delay: 1 }, caller)
    await c.advance('2s')
    c.kill(ran[0] ?? 0)
    await c.advance('15s')
    expect((await c.events(`task-${taskId}`)).at(-1)?.type).toBe('TaskInterrupted')
    late.resolve()
    await c.advance('1s')
    expect(ran).toHaveLength(2)
    expect((await first(c).reads.job(taskId))?.status).toBe('completed')
  })

  test('a turn that others have interrupted by when its claim is answered is not answered, and the next one is', async () => {
    const answered: string[] = []
    const c = await cluster(2, (app, node) => {
      if (node === 0) app.message((_, { text }) => void answered.push(text))
    })
    const answers = Promise.withResolvers<void>()
    c.slow = { type: 'TurnStarted', taken: 'at once', until: answers.promise }
    await first(c).sendMessage('talk', { text: 'one', create: true }, caller)
    await c.advance('1s')
    c.nodes[0]?.sleeper.sleep()
    await c.advance('15s')
    c.nodes[0]?.sleeper.wake()
    await c.advance('1s')
    expect((await c.events('session-talk')).at(-1)?.type).toBe('TurnInterrupted')
    answers.resolve()
    await c.advance('1s')
    await first(c).sendMessage('talk', { text: 'two' }, caller)
    await c.advance('1s')
    expect(answered).toEqual(['two'])
  })

  // A promise: see docs/promises.md.
  test('a schedule is decided once for each due time, also when the node that decides dies', async () => {
    const ran: string[] = []
    const c = await cluster(3, (app) =>
      app.schedule('tick', '*/10 * * * * *', ({ due }) => void ran.push(due.toISOString())),
    )
    await c.advance('35s')
    const decided = async () => (await c.events('schedule-')).filter(({ type }) => type === 'OccurrenceDue')
    const last = (await decided()).at(-1)
    const started = (await c.events('node-')).filter(({ type }) => type === 'NodeStarted')
    const decider = started.findIndex(({ data }) => `node:${data.node}` === last?.metadata.by)
    expect(decider).toBeGreaterThanOrEqual(0)
    c.kill(decider)
    await c.advance('60s')
    const due = (await decided()).map(({ data }) => data.due)
    expect(due.length).toBeGreaterThanOrEqual(9)
    expect(due).toEqual([...new Set(due)])
    expect(ran.toSorted()).toEqual(due)
  })

  // A promise: see docs/promises.md.
  test('a due time that two nodes decide at once is decided once', async () => {
    const ran: string[] = []
    const c = await cluster(2, (app) =>
      app.schedule('tick', '*/10 * * * * *', ({ due }) => void ran.push(due.toISOString())),
    )
    await c.advance('6s')
    // Until the log goes on, neither hears of what the other has decided.
    c.hangs = true
    await c.advance('2s')
    expect(ran).toEqual([])
    c.hangs = false
    await c.advance('5s')
    const decided = (await c.events('schedule-')).filter(({ type }) => /^Occurrence(Due|Skipped)$/.test(type))
    expect(decided.map(({ type, data }) => [type, data.due])).toEqual([['OccurrenceDue', '2026-01-01T00:00:10.000Z']])
    expect(ran).toEqual(['2026-01-01T00:00:10.000Z'])
  })

  // A promise: see docs/promises.md.
  test('a schedule of one second: one decision for each due second, whoever dies, sleeps or joins', async () => {
    const c = await cluster(3, (app) => app.schedule('tick', '* * * * * *', { overlap: 'parallel' }, () => {}))
    const begun = c.clock.now()
    await c.advance('20s')
    c.kill(0)
    await c.advance('20s')
    c.nodes[1]?.sleeper.sleep()
    await c.advance('20s')
    c.nodes[1]?.sleeper.wake()
    await c.add()
    await c.advance('20s')
    const decided = (await c.events('schedule-'))
      .filter(({ type }) => type === 'OccurrenceDue' || type === 'OccurrenceSkipped')
      .map(({ data }) => Date.parse(String(data.due)))
      .filter((due) => due > begun)
    const seconds = Math.floor(c.clock.now() / 1000) - Math.floor(begun / 1000)
    const due = Array.from({ length: seconds }, (_, second) => (Math.floor(begun / 1000) + 1 + second) * 1000)
    // The last one may be on its way to the next in its order.
    expect(decided).toEqual(due.slice(0, decided.length))
    expect(decided.length).toBeGreaterThanOrEqual(seconds - 1)
  })

  test('a schedule that an older node declared otherwise, and took with it, is as the newer ones declare it again', async () => {
    const ran: string[] = []
    const c = await cluster(1, (app, node) =>
      app.schedule('tick', node === 1 ? '0 0 * * *' : '*/10 * * * * *', () => void ran.push(`${node}`)),
    )
    await c.advance('30s')
    expect(ran.length).toBeGreaterThanOrEqual(2)
    // Restarted in the middle of a deploy, with the code of before: it decides now, and the one of the newer code does not.
    await c.add()
    ran.length = 0
    await c.advance('60s')
    expect(ran).toEqual([])
    c.kill(1)
    await c.advance('60s')
    expect(ran.length).toBeGreaterThanOrEqual(3)
    const changes = (await c.events('schedule-')).filter(({ type }) => type === 'ScheduleChanged')
    expect(changes.map(({ data }) => data.cron)).toEqual(['0 0 * * *', '*/10 * * * * *'])
    const due = (await c.events('schedule-')).filter(({ type }) => type === 'OccurrenceDue').map(({ data }) => data.due)
    expect(due).toEqual([...new Set(due)])
  })

  test('occurrences that queue run one after the other, also while nodes are there that do not declare the schedule', async () => {
    let now = 0
    let most = 0
    const c = await cluster(3, (app, node) => {
      if (node < 2) return void app.task('work', () => 'done')
      app.schedule('tick', '*/10 * * * * *', { overlap: 'queue' }, async () => {
        most = Math.max(most, ++now)
        await new Promise<void>((resolve) => c.clock.after(25_000, resolve))
        now--
      })
    })
    await c.advance('2m')
    expect(most).toBe(1)
    const submitted = (await c.events('task-')).filter(({ type }) => type === 'TaskSubmitted')
    expect(submitted.length).toBeGreaterThanOrEqual(10)
    for (const { data } of submitted) expect(data).toMatchObject({ lockKey: 'schedule:tick', onLocked: 'queue' })
  })

  test('a schedule that only one of them declares stays while that one lives, and goes with it', async () => {
    const c = await cluster(1, (app, node) => {
      if (node === 0) app.schedule('old', '* * * * *', () => {})
      else app.schedule('new', '* * * * *', () => {})
    })
    // More announcements than one page of the old node's stream: what it declares is said again.
    await c.advance('10m')
    await c.add()
    await c.advance('1m')
    const removed = async () =>
      (await c.events('schedule-')).filter(({ type }) => type === 'ScheduleRemoved').map(({ stream }) => stream)
    expect(await removed()).toEqual([])
    const stopping = c.nodes[0]?.engine.stop({ drainMs: 0 })
    await c.advance('1s')
    await stopping
    await c.advance('10s')
    expect(await removed()).toEqual(['demo.schedule-old'])
  })

  // A promise: see docs/promises.md.
  test('a drained node hands over at once and counts as no crash', async () => {
    const ran: number[] = []
    const c = await cluster(2, (app, node) =>
      app.task('work', () => {
        ran.push(node)
        return node === 0 ? new Promise(() => {}) : 'done'
      }),
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    const stopping = c.nodes[0]?.engine.stop({ drainMs: 0 })
    await c.advance('1s')
    await stopping
    await c.advance('1s')
    expect(ran).toEqual([0, 1])
    const interrupted = (await c.events('task-')).find(({ type }) => type === 'TaskInterrupted')
    expect(interrupted?.data.cause).toBe('drain')
  })

  test('a node that drains while another dies takes up no conversation', async () => {
    const answered: string[] = []
    const c = await cluster(2, (app, node) => {
      app.task('long', () => new Promise<void>((resolve) => c.clock.after(60_000, resolve)))
      app.message((_, { text }) => void answered.push(`${node} ${text}`))
    })
    await c.nodes[0]?.engine.submit({ name: 'long', params: {} }, caller)
    await settled()
    const stopped = c.nodes[0]?.engine.stop({ drainMs: 30_000 })
    await c.advance('1s')
    c.kill(1)
    await c.nodes[0]?.engine.sendMessage('talk', { text: 'hello', create: true }, caller).catch(() => {})
    await c.advance('15s')
    expect(answered).toEqual([])
    await c.advance('30s')
    await stopped
  })

  test('a node that joins while another drains leaves it no work', async () => {
    const c = await cluster(1, (app) => {
      app.task('long', () => new Promise<void>((resolve) => c.clock.after(60_000, resolve)))
    })
    await first(c).submit({ name: 'long', params: {} }, caller)
    await settled()
    const stopped = first(c).stop({ drainMs: 30_000 })
    await c.advance('1s')
    const newer = await c.add()
    await c.advance('5s')
    expect(newer.nodes).toEqual([newer.nodeId])
    await c.advance('30s')
    await stopped
  })
})

describe('a node of newer code on the same log', () => {
  test('writes what the others do not know: they say so once for each type, make nothing of it, and work', async () => {
    const c = await cluster(2, (app) => app.task('work', () => 'done'))
    for (const of of ['a', 'b']) {
      await writeAsNewer(c.log, `task-${of}`, 'TaskSubmitted', { of: 'another shape' })
      await writeAsNewer(c.log, `schedule-${of}`, 'OccurrenceDue', { at: 'noon' })
    }
    await c.advance('1s')
    const told = c.problems.splice(0)
    expect(told).toHaveLength(4) // by two nodes
    for (const problem of told) expect(problem).toMatch(/^following the log: .* has \w+ version 9, .* newer node/)
    const { taskId } = await first(c).submit({ name: 'work', params: {} }, caller)
    await c.advance('2s')
    expect(await first(c).waitForJob(taskId, 0)).toMatchObject({ status: 'completed' })
  })

  test('says something in a conversation: those who cannot read on ask no more for it', async () => {
    const answered: string[] = []
    const c = await cluster(1, (app) => app.message((_, { text }) => void answered.push(text)))
    await first(c).sendMessage('talk', { text: 'hello', create: true }, caller)
    await c.advance('1s')
    await writeAsNewer(c.log, 'session-talk', 'MessageReceived', { messageId: 'm2', text: 'and?' }, 1)
    await writeAsNewer(c.log, 'session-talk', 'SomethingNew')
    await c.advance('1s')
    expect(answered).toEqual(['hello'])
    expect(c.problems.splice(0).map((problem) => problem.split(':', 1)[0])).toEqual([
      'following the log',
      'answering in session talk',
    ])
  })

  test('ends a task as only newer code can: whoever waits for the end at another node is told', async () => {
    let resultOf = (_: string): Promise<unknown> => Promise.resolve()
    const c = await cluster(1, (app) => {
      const work = app.task('work', () => new Promise(() => {}))
      resultOf = (id) => work.handle(id).result()
    })
    const { taskId } = await first(c).submit({ name: 'work', params: {} }, caller)
    await c.advance('1s')
    const told = expect(resultOf(taskId)).rejects.toMatchObject({ code: 'written-by-newer-code' })
    await writeAsNewer(c.log, `task-${taskId}`, 'TaskCompleted', { in: 'another shape' })
    await told
    expect(c.problems.splice(0)).toHaveLength(1)
  })
})

describe('false alarms', () => {
  // A promise: see docs/promises.md.
  test('a node that slept does not take the others for dead, and is fenced before it writes anything', async () => {
    const outcomes: string[] = []
    const c = await cluster(3, (app, node) =>
      app.task('work', async (_: object, { signal }) => {
        outcomes.push(`${node} starts`)
        signal.addEventListener('abort', () => outcomes.push(`${node} is told ${(signal.reason as Error).name}`))
        await new Promise<void>((resolve) => c.clock.after(40_000, resolve))
        return node
      }),
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    c.nodes[0]?.sleeper.sleep()
    await c.advance('20s')
    expect(outcomes.filter((outcome) => outcome.endsWith('starts'))).toHaveLength(2)
    c.nodes[0]?.sleeper.wake()
    // It heard nothing while it slept; that is no sign of death in the others, not for a moment.
    for (let look = 0; look < 30; look++) {
      expect(c.nodes[0]?.engine.nodes).toHaveLength(3)
      await c.advance('100ms')
    }
    await c.advance('57s')
    expect(outcomes).toContain('0 is told AttemptFenced')
    const types = (await c.events('task-')).map(({ type }) => type)
    expect(types.filter((type) => type === 'TaskCompleted')).toHaveLength(1)
    expect(types.filter((type) => type === 'TaskInterrupted')).toHaveLength(1)
    for (const { engine } of c.nodes) expect(engine.nodes).toHaveLength(3)
  })

  // A promise: see docs/promises.md.
  test.each([
    { what: 'before it has looked around', release: 'asleep' },
    { what: 'as soon as it may', release: 'awake' },
  ])('a node that slept says nothing and submits nothing in the name of what it lost: $what', async ({ release }) => {
    const held = Promise.withResolvers<void>()
    const outcomes: string[] = []
    const c = await cluster(2, (app, node) => {
      app.message(async () => {})
      const other = app.task('other', () => null)
      app.task('work', async (_: object, { session, attempt }) => {
        if (attempt === 1) await held.promise
        for (const act of [() => session?.reply(`from ${node}`), () => other.submit({})]) {
          await Promise.resolve(act()).then(
            () => outcomes.push(`${node} did`),
            (error) => outcomes.push(`${node} ${error.name}`),
          )
        }
      })
    })
    const { sessionId } = (await c.nodes[0]?.engine.createSession(caller)) ?? {}
    await c.nodes[0]?.engine.submit({ name: 'work', params: {}, ...(sessionId ? { sessionId } : {}) }, caller)
    await settled()
    c.nodes[0]?.sleeper.sleep()
    await c.advance('20s')
    expect(outcomes).toEqual(['1 did', '1 did'])
    if (release === 'asleep') held.resolve()
    await settled()
    c.nodes[0]?.sleeper.wake()
    held.resolve()
    await c.advance('5s')
    expect(outcomes.slice(2)).toEqual(['0 AttemptFenced', '0 AttemptFenced'])
    expect((await c.events('session-')).filter(({ type }) => type === 'Replied')).toHaveLength(1)
    expect((await c.events('task-')).filter(({ type }) => type === 'TaskSubmitted')).toHaveLength(2)
  })

  test('a turn of a node that slept is told that others have interrupted it', async () => {
    const outcomes: string[] = []
    const c = await cluster(2, (app, node) =>
      app.message(async (_, { text }, { signal }) => {
        outcomes.push(`${node} ${text}`)
        if (text === 'hang') await new Promise((resolve) => signal.addEventListener('abort', resolve))
        outcomes.push(`${node} ${signal.aborted ? signal.reason.name : 'done'}`)
      }),
    )
    await first(c).sendMessage('talk', { text: 'hang', create: true }, caller)
    await c.advance('1s')
    const node = Number(outcomes[0]?.split(' ')[0])
    c.nodes[node]?.sleeper.sleep()
    await c.advance('20s')
    c.nodes[node]?.sleeper.wake()
    await c.advance('5s')
    expect(outcomes).toEqual([`${node} hang`, `${node} AttemptFenced`])
  })

  // A promise: see docs/promises.md.
  test.each([
    { what: 'before it has looked around', release: 'asleep' },
    { what: 'as soon as it may', release: 'awake' },
  ])('a node that slept submits nothing in the name of a turn that it lost: $what', async ({ release }) => {
    const held = Promise.withResolvers<void>()
    const outcomes: string[] = []
    const c = await cluster(2, (app, node) => {
      const other = app.task('other', () => null)
      app.message(async () => {
        await held.promise
        await other.submit({}).then(
          () => outcomes.push(`${node} did`),
          (error) => outcomes.push(`${node} ${error.name}`),
        )
      })
    })
    await first(c).sendMessage('talk', { text: 'hello', create: true }, caller)
    await c.advance('1s')
    const claimed = (await c.events('session-')).find(({ type }) => type === 'TurnStarted')
    const slept = c.nodes.findIndex(({ engine }) => engine.nodeId === claimed?.data.node)
    c.nodes[slept]?.sleeper.sleep()
    await c.advance('20s')
    if (release === 'asleep') held.resolve()
    await settled()
    c.nodes[slept]?.sleeper.wake()
    held.resolve()
    await c.advance('5s')
    expect(outcomes).toEqual([`${slept} AttemptFenced`])
    expect((await c.events('task-')).filter(({ type }) => type === 'TaskSubmitted')).toHaveLength(0)
  })

  test('what a node writes that slept past the limit is refused and shown, though it writes before it looks', async () => {
    const heard: string[] = []
    const c = await cluster(2, (app, node) =>
      app.task('work', async (_: object, { log }) => {
        if (node !== 0) return 'done elsewhere'
        await asleep.promise
        await c.nodes[0]?.sleeper.awake()
        await log('info', 'still here').catch((error: Error) => heard.push(error.name))
        return 'done late'
      }),
    )
    const asleep = Promise.withResolvers<void>()
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    c.nodes[0]?.sleeper.sleep()
    asleep.resolve()
    await c.advance('15s')
    c.nodes[0]?.sleeper.wake()
    await c.advance('10s')
    expect(heard).toEqual(['AttemptFenced'])
    const events = await c.events('task-')
    expect(events.filter(({ type }) => type === 'TaskCompleted').map(({ data }) => data.result)).toEqual([
      'done elsewhere',
    ])
    const refused = events.filter(({ type }) => type === 'TaskWriteRefused')
    expect(refused.map(({ metadata }) => metadata.by)).toContain(`node:${c.nodes[0]?.engine.nodeId}`)
    expect(refused.map(({ data }) => data.tried)).toContain('log')
  })

  test('a node whose loop is held for long keeps its work when it announces itself from elsewhere', async () => {
    const ran: number[] = []
    const c = await cluster(
      2,
      (app, node) =>
        app.task('work', async () => {
          ran.push(node)
          await new Promise<void>((resolve) => c.clock.after(40_000, resolve))
          return node
        }),
      { announcesApart: true },
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    c.nodes[0]?.sleeper.sleep()
    await c.advance('20s')
    expect(c.nodes[1]?.engine.nodes).toHaveLength(2)
    const lags = (await c.events('node-')).map(({ data }) => Number(data.loopLagMs ?? 0))
    expect(Math.max(...lags)).toBeGreaterThan(15_000)
    c.nodes[0]?.sleeper.wake()
    await c.advance('1m')
    expect(ran).toEqual([0])
    expect((await c.events('task-')).map(({ type }) => type)).toEqual(['TaskSubmitted', 'TaskStarted', 'TaskCompleted'])
  })

  // A promise: see docs/promises.md.
  test('while the log does not answer, nobody is taken for dead', async () => {
    const ran: number[] = []
    const c = await cluster(2, (app, node) =>
      app.task('work', () => {
        ran.push(node)
        return new Promise(() => {})
      }),
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    c.hangs = true
    await c.advance('30s')
    c.hangs = false
    await c.advance('30s')
    expect(ran).toEqual([0])
    expect((await c.events('task-')).map(({ type }) => type)).toEqual(['TaskSubmitted', 'TaskStarted'])
  })

  test('while the log is down for 30 s, nobody is taken for dead, and what ended meanwhile has ended once', async () => {
    const ran: number[] = []
    const c = await cluster(3, (app, node) =>
      app.task('work', async ({ s }: { s: number }) => {
        ran.push(node)
        await new Promise<void>((resolve) => c.clock.after(s * 1000, resolve))
      }),
    )
    for (const [node, s] of [20, 50].entries()) {
      await c.nodes[node]?.engine.submit({ name: 'work', params: { s } }, caller)
    }
    await settled()
    c.down()
    await c.advance('30s')
    c.up()
    await c.advance('30s')
    expect(ran).toEqual([0, 1])
    for (const { engine } of c.nodes) expect(engine.nodes).toHaveLength(3)
    const types = (await c.events('task-')).map(({ type }) => type.slice(4)).toSorted()
    expect(types).toEqual(['Completed', 'Completed', 'Started', 'Started', 'Submitted', 'Submitted'])
    expect(c.problems.splice(0).filter((problem) => !problem.includes('StoreUnavailable'))).toEqual([])
  })

  // A promise: see docs/promises.md.
  test('a clock set back an hour kills nobody and holds up no one', async () => {
    const c = await cluster(2, (app) => {
      app.task('work', () => 'done')
      app.task('long', () => new Promise<void>((resolve) => c.clock.after(15_000, resolve)))
    })
    const both = [first(c), c.nodes[1]?.engine ?? first(c)]
    const long = await Promise.all(both.map((engine) => engine.submit({ name: 'long', params: {} }, caller)))
    await settled()
    c.clock.setDate(c.clock.now() - 3_600_000)
    await c.advance('20s')
    for (const { engine } of c.nodes) expect(engine.nodes).toHaveLength(2)
    for (const { taskId } of long) {
      const types = (await c.events(`task-${taskId}`)).map(({ type }) => type)
      expect(types).toEqual(['TaskSubmitted', 'TaskStarted', 'TaskCompleted'])
    }
    const { taskId } = await first(c).submit({ name: 'work', params: {} }, caller)
    await c.advance('2s')
    expect(await first(c).waitForJob(taskId, 0)).toMatchObject({ status: 'completed' })
  })
})
