/**
 * Decides what runs next on this node, and claims it: append TaskStarted, then run.
 *
 * It follows the log and holds one small record per live task, in one of these states:
 *
 *     delayed ──due──▶ ready ──slot free──▶ claiming ──TaskStarted──▶ running ──▶ (gone, or delayed again)
 *                        │ ▲
 *        lock not held   ▼ │ lock acquired      limited: in line for its permits (admission.ts)
 *                       held                    parked: paused, or no handler of this name in the running code
 *
 * The records are hints, the log decides: a claim that loses the race leaves its record to what the log says next.
 * No claim is made before `start()`, when the log has been caught up with.
 */
import {
  type ActorSystem,
  type Claim,
  type Clock,
  CommandRefused,
  CRASHES_BEFORE_ALONE,
  isEnded,
  isRefusal,
  lockKind,
  type Report,
  type Start,
  type State,
  type TaskCommand,
  type TaskContext,
  taskKind,
} from '../actors/index.ts'
import {
  factOf,
  type LockFact,
  type RecordedEvent,
  RUN_MOVE_EVENTS,
  type Submission,
  streamName,
  type TaskFact,
} from '../events/index.ts'
import type { JobView, LockView, WaitingTask } from '../projections/index.ts'
import { Admission } from './admission.ts'
import { DueQueue } from './due-queue.ts'
import { Ends, type OnEnd } from './ends.ts'
import { describeError } from './errors.ts'
import type { Handlers, TaskLimits } from './handlers.ts'
import { LockHolders } from './lock-holders.ts'
import { Counts, SharedTexts } from './names.ts'
import { OwnClaims } from './own-claims.ts'
import { Fifo, OwnFirst } from './ready-queue.ts'
import type { Runner } from './runner.ts'
import { Slots } from './slots.ts'
import { isHeldBack, type NewTask, type RecordState, startedBefore, TaskRecord } from './task-record.ts'

export interface DispatcherOptions {
  readonly system: ActorSystem
  readonly runner: Runner
  readonly handlers: Handlers
  readonly node: string
  readonly version: string
  /** Handlers that run at the same time on this node. */
  readonly concurrency: number
  /** Asks for the lock of a task that came due (see locks.ts). */
  readonly acquireLock: (taskId: string, submission: Submission) => Promise<unknown>
  /** A run has ended. `linked`: it may hold a lock or be an occurrence, whose streams must follow. */
  readonly onEnded: (taskId: string, linked: boolean) => void
  /** Milliseconds to leave the task to nodes that come before this one in its order. */
  readonly patience: (taskId: string) => number
  readonly report: Report
}

/** Of so many tasks the actors are at hand when they start. Those that come after them are read again by then. */
const AT_HAND = 3000

