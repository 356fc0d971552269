/** What a client says to have tasks submitted. Its fields are those of {@link Wire.SubmitBody}, by every door. */
import { z } from 'zod'
import { MOST_AT_ONCE } from '../../app/index.ts'
import type * as Wire from '../wire.ts'
import { job } from './jobs.ts'
import { problem } from './problem.ts'
import { instantText, params } from './values.ts'

const delay = z
  .union([z.number().min(0), z.string().min(1)])
  .meta({ description: 'Seconds, or a duration like "10m"', examples: ['10m', 30] })

const fields = {
  params: params.exactOptional(),
  session_id: z.string().min(1).exactOptional(),
  delay: delay.exactOptional(),
  run_at: instantText.exactOptional(),
  priority: z.int().exactOptional(),
  callback_url: z.string().exactOptional().meta({ description: 'POSTed with the final job when a run has ended' }),
} satisfies Record<keyof Wire.SubmitBody, z.ZodType>

const startsOnce = ({ delay, run_at }: { delay?: unknown; run_at?: unknown }) =>
  delay === undefined || run_at === undefined
const STARTS_TWICE = { path: ['run_at'], message: 'is given beside delay; give one of them' }

export const submitBody = z.strictObject(fields).refine(startsOnce, STARTS_TWICE).default({})

const submitItem = z
  .strictObject({ ...fields, idempotency_key: z.string().min(1).max(200).exactOptional() })
  .refine(startsOnce, STARTS_TWICE)
export const submitManyBody = z.strictObject({ items: z.array(submitItem).max(MOST_AT_ONCE) })

/** The live command `task.submit`. */
export const taskSubmit = z.strictObject({ name: z.string().min(1), ...fields }).refine(startsOnce, STARTS_TWICE)

export const submittedMany = z.object({
  items: z.array(z.union([z.object({ job, error: z.null() }), z.object({ job: z.null(), error: problem })])),
}) satisfies z.ZodType<Wire.SubmittedMany>
