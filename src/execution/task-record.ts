/**
 * What this node knows of one live task. A million of them may wait, so there is nothing in it that is not asked for. It is a
 * hint: the log decides.
 */
import { isEnded, type State, type TaskContext } from '../actors/index.ts'
import type { Submission } from '../events/index.ts'
import type { WaitingTask } from '../projections/index.ts'

/** Where it waits is told in backlog.ts. `gone`: ended, though a queue may still hold it. */
export type RecordState = 'delayed' | 'ready' | 'held' | 'limited' | 'parked' | 'claiming' | 'running' | 'gone'

/** What a record is made of. */
export interface LiveTask {
  readonly id: string
  readonly name: string
  readonly ownerId: string
  readonly priority: number
  /** Which run of it waits, from 1. */
  readonly run: number
  /** Processes that died while they ran this run of it. */
  readonly crashes: number
  /** Not before this, milliseconds since the epoch. */
  readonly runAt: number | undefined
  /** Not worth a first start after this, milliseconds since the epoch. */
  readonly expiresAt: number | undefined
  readonly lockKey: string | undefined
  /** The lock's stream knows that it wants the lock. */
  readonly hasAskedForLock: boolean
}

/** One live task. A class, so that a million of them share one shape. */
export class TaskRecord {
  readonly id: string
  readonly name: string
  readonly ownerId: string
  readonly priority: number
  /** The stream of its lock. */
  readonly lock: string | undefined
  runAt: number | undefined
  /** When it is due by the monotonic clock, once it has been delayed. */
  due = 0
  state: RecordState = 'delayed'
  hasAskedForLock: boolean
  /** Id of the TaskStarted event of the attempt under way, wherever it runs. */
  claim: string | undefined = undefined
  /** That attempt is this node's. */
  ours = false
  run: number
  crashes: number
  /** How long it was left to nodes that come before this one in its order, which had their time. */
  leftMs = 0
  expiresAt: number | undefined

  constructor(task: LiveTask, lock: string | undefined) {
    this.id = flat(task.id)
    this.name = task.name
    this.ownerId = task.ownerId
    this.priority = task.priority
    this.lock = lock
    this.crashes = task.crashes
    this.run = task.run
    this.runAt = task.runAt
    this.expiresAt = task.expiresAt
    this.hasAskedForLock = task.hasAskedForLock
  }
}

/** As its submission says, in its first run. */
export function ofSubmission(id: string, submission: Submission): LiveTask {
  const { name, ownerId, priority, lockKey, runAt, expiresAt } = submission
  return {
    id,
    name,
    ownerId,
    priority,
    run: 1,
    crashes: 0,
    runAt: runAt === undefined ? undefined : Date.parse(runAt),
    expiresAt: expiresAt === undefined ? undefined : Date.parse(expiresAt),
    lockKey,
    // One that may start at once has asked before it was recorded; a delayed one asks when it is due.
    hasAskedForLock: runAt === undefined,
  }
}

/** As a read model knows it. */
export function ofWaiting(task: WaitingTask, hasAskedForLock: boolean): LiveTask {
  return { ...task, expiresAt: task.status === 'retry' ? undefined : task.expiresAt, hasAskedForLock }
}

/** As its stream knows it; undefined unless it waits. A run that has started does not expire any more. */
export function ofState(id: string, { value, context }: State<TaskContext>): LiveTask | undefined {
  const { submission, runAt, crashes, attempt, run } = context
  if (!submission || isEnded(value) || value === 'running') return undefined
  const first = ofSubmission(id, submission)
  const expiresAt = attempt > 0 ? undefined : first.expiresAt
  return { ...first, run, crashes, runAt, expiresAt, hasAskedForLock: false }
}

/** Waits, though it is due. */
export function isHeldBack(state: RecordState): boolean {
  return state === 'ready' || state === 'held' || state === 'limited'
}

/** A copy of its own: a part of a longer text (an id cut out of a stream's name) would keep the whole of it in memory. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
