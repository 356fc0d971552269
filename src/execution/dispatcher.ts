/**
 * Decides what runs next on this node, and claims it: append TaskStarted, then run.
 *
 * It follows the log and holds one small record per live task, in one of these states:
 *
 *     delayed ──due──▶ ready ──slot free──▶ claiming ──TaskStarted──▶ running ──▶ (gone, or delayed again)
 *                        │ ▲
 *        lock not held   ▼ │ lock acquired             parked: no handler of this name in the running code
 *                       held
 *
 * The records are hints, the log decides: a claim that loses the race leaves its record to what the log says next.
 * No claim is made before `start()`, when the log has been caught up with.
 */
import {
  type ActorSystem,
  CommandRefused,
  isEnded,
  isRefusal,
  lockKind,
  type Start,
  type State,
  type TaskContext,
  taskKind,
} from '../actors/index.ts'
import { type LockFact, type RecordedEvent, type Submission, streamName, type TaskFact } from '../events/index.ts'
import type { LockView, WaitingTask } from '../projections/index.ts'
import { DueQueue } from './due-queue.ts'
import type { Handlers } from './handlers.ts'
import { ReadyQueue } from './ready-queue.ts'
import type { Runner } from './runner.ts'

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
  readonly report: (error: unknown, doing: string) => void
}

/** `gone`: ended, though a queue may still hold it. */
type RecordState = 'delayed' | 'ready' | 'held' | 'parked' | 'claiming' | 'running' | 'gone'

/** One live task. A class, so that a million of them share one shape. */
class TaskRecord {
  readonly id: string
  readonly name: string
  readonly ownerId: string
  readonly priority: number
  readonly lock: string | undefined
  runAt: number | undefined
  state: RecordState = 'delayed'
  /** The lock's stream knows that this task waits for it. */
  asked: boolean
  /** Id of the TaskStarted event of the attempt under way, wherever it runs. */
  claim: string | undefined = undefined

