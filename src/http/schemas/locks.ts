/** Locks: who holds one, and who waits for it. */
import { z } from 'zod'
import type * as Wire from '../wire.ts'
import { instant, status } from './values.ts'

const lockParty = z.object({
  job_id: z.string(),
  task_name: z.string(),
  owner_id: z.string(),
  status: status.nullable().meta({ description: 'Of the job; null while it is being recorded' }),
  since: instant.meta({ description: 'When it took the lock, or began to wait' }),
})

export const lock = z
  .object({
    key: z.string(),
    fence: z.string().meta({ description: 'Fencing token of the holder: grows with every holder' }),
    holder: lockParty,
    queue: z.array(lockParty.extend({ place: z.int().meta({ description: '1 is next' }) })),
  })
  .meta({ id: 'Lock' }) satisfies z.ZodType<Wire.Lock>
