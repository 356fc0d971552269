/** Events of `lock-<key>`: who holds it and who waits. The submission rides along, so any node can finish the submit. */
import { z } from 'zod'
import { event, type FactOf, id, text } from './define.ts'
import { submission } from './task.ts'

/** Absent when the task's stream exists already (a delayed task that came due, a requeued one). */
const carried = submission.optional()

export const lockEvents = {
  LockAcquired: event(
    z.object({ key: id, taskId: id, name: id, ownerId: id, submission: carried, requeue: z.boolean().optional() }),
  ),
  LockJoined: event(z.object({ taskId: id, idempotencyKey: text.optional() })),
  LockQueued: event(
    z.object({
      key: id,
      taskId: id,
      name: id,
      ownerId: id,
      submission: carried,
      requeue: z.boolean().optional(),
      /** Tasks this one displaces: to be cancelled. */
      replaces: z.array(id).optional(),
    }),
  ),
  LockReleased: event(z.object({ taskId: id, reason: text })),
  LockTakenOver: event(z.object({ from: id.optional(), to: id, reason: text })),
}
export type LockFact = FactOf<typeof lockEvents>
