/** Events as the server gives them, as the port wants them. */
import type { AllStreamResolvedEvent, ResolvedEvent } from '@eventstore/db-client'
import type { EventMetadata, JsonObject, Position, RecordedEvent } from '../../event.ts'

/** Place of an event in `$all`; `commit` alone orders everything that is appended over gRPC. */
export function positionOf(resolved: AllStreamResolvedEvent): Position | undefined {
  const commit = resolved.event?.position?.commit ?? resolved.commitPosition
  return commit as Position | undefined
}

/**
 * Undefined for an event that no store of this port has written: one of the server itself, a link, or one without
 * JSON data and metadata.
 */
export function recorded(resolved: ResolvedEvent | AllStreamResolvedEvent): RecordedEvent | undefined {
  const { event } = resolved
  const commit = event?.position?.commit ?? resolved.commitPosition
  if (!event || commit === undefined) return undefined
  const { id, type, streamId: stream, revision, created } = event
  const data: unknown = event.data
  const metadata: unknown = event.metadata
  if (type.startsWith('$') || !event.isJson || !isObject(data) || !isMetadata(metadata)) return undefined
  return { id, type, data, metadata, stream, revision, position: commit as Position, recordedAt: created.getTime() }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isMetadata(value: unknown): value is EventMetadata {
  return isObject(value) && typeof value.at === 'string' && typeof value.by === 'string' && typeof value.v === 'number'
}

/** What the client's streams of `$all` give; they are typed as streams of anything. */
export function asResolved(item: unknown): AllStreamResolvedEvent {
  if (typeof item !== 'object' || item === null) throw new TypeError('The client gave something that is no event')
  return item
}
