/** Values out of SQLite, with the type that the schema promises; a value of another type is a fault worth a message. */
import type { SQLOutputValue } from 'node:sqlite'
import type { JsonObject, JsonValue, Position } from '../events/index.ts'

export type Row = Record<string, SQLOutputValue>
export type Value = SQLOutputValue | undefined

export function text(value: Value): string {
  if (typeof value === 'string') return value
  throw new TypeError(
    `read.db holds ${typeof value} where a text belongs. Delete read.db: it is made again from the log.`,
  )
}

export function int(value: Value): number {
  if (typeof value === 'number') return value
  throw new TypeError(
    `read.db holds ${typeof value} where a number belongs. Delete read.db: it is made again from the log.`,
  )
}

export function maybeText(value: Value): string | undefined {
  return value === null || value === undefined ? undefined : text(value)
}

export function maybeInt(value: Value): number | undefined {
  return value === null || value === undefined ? undefined : int(value)
}

export function position(value: Value): Position {
  return BigInt(int(value)) as Position
}

export function json(value: Value): JsonValue {
  return value === null || value === undefined ? null : (JSON.parse(text(value)) as JsonValue)
}

export function jsonObject(value: Value): JsonObject {
  return JSON.parse(text(value)) as JsonObject
}
