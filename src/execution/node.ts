/**
 * A node: the process's part in running work. It follows the log, hands each event to whom it concerns, and on start
 * puts right what a crash left between two appends.
 */
import {
  type ActorSystem,
  isEnded,
  type Origin,
  type Report,
  settingKind,
  taskKind,
  taskScope,
  WrittenByNewerCode,
} from '../actors/index.ts'
import {
  type EventStore,
  isKnown,
  type JsonObject,
  type Position,
  type RecordedEvent,
  type ScheduleDefinition,
  StoreClosed,
  type StreamKind,
  type Subscription,
  streamName,
  streamPrefix,
} from '../events/index.ts'
import type { JobView, ReadModels, WorkSnapshot } from '../projections/index.ts'
import { Aftermath } from './aftermath.ts'
import { LoopAnnouncer, type MakeAnnouncer } from './announcer.ts'
import type { AttemptTally } from './attempt-tally.ts'
import type { CallbackSettings } from './callbacks.ts'
import { Dispatcher } from './dispatcher.ts'
import type { Handlers } from './handlers.ts'
import { Holdings } from './holdings.ts'
import { LockKeeper } from './locks.ts'
import { Membership, SILENCE_MS } from './membership.ts'
import { inBatches, Repairs } from './repairs.ts'
import { Runner } from './runner.ts'
import { type DeclaredSchedule, Schedules } from './schedules.ts'
import { Submitter } from './submitter.ts'
import { Turns } from './turns.ts'
import { leaveUnreadable } from './unreadable.ts'

export interface NodeOptions {
  readonly system: ActorSystem
  readonly store: EventStore
  readonly reads: ReadModels
  /** New for every process. */
  readonly id: string
  readonly version: string
  readonly manifest: JsonObject
  readonly handlers: Handlers
  readonly schedules: readonly DeclaredSchedule[]
  /** Task handlers that run at the same time. */
  readonly concurrency: number
  readonly callbacks: CallbackSettings
  readonly random: () => number
  /** Default: from the main thread. */
  readonly announcer?: MakeAnnouncer
  /** What went wrong that nobody waits for. */
  readonly report: Report
}

const FOLLOWED = ['task', 'lock', 'session', 'schedule', 'limit', 'setting'] as const
/** Whoever is next in a key's order of nodes acts so much later, should the one before not have. */
const NEXT_IN_ORDER_MS = 200
/** How long a start may wait for its read models: they may be rebuilt from the first event. */
const REBUILD_MS = 60 * 60_000
/** A store that dropped its subscriber is asked again after this. */
const RESUBSCRIBE_MS = 200
/** When the log or the read models did not answer. */
const REPAIR_AGAIN_MS = 5_000
/** How long a stop waits for a log that does not answer. What it leaves then is as after a kill. */
const UNRECORDED_MS = 5_000
const PAUSED = 'paused'
const TASK_SCOPE = taskScope('')

export class Node {
  readonly id: string
  readonly submitter: Submitter
  readonly locks: LockKeeper
  readonly schedules: Schedules
  readonly #options: NodeOptions
  readonly #runner: Runner
  readonly #dispatcher: Dispatcher
  readonly #turns: Turns
  readonly #aftermath: Aftermath
  readonly #membership: Membership
  readonly #holdings = new Holdings()
  readonly #repairs: Repairs
  readonly #prefixes: readonly (readonly [kind: StreamKind, prefix: string])[]
  readonly #followUps = new Set<Promise<void>>()
  /** Types and versions of newer code that were told of. */
  readonly #passedOver = new Set<string>()
  #subscription: Subscription | undefined
  #position: Position | undefined
  #hasHeardAll = false
  #stopped = false

