/** The lock's rules: who gets it, who waits, who is turned away, and who is next. Pure. */
import type { LockFact, Submission } from '../../events/index.ts'
import { LockHeldError } from '../errors.ts'
import { type Decision, nothing, refuse, type State } from '../kind.ts'
import type { LockContext, Party } from './machine.ts'

export type LockCommand =
  | {
      readonly type: 'acquire'
      readonly key: string
      readonly taskId: string
      readonly name: string
      readonly ownerId: string
      /** What the lock's event must carry so that any node can finish the submit; absent when the task's stream exists. */
      readonly submission?: Submission
      /** The task ended and asks to run again. */
      readonly requeue?: boolean
      /** Which run of the task it is for. Default: the first. */
      readonly run?: number
      readonly onLocked: 'join' | 'queue' | 'reject' | 'replace'
      readonly idempotencyKey?: string
    }
  /** The task needs the lock no more: its run ended, or it gave up waiting. */
  | {
      readonly type: 'release'
      readonly taskId: string
      readonly reason: string
      /** The run that ended: a lock that the task took for a later run is not released. Default: whichever it is. */
      readonly run?: number
    }

type Acquire = Extract<LockCommand, { type: 'acquire' }>

export function decideLock(command: LockCommand, { context }: State<LockContext>): Decision<LockFact> {
  return command.type === 'acquire' ? acquire(command, context) : release(command, context)
}

function acquire(command: Acquire, lock: LockContext): Decision<LockFact> {
  const { holder, queue, joins } = lock
  if (joins.some(({ asker }) => asker === command.taskId)) return nothing
  if (!holder) return { facts: [{ type: 'LockAcquired', data: asks(command) }] }
  if (holder.taskId === command.taskId && holder.run < (command.run ?? 1)) return acquireAgain(command, lock)
  if (placeOf(command.taskId, lock) !== undefined) return nothing
  switch (command.onLocked) {
    case 'join': {
      const live = joinable(command, { holder, queue })
      if (!live) return { facts: [{ type: 'LockQueued', data: asks(command) }] }
      const { taskId: asker, idempotencyKey } = command
      return {
        facts: [
          { type: 'LockJoined', data: { taskId: live.taskId, asker, ...(idempotencyKey ? { idempotencyKey } : {}) } },
        ],
      }
    }
    case 'queue':
      return { facts: [{ type: 'LockQueued', data: asks(command) }] }
    case 'reject':
      // An owner learns of nobody else's task that it is there.
      return refuse(new LockHeldError(command.key, holder.ownerId === command.ownerId ? holder.taskId : undefined))
    case 'replace':
      return {
        facts: [
          { type: 'LockQueued', data: { ...asks(command), replaces: [holder, ...queue].map(({ taskId }) => taskId) } },
        ],
      }
  }
}

/** The holder's run has ended, though its release has yet to come, and it asks for its next one: behind those who wait. */
function acquireAgain(command: Acquire, lock: LockContext): Decision<LockFact> {
  const { taskId } = command
  const { facts } = release({ type: 'release', taskId, reason: `run ${lock.holder?.run} has ended` }, lock)
  const type = lock.queue.length > 0 ? 'LockQueued' : 'LockAcquired'
  return { facts: [...facts, { type, data: asks(command) }] }
}

/** The live task that a `join` stands for: of the same task and owner, and not the asker. */
export function joinable(
  { name, ownerId }: Pick<Acquire, 'name' | 'ownerId'>,
  { holder, queue }: Pick<LockContext, 'holder' | 'queue'>,
): Party | undefined {
  return [holder, ...queue].find((party) => party?.name === name && party.ownerId === ownerId)
}

/** 0 for the holder, 1 for the next in line; undefined for a stranger. */
export function placeOf(taskId: string, { holder, queue }: Pick<LockContext, 'holder' | 'queue'>): number | undefined {
  if (holder?.taskId === taskId) return 0
  const index = queue.findIndex((waiter) => waiter.taskId === taskId)
  return index < 0 ? undefined : index + 1
}

function release(
  { taskId, reason, run }: Extract<LockCommand, { type: 'release' }>,
  { holder, queue }: LockContext,
): Decision<LockFact> {
  if (run !== undefined && [holder, ...queue].some((party) => party?.taskId === taskId && party.run > run))
    return nothing
  if (holder?.taskId === taskId) {
    const released = { type: 'LockReleased', data: { taskId, reason } } as const
    const next = queue[0]
    if (!next) return { facts: [released] }
    return { facts: [released, { type: 'LockTakenOver', data: { from: taskId, to: next.taskId, reason } }] }
  }
  return queue.some((waiter) => waiter.taskId === taskId)
    ? { facts: [{ type: 'LockReleased', data: { taskId, reason } }] }
    : nothing
}

function asks({ key, taskId, name, ownerId, submission, requeue, run = 1 }: Acquire) {
  return {
    key,
    taskId,
    name,
    ownerId,
    ...(submission ? { submission } : {}),
    ...(requeue ? { requeue } : {}),
    ...(run > 1 ? { run } : {}),
  }
}
