/**
 * Which tasks run on this node, and when: it follows the log, keeps a small record of each live task, and has the others do
 * their part.
 *
 *     backlog.ts ──ready──▶ starts.ts ──TaskStarted──▶ runner.ts ──▶ (gone, or in the backlog again)
 *
 * The records are hints, the log decides: a claim that loses the race leaves its record to what the log says next.
 * No claim is made before `start()`, when the log has been caught up with.
 */
import { taskKind } from '../actors/index.ts'
import { factOf, type LockFact, type RecordedEvent, RUN_MOVE_EVENTS, type TaskFact } from '../events/index.ts'
import type { JobView, LockView, WaitingTask } from '../projections/index.ts'
import { Admission } from './admission.ts'
import { Backlog } from './backlog.ts'
import { Ends, type OnEnd } from './ends.ts'
import { LiveTasks } from './live-tasks.ts'
import { LockHolders, lockStream } from './lock-holders.ts'
import { OwnClaims } from './own-claims.ts'
import { OwnCommands, type OwnCommandsOptions } from './own-commands.ts'
import { Starts, type StartsOptions } from './starts.ts'
import { isHeldBack, type LiveTask, ofState, ofSubmission, ofWaiting, type TaskRecord } from './task-record.ts'

export interface DispatcherOptions
  extends OwnCommandsOptions,
    Pick<StartsOptions, 'runner' | 'handlers' | 'version' | 'concurrency'> {
  /** A run has ended. `linked`: it may hold a lock or be an occurrence, whose streams must follow. */
  readonly onEnded: (taskId: string, linked: boolean) => void
  /** Milliseconds to leave the task to nodes that come before this one in its order. */
  readonly patience: (taskId: string) => number
}

/** Of so many tasks the actors are at hand when they start. Those that come after them are read again by then. */
const AT_HAND = 3000

export class Dispatcher {
  readonly starts: Starts
  readonly #options: DispatcherOptions
  readonly #live: LiveTasks
  readonly #locks = new LockHolders()
  readonly #admission: Admission<TaskRecord>
  readonly #backlog: Backlog
  /** By the event before: it has no place yet, since the next event may start it. */
  #submitted: TaskRecord | undefined
  readonly #ends = new Ends()

  constructor(options: DispatcherOptions) {
    this.#options = options
    const { system, node, report } = options
    const live = new LiveTasks(system.app)
    const locks = this.#locks
    const claims = new OwnClaims()
    const commands = new OwnCommands(options)
    const admission = new Admission<TaskRecord>({
      system,
      node,
      waits: ({ state }) => state === 'limited',
      takeSlots: (wished) => this.starts.takeSlots(wished),
      giveSlot: () => this.starts.returnSlot(),
      admit: (record, claim) => this.starts.admit(record, claim),
      wake: () => this.starts.pump(),
      reject: ({ id }, error) => commands.reject(id, error),
      report,
    })
    const onDue = (): void => this.starts.pump()
    const backlog = new Backlog({ ...options, live, locks, claims, commands, admission, onDue })
    this.starts = new Starts({ ...options, live, locks, claims, commands, admission, backlog })
    this.#live = live
    this.#admission = admission
    this.#backlog = backlog
  }

  /** The date was set: what is due by it now is looked at. */
  dateSet(): void {
    this.#backlog.dateSet()
  }

  /** Live tasks that this node knows of. */
  get size(): number {
    return this.#live.size
  }

  /** Live tasks of a name that do not run. */
  queued(name: string): number {
    return this.#live.queued(name)
  }

  /** What a waiting task waits for, beside its turn. */
  waitsFor(job: Pick<JobView, 'id' | 'name' | 'status'>): string | undefined {
    return this.#backlog.waitsFor(job)
  }

  isPaused(name: string): boolean {
    return this.#backlog.isPaused(name)
  }

  /** Starts no more tasks of the name, or does again. */
  setPaused(name: string, paused: boolean): void {
    this.#backlog.setPaused(name, paused)
    this.pump()
  }

  /** Takes over what a read model knew, before following the log from there. */
  load(waiting: Iterable<WaitingTask>, locks: readonly LockView[]): void {
    const inLine = new Set<string>()
    for (const { key, holder, queue } of locks) {
      this.#locks.set(lockStream(this.#options.system.app, key), { taskId: holder.taskId, fence: holder.fence })
      for (const { taskId } of queue) inLine.add(taskId)
    }
    for (const task of waiting) this.#add(ofWaiting(task, task.lockKey !== undefined && inLine.has(task.id)))
  }

  /** Begins to claim. */
  start(): void {
    this.starts.open()
  }

  /** Claims nothing more; what runs goes on, and so does what is on its way to the log. */
  stop(): void {
    this.starts.close()
    this.#backlog.close()
  }

  /** Nothing runs, and no start is on its way to the log, which would run when it is there. */
  get isIdle(): boolean {
    return this.starts.isIdle
  }

  /** Resolves when it is idle. */
  idle(): Promise<void> {
    return this.starts.idle()
  }

