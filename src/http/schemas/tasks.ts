/** Declared tasks, and running one at once. */
import { z } from 'zod'
import type * as Wire from '../wire.ts'
import { anyJson, anyObject, params } from './values.ts'

export const taskInfo = z
  .object({
    name: z.string(),
    docstring: z.string().nullable(),
    signature: z.string(),
    parameters: z.array(
      z.object({
        name: z.string(),
        annotation: z.string().nullable(),
        default: z.string().nullable(),
        required: z.boolean(),
      }),
    ),
    tags: z.array(z.string()),
    paused: z.boolean().meta({ description: 'By an operator, on every node: what is submitted waits' }),
    schema: anyObject.meta({ description: 'JSON Schema of the params' }),
  })
  .meta({ id: 'TaskInfo' }) satisfies z.ZodType<Wire.TaskInfo>

export const executeResult = z
  .object({
    task_name: z.string(),
    params: anyObject,
    result: anyJson,
    error: z.object({ type: z.string(), message: z.string(), traceback: z.string() }).nullable(),
    job_id: z.string().nullable(),
  })
  .meta({ id: 'ExecuteResult' }) satisfies z.ZodType<Wire.ExecuteResult>

export const executeBody = z.strictObject({ params: params.exactOptional() }).default({})
