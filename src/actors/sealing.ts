/** Makes of decided facts the events that are appended: with who, when and why, and linked to the stream by their hashes. */
import { currentVersion, type EventData, type EventMetadata, instant, type JsonObject, seal } from '../events/index.ts'
import type { Origin } from './command.ts'
import type { Applied, Decision, Fact } from './kind.ts'
import type { Resident } from './resident.ts'

/** @param now milliseconds since the epoch */
export function sealed<Context extends Applied>(
  resident: Resident<Context>,
  facts: Decision<Fact>['facts'],
  origin: Origin,
  now: number,
  newId: () => string,
): EventData[] {
  const commandId = origin.commandId ?? newId()
  const at = instant(now)
  let { hash } = resident
  let revision = BigInt(resident.state.context.revision)
  return facts.map((fact) => {
    // In the order of their names, which the hash takes them in.
    const metadata: EventMetadata = {
      at,
      by: fact.by ?? origin.by,
      causationId: origin.causationId ?? commandId,
      ...(origin.commandId === undefined ? {} : { commandId: origin.commandId }),
      correlationId: origin.correlationId ?? origin.causationId ?? commandId,
      ...(origin.traceparent === undefined ? {} : { traceparent: origin.traceparent }),
      v: currentVersion(resident.kind.kind, fact.type),
    }
    revision += 1n
    const event = { id: fact.id ?? newId(), type: fact.type, data: fact.data as JsonObject, metadata }
    const linked = seal(resident.stream, revision, hash, event)
    hash = linked.metadata.hash
    return linked
  })
}
