/**
 * What every embedded store asks of an append before it takes it: a sound stream name, a sound expected revision, events
 * within the size limit, and `data` and `metadata` that are exactly what a later read will give back.
 */
import { Buffer } from 'node:buffer'
import { EventTooLarge, type ExpectedRevision } from '../errors.ts'
import { type EventData, type EventMetadata, type JsonObject, MAX_EVENT_BYTES, type Revision } from '../event.ts'
import { survivesJson } from '../json.ts'

export interface Incoming {
  readonly id: string
  readonly type: string
  readonly data: JsonObject
  readonly metadata: EventMetadata
  readonly dataText: string
  readonly metadataText: string
}

/** @throws TypeError when the call itself makes no sense. */
export function checkAppend(stream: string, expected: ExpectedRevision, events: readonly EventData[]): void {
  checkStream(stream, expected)
  if (events.length === 0) throw new TypeError(`Nothing to append to ${stream}`)
}

/** @throws TypeError when the call itself makes no sense. */
export function checkDelete(stream: string, expected: Revision | 'no-stream'): void {
  checkStream(stream, expected)
}

/** @throws TypeError when the call itself makes no sense. */
export function checkCap(stream: string, maxCount: number): void {
  checkStream(stream, 'any')
  if (!Number.isSafeInteger(maxCount) || maxCount < 1) {
    throw new TypeError(`${stream} cannot be capped at ${maxCount} events: it must be a whole number, at least 1`)
  }
}

function checkStream(stream: string, expected: ExpectedRevision): void {
  if (stream === '' || !stream.isWellFormed()) throw new TypeError(`"${stream}" is not a stream name`)
  if (typeof expected === 'bigint' && expected < 0n) {
    throw new TypeError(`${expected} is not a revision: the first is 0, and before it comes 'no-stream'`)
  }
}

/** @throws EventTooLarge */
export function accept(stream: string, event: EventData): Incoming {
  const dataText = event.json?.data ?? JSON.stringify(event.data)
  // A UTF-16 unit takes at most three bytes of UTF-8, so only a long text has to be counted.
  if (dataText.length * 3 > MAX_EVENT_BYTES) {
    const bytes = Buffer.byteLength(dataText)
    if (bytes > MAX_EVENT_BYTES) throw new EventTooLarge({ stream, type: event.type, bytes, limit: MAX_EVENT_BYTES })
  }
  const metadataText = event.json?.metadata ?? JSON.stringify(event.metadata)
  return {
    id: event.id,
    type: event.type,
    data: event.json || survivesJson(event.data) ? event.data : JSON.parse(dataText),
    metadata: event.json || survivesJson(event.metadata) ? event.metadata : JSON.parse(metadataText),
    dataText,
    metadataText,
  }
}
