/**
 * The tasks that wait, and what each waits for. A task that is due is let through by each of these in turn, or waits at the
 * first that holds it back:
 *
 * 1. A start of it is on its way to the log: `claiming`, until that comes to something or nothing (starts.ts). First of all,
 *    since whatever else is found, it may be running.
 * 2. Nothing here may start it: `parked`, while its name is paused, no handler of this name is in the running code, or it has
 *    expired and the log has yet to say so.
 * 3. Its lock is not its own: `held`, until the log shows that it is. Before the patience, so that the task is in line for the
 *    lock while it is left to others.
 * 4. Other nodes come before this one in its order: `delayed`, once, to leave it to them.
 * 5. It ended its process too often: `ready`, in a line of its own, where each waits until the node is empty. Before the
 *    limits: it asks for its permits only then.
 * 6. It is under limits: `limited`, in line for its permits (admission.ts), and then for nothing more.
 * 7. Nothing: `ready`, in line for a slot.
 *
 * A task that is not due is `delayed` until it is; one that expires meanwhile is told to.
 */
import { type ActorSystem, CRASHES_BEFORE_ALONE } from '../actors/index.ts'
import type { JobView } from '../projections/index.ts'
import type { Admission } from './admission.ts'
import { DueQueue } from './due-queue.ts'
import type { Handlers } from './handlers.ts'
import type { LiveTasks } from './live-tasks.ts'
import type { LockHolders } from './lock-holders.ts'
import type { OwnClaims } from './own-claims.ts'
import type { OwnCommands } from './own-commands.ts'
import { Fifo, OwnFirst } from './ready-queue.ts'
import { isHeldBack, type TaskRecord } from './task-record.ts'

export interface BacklogOptions {
  readonly system: ActorSystem
  readonly handlers: Handlers
  readonly live: LiveTasks
  readonly locks: LockHolders
  readonly claims: OwnClaims
  readonly commands: OwnCommands
  readonly admission: Admission<TaskRecord>
  /** Milliseconds to leave the task to nodes that come before this one in its order. */
  readonly patience: (taskId: string) => number
  /** Some may be ready now. */
  readonly onDue: () => void
}

export class Backlog {
  readonly #options: BacklogOptions
  readonly #live: LiveTasks
  readonly #ready = new OwnFirst<TaskRecord>()
  /** Those that ended their process too often: each runs with nothing else on the node. */
  readonly #suspects = new Fifo<TaskRecord>()
  readonly #delayed: DueQueue<TaskRecord>
  readonly #expiring: DueQueue<TaskRecord>
  readonly #paused = new Set<string>()

