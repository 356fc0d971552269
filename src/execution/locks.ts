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
  type LockContext,
  lockKind,
  type Origin,
  type Party,
  placeOf,
  TaskRetired,
  taskKind,
} from '../actors/index.ts'
import {
  factOf,
  type LockFact,
  type Position,
  type RecordedEvent,
  StreamDeleted,
  type Submission,
} from '../events/index.ts'

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

/** Events read at a time, back from the end of a lock's stream. */
const LOOK_BACK = 100

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
      ofTask(origin),
    )
    const fact = facts.at(-1)
    const { holder, joins } = state.context
    const joined = joins.find(({ asker }) => asker === taskId)?.taskId
    if (joined !== undefined) return { joined, place: 0, cause: fact?.id, fence: undefined, replaces: [], position }
    const replaces: readonly string[] =
      (fact?.type === 'LockQueued' && (fact.data.replaces as readonly string[] | undefined)) || []
    if (!how.carry) await this.cancelReplaced(key, replaces, taskId, fact?.id)
    return {
      joined: undefined,
      place: placeOf(taskId, state.context) ?? 0,
      cause: fact?.id,
      fence: holder?.taskId === taskId ? String(holder.revision) : undefined,
      replaces,
      position,
    }
  }

  /**
   * Cancels those whom a newer task displaced. One that has ended meanwhile is left alone; one whose submit or requeue is
   * still on its way is recorded first, or it would come after its cancellation and wait for ever.
   */
  async cancelReplaced(
    key: string,
    taskIds: readonly string[],
    by: string,
    causationId: string | undefined,
  ): Promise<void> {
    const origin: Origin = { by: this.#by, mustLand: true, causationId }
    await Promise.all(
      taskIds.map(async (taskId) => {
        const { state } = await this.#system.read(taskKind, taskId, { mustLand: true })
        if (state.value === 'new' || isEnded(state.value)) {
          await this.#finish(taskId, await this.#displaced(key, taskId))
        }
        await this.#cancelReplaced(taskId, origin, by)
      }),
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
    const { context } = (await this.#system.read(lockKind, key)).state
    await this.#finish(taskId, await this.#request(key, taskId, context))
    const finished = await this.#system.read(taskKind, taskId)
    if (finished.state.value !== 'new') return finished.position
    await this.release(key, taskId, RETIRED)
    throw new TaskRetired(taskId, undefined)
  }

  /**
   * Brings one lock and its tasks together after a crash between two streams: a missing task is submitted, a requeue is
   * completed, the displaced are cancelled, and whoever has ended, or was retired, lets go.
   */
  async repair(key: string): Promise<void> {
    const { context } = (await this.#system.read(lockKind, key, { mustLand: true })).state
    const { holder, queue } = context
    for (const party of holder ? [holder, ...queue] : queue) await this.#repair(key, party, context)
  }

  /**
   * The same for one task, whose asking had no answer or was for nothing: if the lock knows it, what was promised to it is
   * done, and it lets go of what it has no use for. Asks until the store answers.
   */
  async complete(key: string, taskId: string): Promise<void> {
    const { context } = (await this.#system.read(lockKind, key, { mustLand: true })).state
    const party = [context.holder, ...context.queue].find((one) => one?.taskId === taskId)
    if (party) await this.#repair(key, party, context)
  }

  async #repair(key: string, { taskId, run }: Party, lock: LockContext): Promise<void> {
    const request = await this.#request(key, taskId, lock)
    const mayHold = await this.#finish(taskId, request)
    // A task that cannot be any more displaces nobody.
    if (mayHold && request?.type === 'LockQueued' && request.data.replaces) {
      await this.cancelReplaced(key, request.data.replaces, taskId, request.id)
    }
    const { state } = await this.#system.read(taskKind, taskId, { mustLand: true })
    const { submission } = state.context
    // The task of an idempotency key may be there with other input, which needs another lock.
    if (isEnded(state.value) || submission?.lockKey !== key) {
      // Not what it asks for meanwhile, for a later run.
      await this.release(key, taskId, mayHold ? state.value : RETIRED, run)
    }
  }

  /**
   * The event by which a task asked for the lock: one that has it or waits for it, or that others joined. The lock's
   * state says where it is, so that a lock with a long past costs no more than a new one.
   */
  async #request(key: string, taskId: string, { holder, queue, joins }: LockContext): Promise<Request | undefined> {
    const party = [holder, ...queue].find((one) => one?.taskId === taskId)
    const revision = party?.asked ?? joins.findLast((join) => join.taskId === taskId)?.asked
    const event = revision === undefined ? undefined : await this.#system.event(lockKind, key, revision)
    const fact = event && factOf<LockFact>(event)
    return fact && isRequest(fact) ? fact : undefined
  }

  /** The same for one that the lock's state knows no more: looked for from the end of its stream. */
  async #displaced(key: string, taskId: string): Promise<Request | undefined> {
    const part = { direction: 'backwards', limit: LOOK_BACK } as const
    for (let from: bigint | undefined; ; ) {
      const events = await this.#system.history(lockKind, key, from === undefined ? part : { ...part, from })
      const request = events.map(factOf<LockFact>).find((fact) => isRequest(fact) && fact.data.taskId === taskId)
      const oldest = events.at(-1)
      if (request && isRequest(request)) return request
      if (!oldest || oldest.revision === 0n) return undefined
      from = oldest.revision - 1n
    }
  }

  /** @returns false if the task was retired: its record is gone for good, and nothing is made of what it asked for */
  async #finish(taskId: string, request: Request | undefined): Promise<boolean> {
    if (!request) return true
    const origin: Origin = { by: this.#by, causationId: request.id, mustLand: true }
    const { submission, requeue, run = 1 } = request.data
    if (submission) return this.#submit(taskId, submission, origin)
    if (!requeue) return true
    const { state } = await this.#system.read(taskKind, taskId, { mustLand: true })
    if (state.value === 'new') return false
    // It may be in that run by another's doing, or in a later one.
    if (state.context.run < run) await this.#requeue(taskId, origin)
    return true
  }

  /** A task that was deleted after it asked begins no other run: it has ended, and lets go. */
  async #requeue(taskId: string, origin: Origin): Promise<void> {
    try {
      await this.#system.execute(taskKind, taskId, { type: 'requeue' }, origin)
    } catch (error) {
      const { state } = await this.#system.read(taskKind, taskId, { mustLand: true })
      if (!(error instanceof CommandRefused && state.context.deleted)) throw error
    }
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

/**
 * Who asks a lock, without the client's id of the command. The same id may come for other tasks of the key, for whom it would be
 * a repeat, and nothing to decide: a task asks once, whatever the command.
 */
function ofTask({ commandId, ...origin }: Origin): Origin {
  return { ...origin, causationId: origin.causationId ?? commandId }
}

/** Why a lock was released whose task's stream was deleted. */
const RETIRED = 'retired'

type Request = RecordedEvent & Extract<LockFact, { type: 'LockAcquired' | 'LockQueued' }>

function isRequest(fact: RecordedEvent & LockFact): fact is Request {
  return fact.type === 'LockAcquired' || fact.type === 'LockQueued'
}
