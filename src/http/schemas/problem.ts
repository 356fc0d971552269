/** What any request may be refused with (RFC 9457). */
import { z } from 'zod'
import type * as Wire from '../wire.ts'

export const problem = z
  .object({
    type: z.templateLiteral(['urn:capsule:error:', z.string()]),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().exactOptional(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).exactOptional(),
  })
  .meta({ id: 'Problem' }) satisfies z.ZodType<Wire.Problem>