  /** The log is followed no more: whoever waits for an end is told that this node will not see it. */
  blind(): void {
    this.#ends.blind()
  }

  /** Calls back once the task's run has ended, as far as this node has seen, or with false when it will not see it. */
  whenEnded(taskId: string, callback: OnEnd): () => void {
    return this.#ends.wait(taskId, callback)
  }

  /** Follows the log: events of tasks and locks in order, each once. `pump` afterwards. */
  follow(key: string, event: RecordedEvent): void {
    const fact = factOf<TaskFact | LockFact>(event)
    // A task that its own submit starts never waits.
    if (fact.type === 'TaskStarted' && this.#submitted?.id === key) this.#submitted = undefined
    else this.#placeSubmitted()
    if (!isLockFact(fact)) return this.#onTask(key, event, fact)
    const holder = this.#locks.follow(event.stream, event.revision, fact)
    if (holder !== undefined) this.#backlog.lockAcquired(holder)
  }

  /** Of a limit, by whichever node. */
  followLimit({ stream, type }: RecordedEvent): void {
    if (type === 'PermitReturned') this.#admission.returned(stream)
  }

  /** Claims what is ready while there are slots. */
  pump(): void {
    this.#placeSubmitted()
    this.starts.pump()
  }

  /** The run has ended, or newer code wrote of it, maybe its end: whoever waits for that looks at the task now. */
  lookAgain(id: string): void {
    this.#ends.seen(id)
  }

  #onTask(id: string, event: RecordedEvent, fact: TaskFact): void {
    switch (fact.type) {
      case 'TaskSubmitted':
      case 'TaskScheduled':
        this.#submitted = this.#live.add(ofSubmission(id, fact.data))
        return
      case 'TaskStarted':
        return this.starts.shown(id, event.id, fact.data.node)
      case 'TaskDeadlineExtended':
        return this.#options.runner.extend(fact.data.claim)
      case 'TaskCancelRequested':
        return this.starts.cancel(id, fact.data.claim)
      case 'TaskRetryScheduled':
        return this.#waitsAgain(id, event.revision, { runAt: Date.parse(fact.data.runAt) })
      case 'TaskInterrupted': {
        const { runAt, cause } = fact.data
        return this.#waitsAgain(id, event.revision, { runAt: Date.parse(runAt), hasCrashed: cause === 'crash' })
      }
      case 'TaskRequeued':
        return this.#waitsAgain(id, event.revision, { run: fact.data.run })
      case 'TaskCompleted':
      case 'TaskFailed':
      case 'TaskTimedOut':
      case 'TaskCancelled':
        return this.#end(id)
      default:
    }
  }

  #add(task: LiveTask): TaskRecord {
    const record = this.#live.add(task)
    this.#backlog.add(record)
    return record
  }

  #placeSubmitted(): void {
    const record = this.#submitted
    if (!record) return
    this.#submitted = undefined
    this.#backlog.add(record)
    this.#letGo(record)
  }

  /** Of a task that was just submitted and whose turn is far off, the actor. */
  #letGo({ id, state }: TaskRecord): void {
    if (this.#live.size <= AT_HAND) return
    if (state === 'delayed' || isHeldBack(state)) this.#options.system.letGo(taskKind, id)
  }

  /** Its attempt is over, or its run was, and it waits for another one. Default: from now on, in the same run. */
  #waitsAgain(
    id: string,
    revision: bigint,
    { runAt, hasCrashed = false, run }: { runAt?: number; hasCrashed?: boolean; run?: number },
  ): void {
    const record = this.#live.get(id)
    if (!record) return void this.#takeUp(id, revision)
    if (hasCrashed) record.crashes++
    if (record.claim !== undefined) this.#options.runner.fence(record.claim)
    record.runAt = runAt
    record.run = run ?? record.run
    this.#backlog.place(record)
  }

  #end(id: string): void {
    const record = this.#live.get(id)
    if (record) {
      this.#live.remove(record)
      if (record.claim !== undefined) this.#options.runner.fence(record.claim)
    }
    this.#options.onEnded(id, record === undefined || record.lock !== undefined || record.name.startsWith('schedule:'))
    this.lookAgain(id)
  }

  /**
   * A task this node has no record of (it ran when the node started, or had ended): its stream knows it. Not what the stream
   * says beyond the event that is followed: the locks that this node knows are of that time.
   */
  async #takeUp(id: string, revision: bigint): Promise<void> {
    try {
      const { system } = this.#options
      const { state } = await system.read(taskKind, id, { mustLand: true })
      const later = await system.history(taskKind, id, { from: revision + 1n })
      // What these say is followed in its turn.
      if (later.some(({ type }) => RUN_MOVE_EVENTS.has(type))) return
      const task = ofState(id, state)
      if (!task || this.#live.get(id)) return
      this.#add(task)
      this.pump()
    } catch (error) {
      this.#options.report(error, `taking up task ${id}`)
    }
  }
}

function isLockFact(fact: TaskFact | LockFact): fact is LockFact {
  return fact.type.startsWith('Lock')
}
