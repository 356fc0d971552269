/**
 * The hash chain: each event's hash covers the hash before it in its stream, so an altered, missing or reordered event
 * breaks every later link.
 *
 * hash = SHA-256(previous hash, then the canonical JSON (RFC 8785) of stream, revision, id, type, data and metadata
 * without `hash`), in hex. The first event of a stream follows {@link GENESIS}.
 */
import { hash as digest } from 'node:crypto'
import {
  DEEPEST_JSON,
  type EventData,
  type EventMetadata,
  type JsonObject,
  type JsonValue,
  type RecordedEvent,
  type Revision,
} from './event.ts'
import { survivesJson } from './json.ts'

export const GENESIS = '0'.repeat(64)

/** No text nests deeper. A small integer, which counting down is cheapest with. */
const ANY_DEPTH = 2 ** 30

/** RFC 8785 (JCS): keys in UTF-16 order, no white space, ECMAScript numbers and strings. */
export function canonicalJson(value: JsonValue): string {
  return isInOrder(value, ANY_DEPTH) ? JSON.stringify(value) : sortedJson(value, ANY_DEPTH)
}

/**
 * Whether JSON.stringify writes the value as RFC 8785 has it: plain data, the keys in order all the way down, and no further
 * down than so many levels.
 */
function isInOrder(value: JsonValue | undefined, levels: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return true
  if (typeof value !== 'object' || levels === 0) return false
  if (Array.isArray(value)) return value.every((item) => isInOrder(item, levels - 1))
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  let before = ''
  for (const key in value) {
    if (key < before || !isInOrder((value as JsonObject)[key], levels - 1)) return false
    before = key
  }
  return true
}

/** @throws RangeError for lists and objects that nest deeper than so many levels */
function sortedJson(value: JsonValue, levels: number): string {
  // What JSON leaves out (a function, undefined) is null in a list and absent in an object, as in what is stored.
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  if (levels === 0) throw new RangeError(`This nests too deep: lists and objects may nest ${DEEPEST_JSON} deep.`)
  if (Array.isArray(value)) {
    let text = '['
    for (let i = 0; i < value.length; i++) text += (i ? ',' : '') + sortedJson(value[i] ?? null, levels - 1)
    return `${text}]`
  }
  const object = value as JsonObject
  const keys = Object.keys(object)
  if (!areSorted(keys)) keys.sort()
  let text = '{'
  for (const key of keys) {
    const member = object[key]
    if (member === undefined || typeof member === 'function' || typeof member === 'symbol') continue
    text += (text.length > 1 ? ',' : '') + quotedKey(key) + sortedJson(member, levels - 1)
  }
  return `${text}}`
}

/** Metadata and most facts are written in order: a look is cheaper than a sort. */
function areSorted(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) if ((keys[i - 1] ?? '') > (keys[i] ?? '')) return false
  return true
}

/** Keys come from the catalogue, so the same few return with every event; users' own make up the rest, and may be long. */
const quotedKeys = new Map<string, string>()
const QUOTED_KEYS = 1000
const LONGEST_KEPT = 64

function quotedKey(key: string): string {
  const known = quotedKeys.get(key)
  if (known !== undefined) return known
  const quoted = `${JSON.stringify(key)}:`
  if (quotedKeys.size < QUOTED_KEYS && key.length <= LONGEST_KEPT) quotedKeys.set(key, quoted)
  return quoted
}

interface Unsealed {
  readonly id: string
  readonly type: string
  readonly data: JsonObject
  readonly metadata: Omit<EventMetadata, 'hash'>
}

/** Around what others hand in: a lock's event has a submission, which has the input. */
const DEEPEST_EVENT = DEEPEST_JSON + 8

/** The event with its link of the chain, and its JSON ready for a store. @throws RangeError for what nests too deep */
export function seal(
  stream: string,
  revision: Revision,
  previousHash: string,
  event: Unsealed,
): EventData & { readonly metadata: { readonly hash: string } } {
  // Stored in the order its author wrote it: only the hash needs the canonical one.
  const written = JSON.stringify(event.data)
  // What JSON writes otherwise (a date, NaN, what has toJSON) is what it writes, for whoever goes by the event from here on.
  const data: JsonObject = survivesJson(event.data) ? event.data : JSON.parse(written)
  // Inputs and results were held to less: the limit is for what the app's own code puts into a conversation or a task's log.
  const canonical = isInOrder(data, DEEPEST_EVENT) ? written : sortedJson(data, DEEPEST_EVENT)
  const metadata = canonicalJson(event.metadata as unknown as JsonObject)
  const hash = link(previousHash, stream, revision, event.id, event.type, canonical, metadata)
  return {
    id: event.id,
    type: event.type,
    data,
    metadata: { ...event.metadata, hash },
    json: { data: written, metadata: `${metadata.slice(0, -1)},"hash":"${hash}"}` },
  }
}

/** What `metadata.hash` of a recorded event must be, given the hash of the event before it in its stream. */
export function expectedHash(previousHash: string, event: RecordedEvent): string {
  const { hash: _, ...metadata } = event.metadata
  return link(
    previousHash,
    event.stream,
    event.revision,
    event.id,
    event.type,
    canonicalJson(event.data),
    canonicalJson(metadata as unknown as JsonObject),
  )
}

function link(
  previous: string,
  stream: string,
  revision: Revision,
  id: string,
  type: string,
  data: string,
  metadata: string,
): string {
  return digest(
    'sha256',
    `${previous}{"data":${data},"id":${JSON.stringify(id)},"metadata":${metadata},"revision":${revision},` +
      `"stream":${JSON.stringify(stream)},"type":${JSON.stringify(type)}}`,
    'hex',
  )
}
