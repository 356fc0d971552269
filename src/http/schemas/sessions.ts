/** Conversations, what stands in them, and saying something. */
import { z } from 'zod'
import { VALID_ID } from '../../app/index.ts'
import type * as Wire from '../wire.ts'
import { anyObject, instant, position } from './values.ts'

export const session = z
  .object({
    id: z.string(),
    title: z.string().nullable(),
    owner_id: z.string(),
    started_at: instant,
    updated_at: instant,
    opening: z.string().nullable(),
    preview: z.string().nullable(),
    turn: z
      .object({ id: z.string(), status: z.enum(['queued', 'running']), started_at: instant.nullable() })
      .nullable(),
    jobs: z.object({ running: z.int(), waiting: z.int(), completed: z.int(), failed: z.int() }),
    ended: z.boolean(),
    position,
  })
  .meta({ id: 'Session' }) satisfies z.ZodType<Wire.Session>

const itemBase = { id: z.string(), index: z.number(), at: instant }
export const transcriptItem = z
  .discriminatedUnion('kind', [
    z.object({
      ...itemBase,
      kind: z.literal('message'),
      text: z.string(),
      by: z.string(),
      state: z.enum(['queued', 'running', 'answered', 'failed', 'interrupted', 'stopped']),
      error: z.string().nullable(),
    }),
    z.object({
      ...itemBase,
      kind: z.literal('reply'),
      text: z.string(),
      streaming: z.boolean(),
      task_id: z.string().nullable(),
    }),
    z.object({
      ...itemBase,
      kind: z.literal('notice'),
      text: z.string(),
      earlier: z.array(z.object({ text: z.string(), at: instant })),
    }),
    z.object({ ...itemBase, kind: z.literal('task'), job_id: z.string(), message: z.string().nullable() }),
    z.object({ ...itemBase, kind: z.literal('block'), block: anyObject }),
  ])
  .meta({ id: 'TranscriptItem' }) satisfies z.ZodType<Wire.TranscriptItem>

/** Chosen by a client, so that it can make the conversation and its first message in any order. */
export const sessionId = z.string().regex(VALID_ID, 'must be 1 to 200 letters, digits, _ or -')

export const createSessionBody = z
  .strictObject({ id: sessionId.exactOptional(), title: z.string().max(500).exactOptional() })
  .default({})

const messageText = z
  .string()
  .max(100_000)
  .refine((text) => text.trim() !== '', 'must not be empty')
export const messageBody = z.strictObject({ text: messageText })
export const messageSend = z.strictObject({
  session_id: sessionId,
  text: messageText,
  create: z.boolean().exactOptional(),
})