  constructor(options: NodeOptions) {
    this.#options = options
    this.id = options.id
    const { system, store, handlers, version, concurrency, report, random } = options
    this.locks = new LockKeeper(system, this.id)
    this.#membership = new Membership({
      system,
      store,
      node: this.id,
      version,
      manifest: options.manifest,
      announcer: options.announcer ?? ((of) => new LoopAnnouncer(of)),
      onDead: (node) => this.#takeOver(node),
      onAwake: () => {
        this.#runner.verify()
        this.#turns.verify()
      },
      report,
    })
    const patience = (key: string): number => this.#membership.rank(key) * NEXT_IN_ORDER_MS
    const isLate = (): boolean => this.#membership.isLate
    this.#runner = new Runner({ system, node: this.id, random, isLate, report })
    this.#dispatcher = new Dispatcher({
      system,
      runner: this.#runner,
      handlers,
      node: this.id,
      version,
      concurrency,
      acquireLock: (taskId, submission) =>
        this.locks.acquire(taskId, submission, { by: `node:${this.id}`, mustLand: true }),
      onEnded: (taskId, linked) => linked && this.#inOrder(taskId, () => this.#followUp(taskId)),
      patience,
      report,
    })
    this.submitter = new Submitter(system, this.#dispatcher.starts, this.locks, report)
    const { submitter } = this
    const { callbacks } = options
    this.#aftermath = new Aftermath({
      system,
      submitter,
      node: this.id,
      callbacks,
      isOurs: (taskId) => this.#membership.rank(taskId) === 0,
      random,
      report,
    })
    this.#turns = new Turns({ system, node: this.id, handlers, patience, isLate, report })
    this.schedules = new Schedules({
      system,
      node: this.id,
      submitter: this.submitter,
      declared: options.schedules,
      patience,
      declaredByOthers: (name, as) => this.#membership.mayOthersDeclare((manifest) => declares(manifest, name, as)),
      report,
    })
    this.#repairs = new Repairs({ system, node: this.id, locks: this.locks, schedules: this.schedules, report })
    const kinds: readonly StreamKind[] = system.exclusive ? FOLLOWED : [...FOLLOWED, 'node']
    this.#prefixes = kinds.map((kind) => [kind, streamPrefix(system.app, kind)])
  }

  /** What became of the attempts that ran here. */
  get attempts(): AttemptTally {
    return this.#runner.tally
  }

  get work(): { readonly running: number; readonly live: number } {
    const running = this.#runner.running + this.#turns.running + this.#aftermath.running
    return { running, live: this.#dispatcher.size }
  }

  /** Live tasks of a name that do not run, as far as this node has seen. */
  queued(task: string): number {
    return this.#dispatcher.queued(task)
  }

  /** What a waiting task waits for, in words; undefined if only for its turn, or if this node does not know. */
  waitsFor(job: Pick<JobView, 'id' | 'name' | 'status'>): string | undefined {
    return this.#dispatcher.waitsFor(job)
  }

  isPaused(task: string): boolean {
    return this.#dispatcher.isPaused(task)
  }

  /** Starts no more tasks of the name on any node, or does again. */
  async setPaused(task: string, paused: boolean, origin: Origin): Promise<Position> {
    const command = { type: 'set', key: PAUSED, value: paused } as const
    return (await this.#options.system.execute(settingKind, taskScope(task), command, origin)).position
  }

  /**
   * Calls back once the task's run has ended, as far as this node has seen, or with false when it stops before.
   * @returns how to stop listening
   */
  whenEnded(taskId: string, callback: (isSeen: boolean) => void): () => void {
    return this.#dispatcher.whenEnded(taskId, callback)
  }

  /** Live nodes that take work, as this one sees it, itself among them. */
  get nodes(): readonly string[] {
    return this.#membership.working
  }

  /** The date was set, or the machine had slept. */
  dateSet(): void {
    this.#dispatcher.dateSet()
    this.schedules.dateSet()
  }

  /** Catches up with the log, puts right what a crash left, then begins to work. */
  async start(): Promise<void> {
    try {
      await this.#start()
    } catch (error) {
      this.#stopped = true
      await this.#subscription?.close()
      await this.#membership.halt()
      throw error
    }
  }

  async #start(): Promise<void> {
    const { store, reads, system } = this.#options
    await this.#membership.start()
    await reads.waitFor(await store.head(), REBUILD_MS)
    const work = reads.work()
    await this.#loadPaused()
    this.#dispatcher.load(work.waiting, work.locks)
    this.#aftermath.load(work)
    if (!system.exclusive) await this.#watchOver(work)
    await this.#follow(work.position)
    if (system.exclusive) await this.#repairs.interruptRunning(work)
    await this.#repairs.locks(work)
    this.#dispatcher.start()
    this.#turns.start(work.openTurns.map(({ sessionId }) => sessionId))
    await this.#repairs.occurrences(work)
    await this.#aftermath.start(work)
    if (system.exclusive) await this.#removeUndeclared()
    else system.clock.after(SILENCE_MS, () => this.#allHeard())
    await this.schedules.start()
  }

  /**
   * Takes no more work, waits for what runs up to `drainMs` or until `hurry` is aborted, interrupts the rest, and has it
   * recorded, unless the log does not answer.
   * @returns whether everything came to its own end, and the log has it
   */
  async drain(drainMs: number, hurry?: AbortSignal): Promise<boolean> {
    this.#dispatcher.stop()
    this.#turns.stop()
    this.schedules.stop()
    this.#aftermath.stop()
    const said = this.#membership.drain().catch((error) => this.#options.report(error, 'announcing the drain'))
    const ended = Promise.all([this.#dispatcher.idle(), this.#turns.idle(), this.#aftermath.idle()])
    const isIdle = this.work.running === 0 && this.#dispatcher.isIdle
    const inTime = isIdle || (await this.#within(drainMs, ended, hurry))
    const recorded = await this.#within(UNRECORDED_MS, this.#recordEnds(inTime))
    const clean = inTime && recorded
    this.#stopped = true
    await this.#subscription?.close()
    this.#dispatcher.blind()
    await said
    // Without it the others find out by the silence.
    await this.#membership.stop(clean).catch((error) => this.#options.report(error, 'announcing the end'))
    return clean
  }

  /** Interrupts what has not come to its own end. Resolves when the log has how everything ended, and all that follows. */
  async #recordEnds(inTime: boolean): Promise<void> {
    if (!inTime) await Promise.all([this.#runner.interruptAll(), this.#turns.interruptAll()])
    await this.#dispatcher.idle()
    await this.#aftermath.abort()
    await this.#options.system.settled()
    while (this.#followUps.size > 0) await Promise.all(this.#followUps)
  }

  /** @returns whether it was done within `ms`, and before `hurry` was aborted */
  async #within(ms: number, work: Promise<unknown>, hurry?: AbortSignal): Promise<boolean> {
    const { clock } = this.#options.system
    const limit = Promise.withResolvers<boolean>()
    const timer = clock.after(ms, () => limit.resolve(false))
    hurry?.addEventListener('abort', () => limit.resolve(false))
    if (hurry?.aborted) limit.resolve(false)
    try {
      return await Promise.race([work.then(() => true), limit.promise])
    } finally {
      timer.cancel()
    }
  }

  /** Follows the log from `from`, and resolves once everything recorded so far has been seen. */
  #follow(from: Position): Promise<void> {
    this.#position = from
    return new Promise((resolve) => {
      const { clock } = this.#options.system
      const again = (error: unknown): void => {
        this.#options.report(error, 'following the log')
        // A closed log gives no other subscription.
        if (!(error instanceof StoreClosed)) clock.at(clock.now() + RESUBSCRIBE_MS, subscribe)
      }
      const subscribe = (): void => {
        if (this.#stopped) return
        try {
          this.#subscription = this.#options.store.subscribe(
            { from: this.#position ?? from, prefixes: this.#prefixes.map(([, prefix]) => prefix) },
            { events: (batch) => this.#onEvents(batch), caughtUp: () => resolve(), dropped: again },
          )
        } catch (error) {
          again(error)
        }
      }
      subscribe()
    })
  }

  #onEvents(batch: readonly RecordedEvent[]): void {
    for (const event of batch) {
      for (const [kind, prefix] of this.#prefixes) {
        if (!event.stream.startsWith(prefix)) continue
        const key = event.stream.slice(prefix.length)
        // Of a node any event is a sign of life.
        if (kind === 'node' || isKnown(kind, event)) this.#onEvent(kind, key, event)
        else this.#passOver(kind, key, event)
        break
      }
      this.#position = event.position
    }
    this.#dispatcher.pump()
  }

  #onEvent(kind: StreamKind, key: string, event: RecordedEvent): void {
    if (kind === 'session') this.#turns.follow(key, event)
    else if (kind === 'schedule') this.schedules.follow(key, event)
    else if (kind === 'limit') this.#dispatcher.followLimit(event)
    else if (kind === 'setting') this.#onSetting(key, event)
    else if (kind === 'node') this.#membership.follow(key, event)
    else this.#dispatcher.follow(key, event)
    if (kind === 'task') this.#aftermath.follow(key, event)
    if (kind === 'task' || kind === 'session') this.#noteHolder(kind, key, event)
  }

  /** What newer code wrote means nothing to this code: nodes that know it see to its stream. Told once for each type. */
  #passOver(kind: StreamKind, key: string, { stream, type, metadata }: RecordedEvent): void {
    if (kind === 'task') this.#dispatcher.lookAgain(key)
    else if (kind === 'setting') this.#holdBack(key)
    const what = `${kind} ${type} ${metadata.v}`
    if (this.#passedOver.has(what)) return
    this.#passedOver.add(what)
    this.#options.report(new WrittenByNewerCode(stream, type, metadata.v), 'following the log')
  }

  #noteHolder(kind: 'task' | 'session', key: string, event: RecordedEvent): void {
    if (this.#options.system.exclusive) return
    const node = this.#holdings.follow(kind, key, event)
    if (node !== undefined) this.#listenFor(node)
  }

  /**
   * Work in a node's name. If it was taken for dead before this node heard of the work, its stream is asked once more:
   * either it is there again, or it falls silent a second time, and what it held is taken over then.
   */
  #listenFor(node: string): void {
    this.#membership.expect(node)
    if (this.#membership.isAlive(node) || this.#stopped) return
    const { store, system, report } = this.#options
    store.readStream(streamName(system.app, 'node', node), { direction: 'backwards', limit: 1 }).then(
      ([last]) => last && this.#membership.follow(node, last),
      (error) => {
        report(error, `reading the stream of node ${node}`)
        system.clock.after(REPAIR_AGAIN_MS, () => this.#listenFor(node))
      },
    )
  }

  #onSetting(scope: string, event: RecordedEvent): void {
    const { key, value } = event.data
    if (scope.startsWith(TASK_SCOPE) && key === PAUSED)
      this.#dispatcher.setPaused(scope.slice(TASK_SCOPE.length), value === true)
  }

  /** Settings of a task that this code cannot read: it may be paused, so that nothing of it starts here. */
  #holdBack(scope: string): void {
    if (scope.startsWith(TASK_SCOPE)) this.#dispatcher.setPaused(scope.slice(TASK_SCOPE.length), true)
  }

  async #loadPaused(): Promise<void> {
    await inBatches(this.#options.handlers.names, (name) =>
      leaveUnreadable(this.#loadPausedOf(name), (error) => {
        this.#holdBack(taskScope(name))
        this.#options.report(error, `reading the settings of task ${name}`)
      }),
    )
  }

  async #loadPausedOf(name: string): Promise<void> {
    const { state } = await this.#options.system.read(settingKind, taskScope(name))
    if (state.context.values[PAUSED] === true) this.#dispatcher.setPaused(name, true)
  }

  /**
   * Others may run what the log says is running: from now on they are listened for. Before the log is followed from there,
   * which may say that others hold it by now.
   */
  async #watchOver(work: WorkSnapshot): Promise<void> {
    for (const holding of await this.#repairs.running(work)) {
      this.#holdings.add(holding)
      this.#listenFor(holding.node)
    }
  }

  /** A node died: what it ran is interrupted, and what it left between two streams is put right, in order of nodes. */
  #takeOver(node: string): void {
    for (const holding of this.#holdings.of(node)) {
      this.#inOrder(holding.key, () => {
        if (!this.#holdings.has(holding)) return
        this.#repairs
          .interrupt(holding)
          .catch((error) => this.#options.report(error, `taking over ${holding.kind} ${holding.key}`))
      })
    }
    this.#inOrder(node, () => this.#putRight(`putting right what node ${node} left`))
  }

  /** Tried until it is done: what is left of a dead node is known to nobody else for long. */
  #putRight(doing: string): void {
    this.#repairAll().catch((error) => {
      this.#options.report(error, doing)
      this.#options.system.clock.after(REPAIR_AGAIN_MS, () => this.#stopped || this.#putRight(doing))
    })
  }

  async #repairAll(): Promise<void> {
    const { reads, store } = this.#options
    await reads.waitFor(await store.head())
    const work = reads.work()
    await this.#repairs.locks(work)
    await this.#repairs.occurrences(work)
    await this.#aftermath.start(work)
    this.#turns.takeUp(work.openTurns.filter(({ running }) => !running).map(({ sessionId }) => sessionId))
    await this.schedules.takeBack()
    if (this.#hasHeardAll) await this.#removeUndeclared()
  }

  /** Every live node has said something by now; one that never did may have died between two streams since the start. */
  #allHeard(): void {
    if (this.#stopped) return
    this.#hasHeardAll = true
    this.#putRight('putting right what a node left that was never heard of')
  }

  async #removeUndeclared(): Promise<void> {
    await this.schedules.removeUndeclared(await this.#options.reads.schedules())
  }

  /** At once if this node is the first in the key's order; else after those before it had their time. */
  #inOrder(key: string, act: () => void): void {
    const wait = this.#membership.rank(key) * NEXT_IN_ORDER_MS
    if (wait === 0) act()
    else this.#options.system.clock.after(wait, () => this.#stopped || act())
  }

  /** What an ended run owes to other streams: its lock, its occurrence. */
  #followUp(taskId: string): void {
    const followed = this.#releaseAndFinish(taskId)
      .catch((error) => this.#options.report(error, `releasing what task ${taskId} held`))
      .finally(() => this.#followUps.delete(followed))
    this.#followUps.add(followed)
  }

  async #releaseAndFinish(taskId: string): Promise<void> {
    const { state } = await this.#options.system.read(taskKind, taskId, { mustLand: true })
    const { submission, run } = state.context
    if (!submission || !isEnded(state.value)) return
    const { lockKey, occurrence } = submission
    if (lockKey !== undefined) await this.locks.release(lockKey, taskId, state.value, run)
    if (occurrence) await this.schedules.finish(occurrence.schedule, occurrence.due, taskId, state.value)
  }
}

/** Whether a node declares the schedule; `as` it is recorded, as far as its manifest says. */
function declares({ schedules }: JsonObject, name: string, as?: ScheduleDefinition): boolean {
  const wanted = Object.entries(as ? { name, cron: as.cron, timezone: as.timezone } : { name })
  return (
    Array.isArray(schedules) &&
    schedules.some((declared) => wanted.every(([key, value]) => Reflect.get(Object(declared), key) === value))
  )
}
