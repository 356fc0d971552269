/**
 * The two-stream dance of lock and task. The lock's stream decides and carries the submission; the task's stream
 * follows; the release follows the run's terminal fact. Each second step can be done by any node at any time: it is
 * appended at a known revision, so whoever comes late finds it done.
 *
 * Its event id is not derived from the first step's: a store would take a second node's append of the same id for a
 * repeat and answer "done", though that node sealed other metadata and hash than what is recorded.
 */
import {
  type ActorSystem,
  CommandRefused,
  isEnded,
  lockKind,
  type Origin,
  placeOf,
  TaskRetired,
  taskKind,
} from '../actors/index.ts'
import { type Position, StreamDeleted, type Submission } from '../events/index.ts'
import type { LockParty } from '../projections/index.ts'

export interface LockTurn {
  /** The live task to use instead of the asker's. */
  readonly joined: string | undefined
  /** 0 for the holder, else the place in line. */
  readonly place: number
  /** Id of the event that let the task hold or wait. */
  readonly cause: string | undefined
  /** Fencing token, for the holder. */
  readonly fence: string | undefined
  /** Tasks that this one displaces. */
  readonly replaces: readonly string[]
  /** Of the lock's stream. */
  readonly position: Position
}

export class LockKeeper {
  readonly #system: ActorSystem
  readonly #by: `node:${string}`

  constructor(system: ActorSystem, node: string) {
    this.#system = system
    this.#by = `node:${node}`
  }

