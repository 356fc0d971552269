/** From a batch of the log to the events that read models are made from. */
import { isKnown, parseStream, type RecordedEvent, type StreamKind } from '../events/index.ts'

/** An event of this app that this code knows, with what every read model asks of it worked out once. */
export interface LogEvent {
  readonly event: RecordedEvent
  readonly kind: StreamKind
  /** The entity's id: the stream's key, decoded. */
  readonly key: string
  /** Milliseconds since the epoch, by the event's `at`. */
  readonly at: number
  readonly position: number
}

/**
 * The events of the app after a position, by kind of stream, in log order.
 * @param unknown is told of each that newer code wrote; it is left out
 */
export function sortByKind(
  app: string,
  events: readonly RecordedEvent[],
  after: number,
  unknown: (kind: StreamKind, event: RecordedEvent) => void,
): ReadonlyMap<StreamKind, readonly LogEvent[]> {
  const byKind = new Map<StreamKind, LogEvent[]>()
  for (const event of events) {
    const position = Number(event.position)
    const stream = position > after ? parseStream(app, event.stream) : undefined
    if (stream === undefined) continue
    if (!isKnown(stream.kind, event)) {
      unknown(stream.kind, event)
      continue
    }
    const known = {
      event,
      kind: stream.kind,
      key: decodeKey(stream.key),
      at: Date.parse(event.metadata.at),
      position,
    }
    const same = byKind.get(stream.kind)
    if (same === undefined) byKind.set(stream.kind, [known])
    else same.push(known)
  }
  return byKind
}

function decodeKey(key: string): string {
  if (!key.includes('%')) return key
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}