  constructor(options: BacklogOptions) {
    this.#options = options
    this.#live = options.live
    const { clock } = options.system
    const enqueue = (records: readonly TaskRecord[]): void => {
      for (const record of records) if (record.state === 'delayed' && !this.#isEarly(record)) this.#enqueue(record)
      options.onDue()
    }
    this.#delayed = new DueQueue(clock, enqueue, { wanted: ({ state }) => state === 'delayed' })
    const expire = (records: readonly TaskRecord[]): void => {
      for (const record of records) this.#expire(record)
    }
    this.#expiring = new DueQueue(clock, expire, {
      byDate: true,
      wanted: ({ state, expiresAt }) => state !== 'gone' && expiresAt !== undefined,
    })
  }

  /** Takes in a task that this node had no record of. */
  add(record: TaskRecord): void {
    if (record.expiresAt !== undefined) this.#expiring.push(record.expiresAt, record)
    this.place(record)
  }

  /** A task that waits once more, by now or from its time on. */
  place(record: TaskRecord): void {
    record.claim = undefined
    record.leftMs = 0
    if (record.runAt !== undefined && record.runAt > this.#now) this.delay(record, record.runAt)
    else this.#enqueue(record)
  }

  /** Looks at the task again at a time, milliseconds since the epoch. */
  delay(record: TaskRecord, until: number): void {
    this.#live.become(record, 'delayed')
    record.due = this.#delayed.push(until, record)
  }

  /** The task holds its lock now. */
  lockAcquired(taskId: string): void {
    const record = this.#live.get(taskId)
    if (record?.state === 'held') this.#enqueue(record)
  }

  isPaused(name: string): boolean {
    return this.#paused.has(name)
  }

  /** Lets no more tasks of the name through, or does again. */
  setPaused(name: string, paused: boolean): void {
    if (paused) this.#paused.add(name)
    else this.#paused.delete(name)
    for (const record of this.#live.named(name)) {
      if (paused && isHeldBack(record.state)) this.#live.become(record, 'parked')
      else if (!paused && record.state === 'parked') this.#enqueue(record)
    }
  }

  /** What a waiting task waits for, beside its turn. */
  waitsFor({ id, name, status }: Pick<JobView, 'id' | 'name' | 'status'>): string | undefined {
    // One that was submitted just now has no record yet.
    const state = this.#live.get(id)?.state ?? (status === 'pending' ? 'parked' : 'delayed')
    if (state === 'parked' && this.#paused.has(name)) return `an operator to resume ${name}`
    if (state === 'limited') return `its turn under the limits of ${name}`
    return undefined
  }

  /** How many wait for nothing but a slot. */
  get ready(): number {
    return this.#ready.size
  }

  get hasReady(): boolean {
    return this.ready > 0
  }

  get hasSuspects(): boolean {
    return this.#suspects.size > 0
  }

  /**
   * Takes out the next one in line for a slot, which may be `ready` no more: cancelled, paused, or claimed by another node.
   * @param orOthers also of what was left to other nodes
   */
  nextReady(orOthers: boolean): TaskRecord | undefined {
    return this.#ready.shift(orOthers)
  }

  /** The same of those that run alone. */
  nextSuspect(): TaskRecord | undefined {
    return this.#suspects.shift()
  }

  /** The date was set: what is due by it now is looked at. */
  dateSet(): void {
    this.#delayed.dateSet()
    this.#expiring.dateSet()
  }

  close(): void {
    this.#delayed.close()
    this.#expiring.close()
  }

  get #now(): number {
    return this.#options.system.clock.now()
  }

  /** In the order that is told above. */
  #enqueue(record: TaskRecord): void {
    const { claims, handlers, admission } = this.#options
    const handler = handlers.task(record.name)
    if (claims.holdBack(record.id)) {
      this.#live.become(record, 'claiming')
    } else if (!handler || this.#paused.has(record.name) || this.#isExpired(record)) {
      this.#live.become(record, 'parked')
    } else if (this.#isLocked(record)) {
      this.#live.become(record, 'held')
      this.#askForLock(record)
    } else if (this.#leaves(record)) {
      this.#live.become(record, 'delayed')
    } else if (record.crashes >= CRASHES_BEFORE_ALONE && !handler.isolated) {
      this.#live.become(record, 'ready')
      this.#suspects.push(record)
    } else if (handler.limits) {
      this.#live.become(record, 'limited')
      admission.add(record, handler.limits)
    } else {
      this.#live.become(record, 'ready')
      this.#ready.push(record)
    }
  }

  #isExpired({ expiresAt }: TaskRecord): boolean {
    return expiresAt !== undefined && expiresAt <= this.#now
  }

  #isLocked({ id, lock }: TaskRecord): boolean {
    return lock !== undefined && !this.#options.locks.isHeldBy(lock, id)
  }

  #askForLock(record: TaskRecord): void {
    if (record.hasAskedForLock) return
    record.hasAskedForLock = true
    void this.#options.commands.askForLock(record.id)
  }

  /** Leaves the task for a while to the nodes that come before this one in its order. */
  #leaves(record: TaskRecord): boolean {
    const wait = record.leftMs > 0 ? 0 : this.#options.patience(record.id)
    if (wait === 0) return false
    record.leftMs = wait
    this.#delayed.push(this.#now + wait, record)
    return true
  }

  /** What fired was set for an earlier time of the record: it has run meanwhile, and waits for another one. */
  #isEarly({ runAt, due }: TaskRecord): boolean {
    return runAt !== undefined && runAt > this.#now && due > this.#options.system.clock.monotonic()
  }

  /** A task that waited too long to be useful. Once started, a run does not expire. */
  #expire(record: TaskRecord): void {
    if (record.expiresAt === undefined || record.state === 'claiming' || record.state === 'gone') return
    void this.#options.commands.expire(record.id).then((isTaken) => {
      if (isTaken) return
      // It expired and is gone, or an operator had it run again: then it waits like any other.
      record.expiresAt = undefined
      if (record.state === 'parked') this.#enqueue(record)
      this.#options.onDue()
    })
  }
}
