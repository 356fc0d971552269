/**
 * The envelope: what every event in the log carries, whichever store keeps it.
 *
 * An appender makes an {@link EventData}; the store adds where and when it was recorded, which makes it a
 * {@link RecordedEvent}. Nothing in an envelope ever changes after it was appended.
 */

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export type JsonObject = { readonly [key: string]: JsonValue | undefined }

/** Number of an event within its stream; the first is 0n. */
export type Revision = bigint

/** Place of an event in the whole log. Opaque, ordered by `<`, a string on the wire. */
export type Position = bigint & { readonly __brand: 'Position' }

/** Before the first event of every log. */
export const START = -1n as Position

export function parsePosition(text: string): Position {
  if (!/^-?\d{1,19}$/.test(text)) throw new TypeError(`"${text}" is not a position: expected a whole number`)
  return BigInt(text) as Position
}

/** Who caused an event. */
export type Actor = `user:${string}` | `node:${string}` | `schedule:${string}` | 'system'

export interface EventMetadata {
  /** ISO 8601 with milliseconds, from the appender's clock. */
  readonly at: string
  readonly by: Actor
  /** The first cause: constant along a chain of events. */
  readonly correlationId: string
  /** The event or command that led here. */
  readonly causationId: string
  /** The id a client gave its command, when it gave one. */
  readonly commandId?: string
  /** Schema version of the event's type. */
  readonly v: number
  readonly traceparent?: string
  /** Set when `data` is ciphertext; the hash then covers the ciphertext. */
  readonly enc?: { readonly key: string; readonly alg: string; readonly iv: string }
  /** Hex SHA-256 of the previous event's hash and this event (see hash.ts). Absent only on `node-` streams. */
  readonly hash?: string
}

/** An event as handed to a store. */
export interface EventData {
  /** A UUID. The same id appended again at the same expected revision is the same append. */
  readonly id: string
  readonly type: string
  readonly data: JsonObject
  readonly metadata: EventMetadata
  /** `data` and `metadata` already serialised, when the appender has them (the hash chain does): they are what these texts say. */
  readonly json?: { readonly data: string; readonly metadata: string }
}

/** An event as read back. */
export interface RecordedEvent {
  readonly id: string
  readonly type: string
  readonly data: JsonObject
  readonly metadata: EventMetadata
  readonly stream: string
  readonly revision: Revision
  readonly position: Position
  /** Milliseconds since the epoch, by the store's clock. */
  readonly recordedAt: number
}

/** No event's data is larger than this, in bytes of UTF-8 JSON; larger values go to an artifact. */
export const MAX_EVENT_BYTES = 256 * 1024

/**
 * What others hand in to be recorded nests no deeper, in lists and objects within each other. Not all who read it could go
 * as deep as the parser that let it in: SQLite looks into 1000 levels of JSON, and a thread may get no message of 4000.
 */
export const DEEPEST_JSON = 500

export function nestsTooDeep(value: unknown, levels = DEEPEST_JSON): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((member) => nestsTooDeep(member, levels - 1))
}
