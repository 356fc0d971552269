/** What recurs, and what became of each due time. */
import { z } from 'zod'
import type * as Wire from '../wire.ts'
import { instant, position, status } from './values.ts'

export const occurrence = z
  .object({
    due: instant,
    decision: z.enum(['due', 'skipped']),
    trigger: z.enum(['cron', 'caught-up', 'manual']).nullable(),
    reason: z.enum(['overlap', 'missed', 'paused']).nullable(),
    job_id: z.string().nullable(),
    status: status.nullable(),
    position,
  })
  .meta({ id: 'Occurrence' }) satisfies z.ZodType<Wire.Occurrence>

export const schedule = z
  .object({
    name: z.string(),
    description: z.string().nullable(),
    cron: z.string(),
    meaning: z.string(),
    timezone: z.string(),
    overlap: z.enum(['skip', 'queue', 'parallel']),
    missed: z.enum(['skip', 'latest', 'all']),
    paused: z.boolean(),
    removed: z.boolean(),
    next_at: instant.nullable(),
    upcoming: z.array(instant).exactOptional().meta({ description: 'The next due times, if `next` asked for them' }),
    last: z.array(occurrence),
    position,
  })
  .meta({ id: 'Schedule' }) satisfies z.ZodType<Wire.Schedule>
