/**
 * Submits tasks: directly, or through the lock whose stream then decides. When a slot is free the task is claimed in
 * the append that submits it.
 */
import {
  type ActorSystem,
  type AppliedFact,
  IdempotencyConflict,
  type Origin,
  type Outcome,
  type Report,
  type TaskContext,
  TaskRetired,
  taskKind,
} from '../actors/index.ts'
import {
  canonicalJson,
  type JsonObject,
  type Position,
  StoreUnavailable,
  StreamDeleted,
  type Submission,
} from '../events/index.ts'
import type { LockKeeper, LockTurn } from './locks.ts'
import type { Starts } from './starts.ts'

export interface Submitted {
  readonly taskId: string
  /** The live task of the same lock was joined: `taskId` is that one's. */
  readonly joined: boolean
  readonly position: Position
  /** All that the task's stream has, if this submit began it; none otherwise. */
  readonly facts: readonly AppliedFact[]
}

export class Submitter {
  readonly #system: ActorSystem
  readonly #starts: Starts
  readonly #locks: LockKeeper
  readonly #report: Report

  constructor(system: ActorSystem, starts: Starts, locks: LockKeeper, report: Report) {
    this.#report = report
    this.#system = system
    this.#starts = starts
    this.#locks = locks
  }

  /**
   * Resolves when the task is recorded durably. Submitting the same id again changes nothing.
   * @throws LockHeldError, IdempotencyConflict, TaskRetired, StoreError
   */
  async submit(taskId: string, submission: Submission, origin: Origin): Promise<Submitted> {
    // A delayed task asks for its lock when it is due.
    if (submission.lockKey !== undefined && submission.runAt === undefined) {
      return this.#throughLock(taskId, submission, origin)
    }
    return recorded(taskId, submission, await this.#record(taskId, submission, { ...origin, fresh: true }, undefined))
  }

  /**
   * Runs an ended task again. With a lock, the lock's stream decides, and the requeue follows: it lands, if need be after a
   * restart.
   * @param run the one that the task has now
   * @returns undefined if it was deleted or retired while it asked for its lock
   * @throws the refusal, StoreError
   */
  async requeue(taskId: string, submission: Submission, run: number, origin: Origin): Promise<Position | undefined> {
    const command = { type: 'requeue' } as const
    if (submission.lockKey === undefined)
      return (await this.#system.execute(taskKind, taskId, command, origin)).position
    const { cause } = await this.#ask(taskId, submission, origin, { requeue: true, run: run + 1 })
    const land: Origin = { ...origin, mustLand: true, causationId: cause ?? origin.causationId }
    try {
      return (await this.#system.execute(taskKind, taskId, command, land)).position
    } catch (error) {
      const { state } = await this.#system.read(taskKind, taskId, { mustLand: true })
      if (state.value !== 'new' && !state.context.deleted) throw error
      // It could never release the lock.
      await this.#locks.complete(submission.lockKey, taskId)
      return undefined
    }
  }

  async #throughLock(taskId: string, submission: Submission, origin: Origin): Promise<Submitted> {
    if (submission.idempotencyKey !== undefined || origin.commandId !== undefined) {
      const { state, position } = await this.#system.read(taskKind, taskId)
      if (state.value !== 'new') return recorded(taskId, submission, { state, facts: [], position })
    }
    const turn = await this.#ask(taskId, submission, origin, { carry: true })
    if (turn.joined !== undefined) {
      const position = await this.#locks.submitted(submission.lockKey ?? '', turn.joined)
      return { taskId: turn.joined, joined: true, position, facts: [] }
    }
    // Acknowledged by the lock's append: from here on the submit lands, if need be after a restart (LockKeeper.repair).
    const land: Origin = { ...origin, fresh: true, mustLand: true, causationId: turn.cause ?? origin.causationId }
    const outcome = await this.#recordHolding(taskId, submission, land, turn)
    if (turn.replaces.length > 0) {
      await this.#locks.cancelReplaced(submission.lockKey ?? '', turn.replaces, taskId, turn.cause)
    }
    // It was there before: ended perhaps, or with other input, it has no use for the lock.
    if (outcome.facts.length === 0) await this.#locks.complete(submission.lockKey ?? '', taskId)
    return recorded(taskId, submission, outcome)
  }

  /** Whoever asks for the lock and hears nothing may have it all the same: then the rest follows in the background. */
  async #ask(
    taskId: string,
    submission: Submission,
    origin: Origin,
    how: Parameters<LockKeeper['acquire']>[3],
  ): Promise<LockTurn> {
    try {
      return await this.#locks.acquire(taskId, submission, origin, how)
    } catch (error) {
      if (error instanceof StoreUnavailable) {
        const doing = `completing what task ${taskId} asked lock ${submission.lockKey} for`
        this.#locks.complete(submission.lockKey ?? '', taskId).catch((reason) => this.#report(reason, doing))
      }
      throw error
    }
  }

  /** A task that was retired lets go of the lock again, which it could never release. */
  async #recordHolding(
    taskId: string,
    submission: Submission,
    origin: Origin,
    turn: LockTurn,
  ): Promise<Outcome<TaskContext>> {
    try {
      return await this.#record(taskId, submission, origin, turn)
    } catch (error) {
      if (error instanceof TaskRetired) await this.#locks.complete(submission.lockKey ?? '', taskId)
      throw error
    }
  }

  /** @throws TaskRetired, StoreError */
  async #record(
    taskId: string,
    submission: Submission,
    origin: Origin,
    lock: { readonly place: number; readonly fence: string | undefined } | undefined,
  ): Promise<Outcome<TaskContext>> {
    const mayStart = submission.runAt === undefined && (lock === undefined || lock.place === 0)
    const reserved = mayStart ? this.#starts.reserve(taskId, submission.name, lock?.fence) : undefined
    const start = reserved instanceof Promise ? await reserved : reserved
    try {
      const outcome = await this.#system.execute(taskKind, taskId, { type: 'submit', submission, start }, origin)
      if (start) {
        if (outcome.facts.length > 1) this.#starts.begin(taskId, outcome.state, lock?.fence)
        else this.#starts.abandon(taskId)
      }
      return outcome
    } catch (error) {
      if (start) this.#starts.abandon(taskId)
      throw error instanceof StreamDeleted ? new TaskRetired(taskId, submission.idempotencyKey) : error
    }
  }
}

/** @throws IdempotencyConflict if the task exists with other input */
function recorded(taskId: string, asked: Submission, { state, facts, position }: Outcome<TaskContext>): Submitted {
  const { submission } = state.context
  if (facts.length === 0 && asked.idempotencyKey !== undefined && submission) {
    const isRepeat = isSame(submission.params, asked.params) || isSame(given(submission), given(asked))
    if (submission.name !== asked.name || !isRepeat) {
      throw new IdempotencyConflict(asked.idempotencyKey, taskId)
    }
  }
  return { taskId, joined: false, position, facts }
}

/** As they are recorded: what was asked for has what JSON leaves out, and so has what is still in memory of the first time. */
function isSame(a: JsonObject, b: JsonObject): boolean {
  return canonicalJson(a) === canonicalJson(b)
}

/** What a client gave: its repeat may reach code of another version, or a default that differs every time. */
function given({ params, filledIn = [] }: Submission): JsonObject {
  return Object.fromEntries(Object.entries(params).filter(([name]) => !filledIn.includes(name)))
}