  /**
   * Asks for the lock. What it resolves with is decided and durable: with a submission, any node can finish the submit.
   * Whoever carries a submission cancels those it displaces once it is recorded itself; of others they are cancelled here.
   * @throws LockHeldError with onLocked 'reject'
   */
  async acquire(
    taskId: string,
    submission: Submission,
    origin: Origin,
    how: { readonly carry?: boolean; readonly requeue?: boolean; readonly run?: number } = {},
  ): Promise<LockTurn> {
    const { lockKey: key = '', name, ownerId, onLocked = 'join', idempotencyKey } = submission
    const { state, facts, position } = await this.#system.execute(
      lockKind,
      key,
      {
        type: 'acquire',
        key,
        taskId,
        name,
        ownerId,
        onLocked: how.carry || onLocked === 'replace' ? onLocked : 'queue',
        ...(how.carry ? { submission } : {}),
        ...(how.requeue ? { requeue: true } : {}),
        ...(how.run === undefined ? {} : { run: how.run }),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      },
      origin,
    )
    const fact = facts.at(-1)
    const { holder, joins } = state.context
    const joined = joins.find(({ asker }) => asker === taskId)?.taskId
    if (joined !== undefined) return { joined, place: 0, cause: fact?.id, fence: undefined, replaces: [], position }
    const replaces: readonly string[] =
      (fact?.type === 'LockQueued' && (fact.data.replaces as readonly string[] | undefined)) || []
    if (!how.carry) await this.cancelReplaced(replaces, taskId, fact?.id)
    return {
      joined: undefined,
      place: placeOf(taskId, state.context) ?? 0,
      cause: fact?.id,
      fence: holder?.taskId === taskId ? String(holder.revision) : undefined,
      replaces,
      position,
    }
  }

  /** Cancels those whom a newer task displaced. One that has ended meanwhile is left alone. */
  async cancelReplaced(taskIds: readonly string[], by: string, causationId: string | undefined): Promise<void> {
    await Promise.all(
      taskIds.map((taskId) => this.#cancelReplaced(taskId, { by: this.#by, mustLand: true, causationId }, by)),
    )
  }

  async #cancelReplaced(taskId: string, origin: Origin, by: string): Promise<void> {
    try {
      await this.#system.execute(taskKind, taskId, { type: 'cancel', reason: `Replaced by task ${by}` }, origin)
    } catch (error) {
      if (!(error instanceof CommandRefused)) throw error
    }
  }

  /** The run has ended, or the waiter gave up: the next in line takes over. Without `run`, whichever run it was. */
  async release(key: string, taskId: string, reason: string, run?: number): Promise<void> {
    const command = { type: 'release', taskId, reason, ...(run === undefined ? {} : { run }) } as const
    await this.#system.execute(lockKind, key, command, { by: this.#by, mustLand: true })
  }

  /**
   * Makes sure that a task which the lock knows is recorded as well: whoever joined it must be able to look at it.
   * @returns the position from which it can be read
   * @throws TaskRetired if its record is gone for good; it then has no place at the lock either
   */
  async submitted(key: string, taskId: string): Promise<Position> {
    const { state, position } = await this.#system.read(taskKind, taskId)
    if (state.value !== 'new') return position
    await this.#finish(taskId, (await this.#requests(key)).get(taskId))
    const finished = await this.#system.read(taskKind, taskId)
    if (finished.state.value !== 'new') return finished.position
    await this.release(key, taskId, RETIRED)
    throw new TaskRetired(taskId, undefined)
  }

  /**
   * Brings one lock and its tasks together after a crash between two streams: a missing task is submitted, a requeue is
   * completed, the displaced are cancelled, and whoever has ended, or was retired, lets go.
   */
  async repair(lock: {
    readonly key: string
    readonly holder: Pick<LockParty, 'taskId'>
    readonly queue: readonly Pick<LockParty, 'taskId'>[]
  }): Promise<void> {
    const asked = await this.#requests(lock.key)
    for (const { taskId } of [lock.holder, ...lock.queue]) await this.#repair(lock.key, taskId, asked.get(taskId))
  }

  /**
   * The same for one task, whose asking had no answer or was for nothing: if the lock knows it, what was promised to it is
   * done, and it lets go of what it has no use for. Asks until the store answers.
   */
  async complete(key: string, taskId: string): Promise<void> {
    const { state } = await this.#system.read(lockKind, key, { mustLand: true })
    if (placeOf(taskId, state.context) === undefined) return
    await this.#repair(key, taskId, (await this.#requests(key)).get(taskId))
  }

  async #repair(key: string, taskId: string, request: Request | undefined): Promise<void> {
    const mayHold = await this.#finish(taskId, request)
    // A task that cannot be any more displaces nobody.
    if (mayHold && request?.data.replaces) await this.cancelReplaced(request.data.replaces, taskId, request.id)
    const { state } = await this.#system.read(taskKind, taskId, { mustLand: true })
    const { submission } = state.context
    // The task of an idempotency key may be there with other input, which needs another lock.
    if (isEnded(state.value) || submission?.lockKey !== key) {
      await this.release(key, taskId, mayHold ? state.value : RETIRED)
    }
  }

  /** By task: the last event by which it asked for the lock. */
  async #requests(key: string): Promise<ReadonlyMap<string, Request>> {
    const events = await this.#system.history(lockKind, key)
    const asked = new Map<string, Request>()
    for (const { id, type, data } of events) {
      if (type === 'LockAcquired' || type === 'LockQueued')
        asked.set(String(data.taskId), { id, data: data as unknown as Asked })
    }
    return asked
  }

  /** @returns false if the task was retired: its record is gone for good, and nothing is made of what it asked for */
  async #finish(taskId: string, request: Request | undefined): Promise<boolean> {
    if (!request) return true
    const origin: Origin = { by: this.#by, causationId: request.id, mustLand: true }
    const { submission, requeue } = request.data
    if (submission) return this.#submit(taskId, submission, origin)
    if (!requeue) return true
    const task = await this.#system.history(taskKind, taskId)
    if (task.length === 0) return false
    if (task.some(({ type, metadata }) => type === 'TaskRequeued' && metadata.causationId === request.id)) return true
    await this.#system.execute(taskKind, taskId, { type: 'requeue' }, origin)
    return true
  }

  async #submit(taskId: string, submission: Submission, origin: Origin): Promise<boolean> {
    try {
      await this.#system.execute(taskKind, taskId, { type: 'submit', submission }, origin)
      return true
    } catch (error) {
      if (error instanceof StreamDeleted) return false
      throw error
    }
  }
}

/** Why a lock was released whose task's stream was deleted. */
const RETIRED = 'retired'

interface Request {
  readonly id: string
  readonly data: Asked
}

interface Asked {
  readonly submission?: Submission
  readonly requeue?: boolean
  readonly replaces?: readonly string[]
}
