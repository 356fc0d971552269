/** The rules of what is done to the log: a stream's going is recorded once, by whoever comes first. Pure. */
import type { AuditFact, RetiredStream } from '../../events/index.ts'
import type { Decision, State } from '../kind.ts'
import type { AuditContext } from './machine.ts'

export interface AuditCommand {
  readonly type: 'retire'
  /** Streams whose copies in an archive are durable. Each once. */
  readonly streams: readonly RetiredStream[]
}

/** A stream that has more events than when it was retired is retired again: nothing goes that is not in an archive. */
export function decideAudit({ streams }: AuditCommand, { context }: State<AuditContext>): Decision<AuditFact> {
  const known = new Map<string, number>()
  for (const { stream, lastRevision } of context.retired) {
    known.set(stream, Math.max(lastRevision, known.get(stream) ?? -1))
  }
  return {
    facts: streams
      .filter(({ stream, lastRevision }) => lastRevision > (known.get(stream) ?? -1))
      .map((data) => ({ type: 'StreamRetired', data })),
  }
}