/** At the end of a backlog others are at work on nearly all that is left: more would mostly be lost. */
const STEALS_AT_ONCE = 8

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #records = new Map<string, TaskRecord>()
  readonly #ready = new OwnFirst<TaskRecord>()
  /** Claims under way of what was left to others. */
  #stealing = 0
  /** Those that ended their process too often: each runs with nothing else on the node. */
  readonly #suspects = new Fifo<TaskRecord>()
  readonly #delayed: DueQueue<TaskRecord>
  readonly #expiring: DueQueue<TaskRecord>
  readonly #admission: Admission<TaskRecord>
  readonly #paused = new Set<string>()
  /** Live tasks that do not run. */
  readonly #queued = new Counts()
  readonly #texts = new SharedTexts()
  readonly #holders = new LockHolders()
  readonly #claims = new OwnClaims()
  readonly #ends = new Ends()
  readonly #slots: Slots

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#slots = new Slots(options.concurrency)
    const enqueue = (records: readonly TaskRecord[]): void => {
      for (const record of records) if (record.state === 'delayed' && !this.#isEarly(record)) this.#enqueue(record)
      this.pump()
    }
    this.#delayed = new DueQueue(options.system.clock, enqueue, { wanted: ({ state }) => state === 'delayed' })
    const expire = (records: readonly TaskRecord[]): void => {
      for (const record of records) this.#expire(record)
    }
    this.#expiring = new DueQueue(options.system.clock, expire, {
      byDate: true,
      wanted: ({ state, expiresAt }) => state !== 'gone' && expiresAt !== undefined,
    })
    this.#admission = new Admission<TaskRecord>({
      system: options.system,
      node: options.node,
      waits: (record) => record.state === 'limited',
      takeSlots: (wished) => this.#takeSlots(wished),
      giveSlot: () => this.#slots.giveBack(),
      admit: (record, claim) => this.#admit(record, claim),
      reject: (record, error) => this.#reject(record, error),
      report: options.report,
    })
  }

  /** The date was set: what is due by it now is looked at. */
  dateSet(): void {
    this.#delayed.dateSet()
    this.#expiring.dateSet()
  }

  /** Live tasks that this node knows of. */
  get size(): number {
    return this.#records.size
  }

  /** Live tasks of a name that do not run. */
  queued(name: string): number {
    return this.#queued.of(name)
  }

  /** What a waiting task waits for, beside its turn. */
  waitsFor({ id, name, status }: Pick<JobView, 'id' | 'name' | 'status'>): string | undefined {
    // One that was submitted just now has no record yet.
    const state = this.#records.get(id)?.state ?? (status === 'pending' ? 'parked' : 'delayed')
    if (state === 'parked' && this.#paused.has(name)) return `an operator to resume ${name}`
    if (state === 'limited') return `its turn under the limits of ${name}`
    return undefined
  }

  isPaused(name: string): boolean {
    return this.#paused.has(name)
  }

  /** Starts no more tasks of the name, or does again. */
  setPaused(name: string, paused: boolean): void {
    if (paused) this.#paused.add(name)
    else this.#paused.delete(name)
    for (const record of this.#records.values()) {
      if (record.name !== name) continue
      if (paused && isHeldBack(record.state)) this.#become(record, 'parked')
      else if (!paused && record.state === 'parked') this.#enqueue(record)
    }
    this.pump()
  }

  /** Takes over what a read model knew, before following the log from there. */
  load(waiting: Iterable<WaitingTask>, locks: readonly LockView[]): void {
    const asked = new Set<string>()
    for (const { key, holder, queue } of locks) {
      this.#holders.set(this.#lockStream(key), { taskId: holder.taskId, fence: holder.fence })
      for (const { taskId } of queue) asked.add(taskId)
    }
    for (const task of waiting)
      this.#add(
        task.id,
        task.status === 'retry' ? startedBefore(task) : task,
        task.runAt,
        task.lockKey !== undefined && asked.has(task.id),
        task.run,
      )
  }

  /** Begins to claim. */
  start(): void {
    this.#slots.open()
    this.pump()
  }

  /** Claims nothing more; what runs goes on, and so does what is on its way to the log. */
  stop(): void {
    this.#slots.close()
    this.#delayed.close()
    this.#expiring.close()
  }

  /** Nothing runs, and no start is on its way to the log, which would run when it is there. */
  get isIdle(): boolean {
    return this.#slots.isIdle && this.#options.runner.running === 0
  }

  /** Resolves when it is idle. */
  async idle(): Promise<void> {
    while (!this.isIdle) {
      await this.#options.runner.idle()
      if (!this.#slots.isIdle) await this.#slots.freed()
    }
  }

  /** The log is followed no more: whoever waits for an end is told that this node will not see it. */
  blind(): void {
    this.#ends.blind()
  }

  /** Calls back once the task's run has ended, as far as this node has seen, or with false when it will not see it. */
  whenEnded(taskId: string, callback: OnEnd): () => void {
    return this.#ends.wait(taskId, callback)
  }

  /**
   * A slot for a task about to be submitted, if one is free and nobody waits for it: submit and start then share an
   * append. Whoever gets one must call `begin` or `abandon`.
   */
  reserve(taskId: string, name: string, fence?: string): Start | undefined {
    if (this.#ready.size > 0 || this.#suspects.size > 0 || this.#paused.has(name)) return undefined
    const handler = this.#options.handlers.task(name)
    if (!handler || handler.limits || this.#takeSlots(1) === 0) return undefined
    this.#claims.begin(taskId)
    return { node: this.#options.node, version: this.#options.version, ...(fence === undefined ? {} : { fence }) }
  }

  #takeSlots(wished: number): number {
    return this.#suspects.size > 0 ? 0 : this.#slots.take(wished)
  }

  #giveBack(): void {
    this.#slots.giveBack()
    this.pump()
  }

  /** Runs a task whose start was appended, on the slot that was taken for it; unless others took it for lost meanwhile. */
  begin(taskId: string, state: State<TaskContext>, fence?: string): void {
    const { shown, waits } = this.#claims.settle(taskId)
    const { claim } = state.context
    const record = this.#records.get(taskId)
    if (claim && record?.claim !== claim.id) {
      if (shown === claim.id) return this.#lose(taskId, claim, record, waits)
      this.#claims.runsUnseen(claim.id)
    }
    this.#run(taskId, state, fence)
  }

  /** The log has shown the claim, and that it has ended, before it was answered. */
  #lose(taskId: string, { id, alone }: Claim, record: TaskRecord | undefined, waits: boolean): void {
    this.#claims.takeCancelled(id)
    this.#admission.release(taskId, id, 'lost')
    if (record) this.#comeToNothing(record, waits)
    if (alone) this.#slots.endAlone()
    this.#giveBack()
  }

  /** The reserved slot was not used: refused, or recorded without an answer, as the log may have shown already. */
  abandon(taskId: string): void {
    const { waits } = this.#claims.settle(taskId)
    const record = this.#records.get(taskId)
    if (record) this.#comeToNothing(record, waits)
    this.#giveBack()
  }

  /** A start that was under way: the task waits for another one, or does not; nor does the claim that was heard of run here. */
  #comeToNothing(record: TaskRecord, waits: boolean): void {
    const { id, state, ours, claim } = record
    if (waits && state === 'claiming') return this.#place(record)
    if (claim === undefined) return
    this.#claims.takeCancelled(claim)
    if (state === 'running' && ours && !this.#options.runner.has(claim)) this.#orphan(id, claim)
  }

  /** Follows the log: events of tasks and locks in order, each once. `pump` afterwards. */
  follow(key: string, event: RecordedEvent): void {
    const fact = factOf<TaskFact | LockFact>(event)
    if (!isLockFact(fact)) return this.#onTask(key, event, fact)
    const holder = this.#holders.follow(event.stream, event.revision, fact)
    if (holder !== undefined) this.#release(holder)
  }

  /** A permit of the limit was returned, by whichever node. */
  followLimit(stream: string): void {
    this.#admission.returned(stream)
  }

  #onTask(id: string, event: RecordedEvent, fact: TaskFact): void {
    switch (fact.type) {
      case 'TaskSubmitted':
        this.#letGo(this.#add(id, fact.data, undefined, true, 1))
        return
      case 'TaskScheduled':
        this.#letGo(this.#add(id, fact.data, Date.parse(fact.data.runAt), false, 1))
        return
      case 'TaskStarted':
        return this.#onStarted(id, event.id, fact.data.node)
      case 'TaskDeadlineExtended':
        return this.#options.runner.extend(fact.data.claim)
      case 'TaskCancelRequested':
        return this.#cancel(id, fact.data.claim)
      case 'TaskRetryScheduled':
        return this.#again(id, event.revision, Date.parse(fact.data.runAt), 0)
      case 'TaskInterrupted':
        return this.#again(id, event.revision, Date.parse(fact.data.runAt), fact.data.cause === 'crash' ? 1 : 0)
      case 'TaskRequeued':
        return this.#again(id, event.revision, undefined, 0, fact.data.run)
      case 'TaskCompleted':
      case 'TaskFailed':
      case 'TaskTimedOut':
      case 'TaskCancelled':
        return this.#end(id)
      default:
    }
  }

  /** A start of this node's that the log shows may have no answer yet: nothing runs then that could be told. */
  #cancel(taskId: string, claim: string): void {
    const record = this.#records.get(taskId)
    if (record?.ours && record.claim === claim && this.#claims.isUnderWay(taskId))
      this.#claims.cancelOnceAnswered(claim)
    else this.#options.runner.cancel(claim)
  }

  #add(id: string, of: NewTask, runAt: number | undefined, asked: boolean, run: number): TaskRecord {
    const { priority, crashes = 0 } = of
    const shared = { name: this.#texts.of(of.name), ownerId: this.#texts.of(of.ownerId), priority, crashes, run }
    const record = new TaskRecord(
      id,
      shared,
      of.lockKey === undefined ? undefined : this.#lockStream(of.lockKey),
      runAt,
      asked,
    )
    this.#records.set(record.id, record)
    this.#queued.add(record.name, 1)
    record.expiresAt = typeof of.expiresAt === 'string' ? Date.parse(of.expiresAt) : of.expiresAt
    if (record.expiresAt !== undefined) this.#expiring.push(record.expiresAt, record)
    this.#place(record)
    return record
  }

  /** Of a task that was just submitted and whose turn is far off, the actor. */
  #letGo({ id, state }: TaskRecord): void {
    if (this.#records.size <= AT_HAND) return
    if (state === 'delayed' || isHeldBack(state)) this.#options.system.letGo(taskKind, id)
  }

  #become(record: TaskRecord, state: RecordState): void {
    const waited = record.state !== 'running' && record.state !== 'gone'
    const waits = state !== 'running' && state !== 'gone'
    record.state = state
    if (waited !== waits) this.#queued.add(record.name, waits ? 1 : -1)
  }

  #place(record: TaskRecord): void {
    record.claim = undefined
    record.leftMs = 0
    if (record.runAt !== undefined && record.runAt > this.#options.system.clock.now()) {
      this.#become(record, 'delayed')
      record.due = this.#delayed.push(record.runAt, record)
    } else {
      this.#enqueue(record)
    }
  }

  #enqueue(record: TaskRecord): void {
    const handler = this.#options.handlers.task(record.name)
    if (this.#claims.holdBack(record.id)) {
      this.#become(record, 'claiming')
    } else if (!handler || this.#paused.has(record.name) || isPast(record.expiresAt, this.#options.system.clock)) {
      this.#become(record, 'parked')
    } else if (record.lock !== undefined && !this.#holders.isHeldBy(record.lock, record.id)) {
      this.#become(record, 'held')
      // A delayed task asks for its lock when it is due; a submitted one has asked before it was recorded.
      if (!record.asked) void this.#askForLock(record)
    } else if (this.#leaves(record)) {
      this.#become(record, 'delayed')
    } else if (record.crashes >= CRASHES_BEFORE_ALONE && !handler.isolated) {
      this.#become(record, 'ready')
      this.#suspects.push(record)
    } else if (handler.limits) {
      this.#become(record, 'limited')
      this.#admission.add(record, handler.limits)
    } else {
      this.#become(record, 'ready')
      this.#ready.push(record)
    }
  }

  /** What fired was set for an earlier time of the record: it has run meanwhile, and waits for another one. */
  #isEarly({ runAt, due }: TaskRecord): boolean {
    const { clock } = this.#options.system
    return runAt !== undefined && runAt > clock.now() && due > clock.monotonic()
  }

  /** Leaves the task for a while to the nodes that come before this one in its order. */
  #leaves(record: TaskRecord): boolean {
    const { patience, system } = this.#options
    const wait = record.leftMs > 0 ? 0 : patience(record.id)
    if (wait === 0) return false
    record.leftMs = wait
    this.#delayed.push(system.clock.now() + wait, record)
    return true
  }

  /** A task that waited too long to be useful. Once started, a run does not expire. */
  #expire(record: TaskRecord): void {
    if (record.expiresAt === undefined || record.state === 'claiming' || record.state === 'gone') return
    void this.#tell(record.id, { type: 'expire' }, 'expiring').then((isTaken) => {
      if (isTaken) return
      // It expired and is gone, or an operator had it run again: then it waits like any other.
      record.expiresAt = undefined
      if (record.state === 'parked') this.#enqueue(record)
      this.pump()
    })
  }

  /** What its input lacks, it lacks at every start: it fails with the reason rather than wait for ever. */
  #reject({ id }: TaskRecord, reason: unknown): void {
    void this.#tell(id, { type: 'reject', error: describeError(reason, false) }, 'refusing to start')
  }

  /** Gives a task a command in this node's name. @returns false if the task refuses it */
  async #tell(taskId: string, command: TaskCommand, doing: string, causationId?: string): Promise<boolean> {
    const { system, node, report } = this.#options
    const origin = {
      by: `node:${node}`,
      mustLand: true,
      ...(causationId === undefined ? {} : { causationId }),
    } as const
    try {
      await system.execute(taskKind, taskId, command, origin)
      return true
    } catch (error) {
      if (isRefusal(error)) return false
      report(error, `${doing} task ${taskId}`)
      return true
    }
  }

  async #askForLock(record: TaskRecord): Promise<void> {
    record.asked = true
    try {
      const { state } = await this.#options.system.read(taskKind, record.id, { mustLand: true })
      const { submission } = state.context
      // One that was cancelled meanwhile would hold the lock for ever: its release has been.
      if (submission && !isEnded(state.value)) await this.#options.acquireLock(record.id, submission)
    } catch (error) {
      this.#options.report(error, `acquiring the lock of task ${record.id}`)
    }
  }

  /** The task holds its lock now. */
  #release(taskId: string): void {
    const record = this.#records.get(taskId)
    if (record?.state === 'held') this.#enqueue(record)
  }

  #onStarted(id: string, claim: string, node: string): void {
    const record = this.#records.get(id)
    if (record) {
      this.#become(record, 'running')
      record.claim = claim
      record.ours = node === this.#options.node
      record.expiresAt = undefined
    }
    if (node === this.#options.node && !this.#claims.shown(id, claim)) this.#orphan(id, claim)
  }

  /** A claim in this node's name that nothing here runs: its answer was lost. It is interrupted at once. */
  #orphan(taskId: string, claim: string): void {
    void this.#tell(taskId, { type: 'interrupt', claim, cause: 'lost' }, 'giving back', claim)
  }

  #again(id: string, revision: bigint, runAt: number | undefined, crashed: 0 | 1, run?: number): void {
    const record = this.#records.get(id)
    if (!record) return void this.#recover(id, revision)
    record.crashes += crashed
    if (record.claim !== undefined) this.#options.runner.fence(record.claim)
    record.runAt = runAt
    record.run = run ?? record.run
    this.#place(record)
  }

  #end(id: string): void {
    const record = this.#records.get(id)
    this.#records.delete(id)
    if (record) {
      if (record.claim !== undefined) this.#options.runner.fence(record.claim)
      this.#become(record, 'gone')
    }
    this.#options.onEnded(id, record === undefined || record.lock !== undefined || record.name.startsWith('schedule:'))
    this.lookAgain(id)
  }

  /** The run has ended, or newer code wrote of it, maybe its end: whoever waits for that looks at the task now. */
  lookAgain(id: string): void {
    this.#ends.seen(id)
  }

  /**
   * A task this node has no record of (it ran when the node started, or had ended): its stream knows it. Not what the stream
   * says beyond the event that is followed: the locks that this node knows are of that time.
   */
  async #recover(id: string, revision: bigint): Promise<void> {
    try {
      const { system } = this.#options
      const { state } = await system.read(taskKind, id, { mustLand: true })
      const later = await system.history(taskKind, id, { from: revision + 1n })
      // What these say is followed in its turn.
      if (later.some(({ type }) => RUN_MOVE_EVENTS.has(type))) return
      const { submission, runAt, crashes, attempt, run } = state.context
      if (!submission || isEnded(state.value) || state.value === 'running' || this.#records.has(id)) return
      const task = { ...submission, crashes }
      this.#add(id, attempt > 0 ? startedBefore(task) : task, runAt, false, run)
      this.pump()
    } catch (error) {
      this.#options.report(error, `taking up task ${id}`)
    }
  }

  /** Claims what is ready while there are slots. */
  pump(): void {
    if (this.#suspects.size > 0) return this.#pumpSuspect()
    while (this.#ready.size > 0 && this.#takeSlots(1) > 0) {
      const record = this.#ready.shift(this.#stealing < STEALS_AT_ONCE)
      // Cancelled, paused, or claimed by another node meanwhile.
      if (record?.state !== 'ready') this.#slots.giveBack()
      else void this.#claim(record, {})
      if (!record) break
    }
    if (this.#slots.isOpen) this.#admission.pump()
  }

  /** Starts nothing more until the node is empty, then the one that is suspected to end its process. */
  #pumpSuspect(): void {
    // Nor while an end is on its way to the log: its task would be among those that died with the process.
    if (!this.#slots.isOpen || !this.isIdle) return
    const record = this.#suspects.shift()
    if (record?.state !== 'ready') return this.pump()
    this.#slots.takeAlone()
    const limits = this.#options.handlers.task(record.name)?.limits
    if (limits) void this.#claimAlone(record, limits)
    else void this.#claim(record, { alone: true })
  }

  /** A suspect that is under limits: it asks for its permits once the node is empty, and makes room again without them. */
  async #claimAlone(record: TaskRecord, limits: TaskLimits): Promise<void> {
    const asked = await this.#admission.ask(record, limits)
    if (this.#slots.isOpen && record.state === 'ready' && 'claim' in asked)
      return this.#claim(record, { alone: true, claim: asked.claim })
    if ('claim' in asked) this.#admission.release(record.id, asked.claim, 'not started')
    else if (record.state === 'ready') {
      this.#become(record, 'delayed')
      record.due = this.#delayed.push(asked.again, record)
    }
    this.#slots.endAlone()
    this.#giveBack()
  }

  #admit(record: TaskRecord, claim: string): void {
    if (this.#slots.isOpen && record.state === 'limited') return void this.#claim(record, { claim })
    // While its permits were asked for, another node ran it, it was paused, or this node stops: what comes now waits for
    // its own turn.
    this.#admission.release(record.id, claim, 'not started')
    this.#giveBack()
  }

  async #claim(record: TaskRecord, how: Pick<Start, 'claim' | 'alone'>): Promise<void> {
    const { system, node, version, report } = this.#options
    this.#become(record, 'claiming')
    this.#claims.begin(record.id)
    const steals = record.leftMs > 0
    if (steals) this.#stealing++
    const fence = record.lock === undefined ? undefined : this.#holders.fenceOf(record.lock)
    try {
      const { runAt, run, crashes } = record
      const due = runAt === undefined ? {} : { waitedUntil: runAt }
      const command = {
        type: 'start',
        node,
        version,
        ...how,
        ...due,
        run,
        crashes,
        ...(fence === undefined ? {} : { fence }),
      } as const
      const { state } = await system.execute(taskKind, record.id, command, { by: `node:${node}`, mustLand: true })
      this.begin(record.id, state, fence)
    } catch (error) {
      const { waits } = this.#claims.settle(record.id)
      if (how.claim !== undefined) this.#admission.release(record.id, how.claim, 'not started')
      // Refused: the log has, or will have, what this record must become; unless the task's stream was deleted.
      if (!(error instanceof CommandRefused)) {
        this.#forget(record)
        report(error, `starting task ${record.id}`)
      } else if (system.peek(taskKind, record.id)?.value === 'new') this.#forget(record)
      else this.#comeToNothing(record, waits)
      if (how.alone) this.#slots.endAlone()
      this.#giveBack()
    } finally {
      if (steals) {
        this.#stealing--
        this.pump()
      }
    }
  }

  #forget(record: TaskRecord): void {
    this.#records.delete(record.id)
    this.#become(record, 'gone')
  }

  #run(taskId: string, state: State<TaskContext>, fence?: string): void {
    const { claim, submission } = state.context
    const handler = submission && this.#options.handlers.task(submission.name)
    if (!claim || !handler) return this.#giveBack()
    // The slot is the handler's: the next one starts while the end of this one is recorded.
    const onReturned = (): void => {
      if (!claim.alone) this.#giveBack()
    }
    this.#options.runner.run(taskId, claim, state.context, handler, fence, onReturned).finally(() => {
      this.#admission.release(taskId, claim.id, 'ended')
      if (claim.alone) {
        this.#slots.endAlone()
        this.#giveBack()
      } else if (this.#suspects.size > 0) this.pump()
    })
    if (this.#claims.takeCancelled(claim.id) || state.context.cancelRequested) this.#options.runner.cancel(claim.id)
  }

  #lockStream(key: string): string {
    return streamName(this.#options.system.app, lockKind.kind, key)
  }
}

function isLockFact(fact: TaskFact | LockFact): fact is LockFact {
  return fact.type.startsWith('Lock')
}

function isPast(at: number | undefined, clock: Clock): boolean {
  return at !== undefined && at <= clock.now()
}
