/** What can be done to a job that is there, or to all of a filter. */
import {
  type ActorSystem,
  decideTask,
  isEnded,
  NotFound,
  type TaskCommand,
  type TaskContext,
  taskKind,
  unlessRefused,
} from '../actors/index.ts'
import { type EventStore, newId, type Position, WAITING_STATUSES } from '../events/index.ts'
import type { Node } from '../execution/index.ts'
import type { JobFilter, JobStatus, ReadModels } from '../projections/index.ts'
import { forEachJob } from './bulk.ts'
import { originOf } from './callers.ts'
import type { BulkOutcome, Caller } from './running.ts'
import { caughtUp, taskState } from './task-api.ts'

interface JobCommandsParts {
  readonly system: ActorSystem
  readonly store: Pick<EventStore, 'head'>
  readonly reads: ReadModels
  readonly node: Pick<Node, 'submitter'>
}

const FAILED: readonly JobStatus[] = ['failed', 'timeout']
const RETRYABLE: readonly JobStatus[] = [...FAILED, 'cancelled']

/** As `RunningApp` has them. Each of one job resolves with the position from which reads show it. */
export class JobCommands {
  readonly #parts: JobCommandsParts

  constructor(parts: JobCommandsParts) {
    this.#parts = parts
  }

  async cancel(id: string, caller: Caller, reason?: string): Promise<Position> {
    return this.#command(id, { type: 'cancel', ...(reason === undefined ? {} : { reason }) }, caller)
  }

  async cancelWaiting(filter: JobFilter, caller: Caller): Promise<BulkOutcome> {
    await caughtUp(this.#parts)
    const status = WAITING_STATUSES.filter((waiting) => filter.status === undefined || filter.status.includes(waiting))
    if (status.length === 0) return { count: 0, position: this.#parts.reads.position }
    return forEachJob(this.#parts.reads, { ...filter, status }, caller, (id, each) =>
      this.#command(id, { type: 'cancel', onlyWaiting: true }, each),
    )
  }

  async retryEnded(filter: JobFilter, caller: Caller): Promise<BulkOutcome> {
    await caughtUp(this.#parts)
    const status = filter.status?.filter((wanted) => RETRYABLE.includes(wanted)) ?? FAILED
    if (status.length === 0) return { count: 0, position: this.#parts.reads.position }
    return forEachJob(this.#parts.reads, { ...filter, status }, caller, (id, each) => this.retry(id, each))
  }

  async retry(id: string, caller: Caller): Promise<Position> {
    const { context, value } = await taskState(this.#parts, id)
    const { submission } = context
    if (context.deleted) throw new NotFound('job', id)
    // A repeat is answered as it was the first time, whatever the task does by now.
    if (submission?.lockKey === undefined || isRepeated(caller, context))
      return this.#command(id, { type: 'requeue' }, caller)
    const { refusal } = decideTask({ type: 'requeue' }, { value, context }, { key: id, now: 0, by: caller.by, newId })
    if (refusal) throw refusal
    const position = await this.#parts.node.submitter.requeue(id, submission, context.run, originOf(caller))
    // Deleted or retired meanwhile.
    if (position === undefined) throw new NotFound('job', id)
    return position
  }

  async refresh(id: string, caller: Caller): Promise<Position> {
    return this.#command(id, { type: 'refresh' }, caller)
  }

  async delete(id: string, caller: Caller): Promise<Position> {
    const { value, context } = await taskState(this.#parts, id)
    const isRepeat = isRepeated(caller, context)
    if (context.deleted && !isRepeat) throw new NotFound('job', id)
    if (!isEnded(value) && !isRepeat) {
      // The client's id is that of the deletion: a repeat may find the task cancelled, and not deleted yet.
      const { commandId: _, ...canceller } = caller
      await unlessRefused(this.#command(id, { type: 'cancel', reason: 'Deleted' }, canceller))
    }
    return (await this.#parts.system.execute(taskKind, id, { type: 'delete' }, originOf(caller))).position
  }

  async #command(id: string, command: TaskCommand, caller: Caller): Promise<Position> {
    const { context } = await taskState(this.#parts, id)
    if (context.deleted) throw new NotFound('job', id)
    return (await this.#parts.system.execute(taskKind, id, command, originOf(caller))).position
  }
}

function isRepeated({ commandId }: Caller, { commandIds }: TaskContext): boolean {
  return commandId !== undefined && commandIds.includes(commandId)
}
