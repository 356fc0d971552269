/** Events of one stream, chained as the log's own are: as they are appended, and as a store gives them. */
import {
  type EventData,
  GENESIS,
  type JsonObject,
  type Position,
  type RecordedEvent,
  seal,
} from '../../src/events/index.ts'

/** One event for each id, all with the same data. */
export function noted(stream: string, ids: readonly string[], data: JsonObject = {}): EventData[] {
  let hash = GENESIS
  return ids.map((id, i) => {
    const sealed = seal(stream, BigInt(i), hash, {
      id,
      type: 'Noted',
      data,
      metadata: { at: '2026-01-01T00:00:00.000Z', by: 'system', correlationId: 'c', causationId: 'c', v: 1 },
    })
    hash = sealed.metadata.hash
    return sealed
  })
}

/** The same in a log that has nothing else. */
export function recorded(stream: string, ids: readonly string[], data: JsonObject = {}): RecordedEvent[] {
  return noted(stream, ids, data).map(({ json: _, ...event }, i) => {
    return { ...event, stream, revision: BigInt(i), position: BigInt(i) as Position, recordedAt: 0 }
  })
}
