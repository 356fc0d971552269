/**
 * The hash chain: each event's hash covers the hash before it in its stream, so an altered, missing or reordered event
 * breaks every later link.
 *
 * hash = SHA-256(previous hash, then the canonical JSON (RFC 8785) of stream, revision, id, type, data and metadata
 * without `hash`), in hex. The first event of a stream follows {@link GENESIS}.
 */
import { hash as digest } from 'node:crypto'
import type { EventData, EventMetadata, JsonObject, JsonValue, RecordedEvent, Revision } from './event.ts'

export const GENESIS = '0'.repeat(64)

/** RFC 8785 (JCS): keys in UTF-16 order, no white space, ECMAScript numbers and strings. */
export function canonicalJson(value: JsonValue): string {
  return isInOrder(value) ? JSON.stringify(value) : sortedJson(value)
}

/** Whether JSON.stringify writes the value as RFC 8785 has it: plain data, the keys in order all the way down. */
function isInOrder(value: JsonValue | undefined): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return true
  if (typeof value !== 'object') return false
  if (Array.isArray(value)) return value.every(isInOrder)
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  let before = ''
  for (const key in value) {
    if (key < before || !isInOrder((value as JsonObject)[key])) return false
    before = key
  }
  return true
}

function sortedJson(value: JsonValue): string {
  // What JSON leaves out (a function, undefined) is null in a list and absent in an object, as in what is stored.
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) {
    let text = '['
    for (let i = 0; i < value.length; i++) text += (i ? ',' : '') + sortedJson(value[i] ?? null)
    return `${text}]`
  }
  const object = value as JsonObject
  const keys = Object.keys(object)
  if (!areSorted(keys)) keys.sort()
  let text = '{'
  for (const key of keys) {
    const member = object[key]
    if (member === undefined || typeof member === 'function' || typeof member === 'symbol') continue
    text += (text.length > 1 ? ',' : '') + quotedKey(key) + sortedJson(member)
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

/** The event with its link of the chain, and its JSON ready for a store. */
export function seal(
  stream: string,
  revision: Revision,
  previousHash: string,
  event: Unsealed,
): EventData & { readonly metadata: { readonly hash: string } } {
  // Stored in the order its author wrote it: only the hash needs the canonical one.
  const written = JSON.stringify(event.data)
  const data = isInOrder(event.data) ? written : sortedJson(event.data)
  const metadata = canonicalJson(event.metadata as unknown as JsonObject)
  const hash = link(previousHash, stream, revision, event.id, event.type, data, metadata)
  return {
    id: event.id,
    type: event.type,
    data: event.data,
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
