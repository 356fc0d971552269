/** What the dispatcher knows of one live task. A million of them may wait, so there is nothing in it that is not asked for. */
import type { WaitingTask } from '../projections/index.ts'

/** `gone`: ended, though a queue may still hold it. */
export type RecordState = 'delayed' | 'ready' | 'held' | 'limited' | 'parked' | 'claiming' | 'running' | 'gone'

/** One live task. A class, so that a million of them share one shape. */
export class TaskRecord {
  readonly id: string
  readonly name: string
  readonly ownerId: string
  readonly priority: number
  readonly lock: string | undefined
  runAt: number | undefined
  /** When it is due by the monotonic clock, once it has been delayed. */
  due = 0
  state: RecordState = 'delayed'
  /** The lock's stream knows that this task waits for it. */
  asked: boolean
  /** Id of the TaskStarted event of the attempt under way, wherever it runs. */
  claim: string | undefined = undefined
  /** That attempt is this node's. */
  ours = false
  /** Which run of it waits, or runs. */
  run: number
  /** Processes that died while they ran this run of it. */
  crashes: number
  /** How long it was left to nodes that come before this one in its order, which had their time. */
  leftMs = 0
  /** Not worth a first start after this. */
  expiresAt: number | undefined = undefined

  constructor(
    id: string,
    of: { name: string; ownerId: string; priority: number; crashes: number; run: number },
    lock: string | undefined,
    runAt: number | undefined,
    asked: boolean,
  ) {
    this.id = flat(id)
    this.name = of.name
    this.ownerId = of.ownerId
    this.priority = of.priority
    this.lock = lock
    this.crashes = of.crashes
    this.run = of.run
    this.runAt = runAt
    this.asked = asked
  }
}

/** What the dispatcher needs to know of a task, from its submission or from a read model. */
export type NewTask = Pick<WaitingTask, 'name' | 'ownerId' | 'priority'> & {
  readonly lockKey?: string | undefined
  readonly expiresAt?: string | number | undefined
  readonly crashes?: number
}

/** A run that has started does not expire any more. */
export function startedBefore(task: NewTask): NewTask {
  return { ...task, expiresAt: undefined }
}

/** Waits, though it is due. */
export function isHeldBack(state: RecordState): boolean {
  return state === 'ready' || state === 'held' || state === 'limited'
}

/** A copy of its own: a part of a longer text (an id cut out of a stream's name) would keep the whole of it in memory. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
