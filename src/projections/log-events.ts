/** From a batch of the log to what each read model takes of it. */
import { isKnown, parseStream, type RecordedEvent, type StreamKind } from '../events/index.ts'
import { isDiskTrouble } from './database.ts'
import { PoisonEvent } from './errors.ts'
import type { LogEvent, Projection, ReadModel, Touched } from './read-model.ts'

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

/** Lets a read model take in what is its own after a position, and up to one. @throws PoisonEvent naming the first of them */
export function applyTo(
  { model, projection }: { readonly model: ReadModel; readonly projection: Projection },
  byKind: ReadonlyMap<StreamKind, readonly LogEvent[]>,
  { after, until = Number.POSITIVE_INFINITY }: { readonly after: number; readonly until?: number },
  touched: Touched,
): void {
  const mine: LogEvent[] = []
  for (const kind of model.kinds) {
    for (const event of byKind.get(kind) ?? []) {
      if (event.position > after && event.position <= until) mine.push(event)
    }
  }
  if (mine.length === 0) return
  if (model.kinds.length > 1) mine.sort((a, b) => a.position - b.position)
  try {
    projection.apply(mine, touched)
  } catch (cause) {
    // Of a batch it may be any; the caller then tries them one by one, and the one named is the one.
    const event = mine[0]?.event
    if (event === undefined || isDiskTrouble(cause)) throw cause
    const { stream, type, position } = event
    throw new PoisonEvent({ readModel: model.name, stream, type, position, cause })
  }
}

function decodeKey(key: string): string {
  if (!key.includes('%')) return key
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}
