/** The values that all of the wire is made of: JSON of users, instants, statuses, places in the log. */
import { z } from 'zod'
import { instantOf } from '../../app/index.ts'
import { TASK_STATUSES } from '../../events/index.ts'
import type * as Wire from '../wire.ts'

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)

/** User data: it came from JSON and is not looked into. */
export const anyJson = z.custom<Wire.Json>(() => true)
export const anyObject = z
  .custom<{ [key: string]: Wire.Json }>(isObject, 'must be an object')
  .meta({ type: 'object', additionalProperties: true })
/** As {@link anyObject}, for values that go into the app. */
export const params = z
  .custom<{ [key: string]: Wire.Json }>(isObject, 'must be an object, like {"report_id": "daily"}')
  .meta({ type: 'object', additionalProperties: true, description: 'The input of the task, by name' })

/** An instant that the server tells: ISO 8601, in UTC. */
export const instant = z.string().meta({ format: 'date-time' })

const AN_INSTANT = {
  format: 'date-time',
  description: 'ISO 8601: a date (its beginning in UTC), or a date and a time (without an offset that of the server)',
}
/** An instant that a client names, as the app reads it anywhere else. */
export const instantText = z
  .string()
  .refine((text) => instantOf(text) !== undefined, 'must be an ISO 8601 date or time, as 2026-01-31T09:00:00Z')
  .meta(AN_INSTANT)
/** The same, in milliseconds since the epoch. */
export const when = instantText.transform((text) => instantOf(text) ?? z.NEVER).meta(AN_INSTANT)

export const status = z.enum(TASK_STATUSES)
export const position = z.string().meta({ description: 'A place in the log: opaque, a whole number as text' })