  constructor(
    id: string,
    of: { name: string; ownerId: string; priority: number; lockKey?: string | undefined },
    lock: string | undefined,
    runAt: number | undefined,
    asked: boolean,
  ) {
    this.id = id
    this.name = of.name
    this.ownerId = of.ownerId
    this.priority = of.priority
    this.lock = lock
    this.runAt = runAt
    this.asked = asked
  }
}

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #records = new Map<string, TaskRecord>()
  readonly #ready = new ReadyQueue<TaskRecord>()
  readonly #delayed: DueQueue<TaskRecord>
  /** By stream of the lock: who holds it, and the fencing token. */
  readonly #holders = new Map<string, { readonly taskId: string; readonly fence: string }>()
  readonly #names = new Map<string, string>()
  readonly #ended = new Map<string, (() => void)[]>()
  /** Tasks whose start is on its way to the log in this node's name. */
  readonly #claiming = new Set<string>()
  /** Claims of this node that the log has yet to show. */
  readonly #unseen = new Set<string>()
  #busy = 0
  #open = false

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#delayed = new DueQueue(options.system.clock, (records) => {
      for (const record of records) if (record.state === 'delayed') this.#enqueue(record)
      this.pump()
    })
  }

  /** Live tasks that this node knows of. */
  get size(): number {
    return this.#records.size
  }

  get waiting(): number {
    return this.#ready.size + this.#delayed.size
  }

  /** Takes over what a read model knew, before following the log from there. */
  load(waiting: Iterable<WaitingTask>, locks: readonly LockView[]): void {
    const asked = new Set<string>()
    for (const { key, holder, queue } of locks) {
      this.#holders.set(this.#lockStream(key), { taskId: holder.taskId, fence: holder.revision })
      for (const { taskId } of queue) asked.add(taskId)
    }
    for (const task of waiting) this.#add(task.id, task, task.runAt, task.lockKey !== undefined && asked.has(task.id))
  }

  /** Begins to claim. */
  start(): void {
    this.#open = true
    this.pump()
  }

  /** Claims nothing more; what runs goes on. */
  stop(): void {
    this.#open = false
    this.#delayed.close()
  }

  /** Resolves when the task's run has ended, as far as this node has seen. */
  whenEnded(taskId: string, callback: () => void): () => void {
    const callbacks = this.#ended.get(taskId) ?? []
    callbacks.push(callback)
    this.#ended.set(taskId, callbacks)
    return () => {
      const left = (this.#ended.get(taskId) ?? []).filter((other) => other !== callback)
      if (left.length > 0) this.#ended.set(taskId, left)
      else this.#ended.delete(taskId)
    }
  }

  /**
   * A slot for a task about to be submitted, if one is free and nobody waits for it: submit and start then share an
   * append. Whoever gets one must call `begin` or `abandon`.
   */
  reserve(taskId: string, name: string, fence?: string): Start | undefined {
    if (!this.#open || this.#busy >= this.#options.concurrency || this.#ready.size > 0) return undefined
    if (!this.#options.handlers.task(name)) return undefined
    this.#busy++
    this.#claiming.add(taskId)
    return { node: this.#options.node, version: this.#options.version, ...(fence === undefined ? {} : { fence }) }
  }

  #giveBack(): void {
    this.#busy--
    this.pump()
  }

  /** Runs a task whose start was appended with its submission, on the slot it reserved. */
  begin(taskId: string, state: State<TaskContext>, fence?: string): void {
    this.#claiming.delete(taskId)
    this.#run(taskId, state, fence)
  }

  /** The reserved slot was not used. */
  abandon(taskId: string): void {
    this.#claiming.delete(taskId)
    this.#giveBack()
  }

  /** Follows the log: events of tasks and locks in order, each once. `pump` afterwards. */
  follow(key: string, event: RecordedEvent): void {
    const fact = event as unknown as TaskFact | LockFact
    if (isLockFact(fact)) this.#onLock(event.stream, event.revision, fact)
    else this.#onTask(key, event, fact)
  }

  #onTask(id: string, event: RecordedEvent, fact: TaskFact): void {
    switch (fact.type) {
      case 'TaskSubmitted':
        this.#add(id, fact.data, undefined, true)
        return
      case 'TaskScheduled':
        this.#add(id, fact.data, Date.parse(fact.data.runAt), false)
        return
      case 'TaskStarted':
        return this.#onStarted(id, event.id, fact.data.node)
      case 'TaskDeadlineExtended':
        return this.#options.runner.moveDeadline(fact.data.claim, Date.parse(fact.data.deadline))
      case 'TaskCancelRequested':
        return this.#options.runner.cancel(fact.data.claim)
      case 'TaskRetryScheduled':
      case 'TaskInterrupted':
        return this.#again(id, Date.parse(fact.data.runAt))
      case 'TaskRequeued':
        return this.#again(id, undefined)
      case 'TaskCompleted':
      case 'TaskFailed':
      case 'TaskTimedOut':
      case 'TaskCancelled':
        return this.#end(id)
      default:
    }
  }

  #onLock(stream: string, revision: bigint, fact: LockFact): void {
    switch (fact.type) {
      case 'LockAcquired':
        this.#holders.set(stream, { taskId: fact.data.taskId, fence: String(revision) })
        return this.#release(fact.data.taskId)
      case 'LockTakenOver':
        this.#holders.set(stream, { taskId: fact.data.to, fence: String(revision) })
        return this.#release(fact.data.to)
      case 'LockReleased':
        if (this.#holders.get(stream)?.taskId === fact.data.taskId) this.#holders.delete(stream)
        return
      default:
    }
  }

  #add(
    id: string,
    of: Pick<WaitingTask, 'name' | 'ownerId' | 'priority'> & { lockKey?: string | undefined },
    runAt: number | undefined,
    asked: boolean,
  ): void {
    const shared = { name: this.#shared(of.name), ownerId: this.#shared(of.ownerId), priority: of.priority }
    const record = new TaskRecord(
      id,
      shared,
      of.lockKey === undefined ? undefined : this.#lockStream(of.lockKey),
      runAt,
      asked,
    )
    this.#records.set(id, record)
    this.#place(record)
  }

  /** Rows and events each bring a copy of the same few names. */
  #shared(text: string): string {
    const known = this.#names.get(text)
    if (known !== undefined) return known
    if (this.#names.size < 100_000) this.#names.set(text, text)
    return text
  }

  #place(record: TaskRecord): void {
    record.claim = undefined
    if (record.runAt !== undefined && record.runAt > this.#options.system.clock.now()) {
      record.state = 'delayed'
      this.#delayed.push(record.runAt, record)
    } else {
      this.#enqueue(record)
    }
  }

  #enqueue(record: TaskRecord): void {
    if (this.#claiming.has(record.id)) {
      record.state = 'claiming'
    } else if (!this.#options.handlers.task(record.name)) {
      record.state = 'parked'
    } else if (record.lock !== undefined && this.#holders.get(record.lock)?.taskId !== record.id) {
      record.state = 'held'
      // A delayed task asks for its lock when it is due; a submitted one has asked before it was recorded.
      if (!record.asked) this.#askForLock(record)
    } else {
      record.state = 'ready'
      this.#ready.push(record)
    }
  }

  #askForLock(record: TaskRecord): void {
    record.asked = true
    this.#options.system
      .read(taskKind, record.id)
      .then(({ state: { context } }) => context.submission && this.#options.acquireLock(record.id, context.submission))
      .catch((error) => this.#options.report(error, `acquiring the lock of task ${record.id}`))
  }

  /** The task holds its lock now. */
  #release(taskId: string): void {
    const record = this.#records.get(taskId)
    if (record?.state === 'held') this.#enqueue(record)
  }

  #onStarted(id: string, claim: string, node: string): void {
    const record = this.#records.get(id)
    if (record) {
      record.state = 'running'
      record.claim = claim
    }
    if (node !== this.#options.node || this.#unseen.delete(claim) || this.#claiming.has(id)) return
    this.#orphan(id, claim)
  }

  /** A claim in this node's name that nothing here runs: its answer was lost. It is interrupted at once. */
  #orphan(taskId: string, claim: string): void {
    const { system, node, report } = this.#options
    const origin = { by: `node:${node}`, causationId: claim, mustLand: true } as const
    system.execute(taskKind, taskId, { type: 'interrupt', claim, cause: 'lost' }, origin).catch((error) => {
      if (!isRefusal(error)) report(error, `giving back task ${taskId}`)
    })
  }

  #again(id: string, runAt: number | undefined): void {
    const record = this.#records.get(id)
    if (!record) return void this.#recover(id)
    if (record.claim !== undefined) this.#options.runner.fence(record.claim)
    record.runAt = runAt
    this.#place(record)
  }

  #end(id: string): void {
    const record = this.#records.get(id)
    this.#records.delete(id)
    if (record) {
      if (record.claim !== undefined) this.#options.runner.fence(record.claim)
      record.state = 'gone'
    }
    this.#options.onEnded(id, record === undefined || record.lock !== undefined || record.name.startsWith('schedule:'))
    const callbacks = this.#ended.get(id)
    if (!callbacks) return
    this.#ended.delete(id)
    for (const callback of callbacks) callback()
  }

  /** A task this node has no record of (it ran when the node started, or had ended): its stream knows it. */
  async #recover(id: string): Promise<void> {
    try {
      const { state } = await this.#options.system.read(taskKind, id)
      const { submission, runAt } = state.context
      if (!submission || isEnded(state.value) || state.value === 'running' || this.#records.has(id)) return
      this.#add(id, submission, runAt, false)
      this.pump()
    } catch (error) {
      this.#options.report(error, `taking up task ${id}`)
    }
  }

  /** Claims what is ready while there are slots. */
  pump(): void {
    while (this.#open && this.#busy < this.#options.concurrency) {
      const record = this.#ready.shift()
      if (!record) return
      if (record.state !== 'ready') continue // cancelled, or claimed by another node meanwhile
      this.#busy++
      void this.#claim(record)
    }
  }

  async #claim(record: TaskRecord): Promise<void> {
    const { system, node, version, report } = this.#options
    record.state = 'claiming'
    this.#claiming.add(record.id)
    const fence = record.lock === undefined ? undefined : this.#holders.get(record.lock)?.fence
    try {
      const command = { type: 'start', node, version, ...(fence === undefined ? {} : { fence }) } as const
      const { state } = await system.execute(taskKind, record.id, command, { by: `node:${node}`, mustLand: true })
      this.#claiming.delete(record.id)
      this.#run(record.id, state, fence)
    } catch (error) {
      this.#claiming.delete(record.id)
      // Refused: the log has, or will have, what this record must become.
      if (!(error instanceof CommandRefused)) {
        this.#records.delete(record.id)
        report(error, `starting task ${record.id}`)
      }
      this.#giveBack()
    }
  }

  #run(taskId: string, state: State<TaskContext>, fence?: string): void {
    const { claim, submission } = state.context
    const handler = submission && this.#options.handlers.task(submission.name)
    if (!claim || !handler) return this.#giveBack()
    if (this.#records.get(taskId)?.claim !== claim.id) this.#unseen.add(claim.id)
    this.#options.runner.run(taskId, claim, state.context, handler, fence).finally(() => this.#giveBack())
    if (state.context.cancelRequested) this.#options.runner.cancel(claim.id)
  }

  #lockStream(key: string): string {
    return streamName(this.#options.system.app, lockKind.kind, key)
  }
}

function isLockFact(fact: TaskFact | LockFact): fact is LockFact {
  return fact.type.startsWith('Lock')
}
