/**
 * Letting go of a lock by hand. A lock follows its holder's end by itself; this is for the day it did not. It cancels
 * nothing, and takes no lock from a task that lives or is about to.
 */
import {
  type ActorSystem,
  CommandRefused,
  isEnded,
  lockKind,
  NotFound,
  type Origin,
  taskKind,
} from '../actors/index.ts'
import type { Position } from '../events/index.ts'
import type { LockKeeper } from '../execution/index.ts'

interface Parts {
  readonly system: ActorSystem
  readonly locks: Pick<LockKeeper, 'repair' | 'release'>
}

/** @throws NotFound if nobody holds it; CommandRefused while its holder lives, naming the job to cancel */
export async function releaseLock({ system, locks }: Parts, key: string, origin: Origin): Promise<Position> {
  const { holder } = (await system.read(lockKind, key)).state.context
  if (!holder) throw new NotFound('lock', key)
  const { taskId, run } = holder
  let { state } = await system.read(taskKind, taskId)
  if (state.value === 'new' || state.context.run < run) {
    // The submit or the requeue that the lock was taken for is on its way, or was cut off: it is completed first.
    await locks.repair(key)
    state = (await system.read(taskKind, taskId)).state
  }
  if (state.value !== 'new' && !isEnded(state.value)) {
    throw new CommandRefused(
      'release',
      `The lock ${key} is held by job ${taskId}, which is ${state.value}. Cancel job ${taskId}: its end releases the lock.`,
    )
  }
  const reason = `released by hand: its task is ${state.value === 'new' ? 'missing' : state.value}`
  const { position } = await system.execute(lockKind, key, { type: 'release', taskId, reason, run }, origin)
  return position
}
