/** Events of `lock-<key>`: who holds it and who waits. The submission rides along, so any node can finish the submit. */
import { z } from 'zod'
import { count, event, type FactOf, id, text } from './define.ts'
import { submission } from './task.ts'

/** Absent when the task's stream exists already (a delayed task that came due, a requeued one). */
const carried = submission.optional()
/** Which run of the task; absent for the first. */
const run = count.optional()

export const lockEvents = {
  LockAcquired: event(() =>
    z.object({ key: id, taskId: id, name: id, ownerId: id, submission: carried, requeue: z.boolean().optional(), run }),
  ),
  /** `asker`: the id that the submitted task would have had, so that a repeated submit joins the same one. */
  LockJoined: event(() => z.object({ taskId: id, asker: id.optional(), idempotencyKey: text.optional() })),
  LockQueued: event(() =>
    z.object({
      key: id,
      taskId: id,
      name: id,
      ownerId: id,
      submission: carried,
      requeue: z.boolean().optional(),
      run,
      /** Tasks this one displaces: to be cancelled. */
      replaces: z.array(id).optional(),
    }),
  ),
  LockReleased: event(() => z.object({ taskId: id, reason: text })),
  LockTakenOver: event(() => z.object({ from: id.optional(), to: id, reason: text })),
}
export type LockFact = FactOf<typeof lockEvents>
