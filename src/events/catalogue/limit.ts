/** Events of `limit-<key>`: permits to run, taken before the claim they name and returned after it has ended. */
import { z } from 'zod'
import { event, type FactOf, id, text } from './define.ts'

export const limitEvents = {
  /** `claim` is the id that the task's TaskStarted will have. */
  PermitTaken: event(() => z.object({ taskId: id, claim: id })),
  PermitReturned: event(() => z.object({ taskId: id, claim: id, reason: text })),
}
export type LimitFact = FactOf<typeof limitEvents>
