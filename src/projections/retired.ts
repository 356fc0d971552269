/** What a StreamRetired event means to a read model: rows go, whether or not the log still gives the stream's events. */
import { type AuditFact, appOf, factOf, parseStream, type RecordedEvent } from '../events/index.ts'

export interface Retired {
  readonly kind: 'task' | 'session'
  /** The ids of both are never encoded. */
  readonly id: string
  /** Of a task: the conversation that it belonged to. */
  readonly sessionId: string | undefined
}

/** Undefined for any other event, and for streams that no read model has rows of. */
export function retiredOf(event: RecordedEvent): Retired | undefined {
  if (event.type !== 'StreamRetired') return undefined
  const { stream, sessionId } = factOf<AuditFact>(event).data
  const parsed = parseStream(appOf(stream), stream)
  if (parsed?.kind !== 'task' && parsed?.kind !== 'session') return undefined
  return { kind: parsed.kind, id: parsed.key, sessionId }
}
