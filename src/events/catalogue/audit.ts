/** Events of `audit`: what was done to the log itself. One stream for each app. */
import { z } from 'zod'
import { count, event, type FactOf, id } from './define.ts'

/** 64 hex digits of SHA-256. */
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

export const auditEvents = {
  /**
   * A whole stream was written to an archive and goes from the log for good. It is recorded after the first and before the
   * second. `lastRevision` and `lastHash` are of the stream's last event; with them the copy in the archive is proved.
   */
  StreamRetired: event(() =>
    z.object({
      stream: id,
      lastRevision: count,
      lastHash: sha256,
      events: count.min(1),
      /** Of a task: the conversation that it belonged to. */
      sessionId: id.optional(),
      /** Where its lines are: bytes `offset` to `offset + bytes` of a file of the archive, and SHA-256 of these bytes. */
      archive: z.object({ file: id, offset: count, bytes: count.min(1), sha256 }),
    }),
  ),
}
export type AuditFact = FactOf<typeof auditEvents>
/** What StreamRetired says of one stream. */
export type RetiredStream = AuditFact['data']
