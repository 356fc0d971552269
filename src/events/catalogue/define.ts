/** How a catalogue file describes its events: a zod schema of the data and a version for each type. */
import { z } from 'zod'
import type { JsonObject, JsonValue } from '../event.ts'

export interface EventDefinition<Schema extends z.ZodType = z.ZodType> {
  /** Current schema version; a reader meeting a newer one leaves the stream to newer code. */
  readonly v: number
  readonly data: Schema
}

export type Catalogue = Readonly<Record<string, EventDefinition>>

/** The union of facts that a catalogue file describes: `{type, data}` discriminated by `type`. */
export type FactOf<C extends Catalogue> = {
  [T in keyof C & string]: { readonly type: T; readonly data: Readonly<z.infer<C[T]['data']>> }
}[keyof C & string]

/** The schema is made when it is asked for: a running app takes facts on trust, and each of its threads would make all of them. */
export function event<Schema extends z.ZodType>(describe: () => Schema, v = 1): EventDefinition<Schema> {
  let data: Schema | undefined
  return {
    v,
    get data() {
      data ??= describe()
      return data
    },
  }
}

export const json: z.ZodType<JsonValue> = z.json() as z.ZodType<JsonValue>
export const jsonObject: z.ZodType<JsonObject> = z.record(z.string(), json)
/** ISO 8601 with milliseconds, UTC. */
export const instant = z.iso.datetime({ precision: 3 })
export const text = z.string()
export const id = z.string().min(1)
export const count = z.number().int().nonnegative()
/** Whole milliseconds. */
export const millis = z.number().int().nonnegative()

/** What went wrong in user code, in a form that survives JSON: never `{}`. */
export const taskError = z.object({
  type: text,
  message: text,
  stack: text.optional(),
  retryable: z.boolean(),
  cause: z.object({ type: text, message: text }).optional(),
})
export type TaskError = z.infer<typeof taskError>
