/** What leaves the log, and whether it is as it was written. Only scripts and the command read it: it is not in wire.ts. */
import { z } from 'zod'
import { instant } from './values.ts'

const count = z.int().nonnegative()

export const retirement = z
  .object({
    retired: count.meta({ description: 'Streams that went; in a dry run, that would go' }),
    events: count,
    bytes: count.meta({ description: 'In the archive' }),
    completed: count.meta({ description: 'Streams that an earlier run had recorded and not come to delete' }),
    kept: z.record(z.string(), count).meta({
      description:
        'Streams that stay though they ended, by why: live (later than it looked), owed, locked, occurring, about (a task ' +
        'that stays), unknown (to this version), broken, changed (meanwhile)',
    }),
    broken: z.array(z.string()).meta({ description: 'Some of those that are not as they were appended' }),
    more: z.boolean().meta({ description: 'The limit was reached' }),
    archive: z.string().nullable().meta({ description: 'Its directory, on the server' }),
    dry_run: z.boolean(),
  })
  .meta({ id: 'Retirement' })

export const verdict = z
  .object({
    ok: z.boolean(),
    events: count,
    streams: count,
    retired: count.meta({ description: 'Streams that went from the log' }),
    archived: count.nullable().meta({ description: 'Of these, those whose copies were checked' }),
    remaining: count.meta({ description: 'Of these, those whose events the log still gives' }),
    broken: z
      .object({
        stream: z.string(),
        revision: z.string().nullable(),
        reason: z.enum(['missing', 'reordered', 'altered', 'unsealed', 'not-archived', 'archive-altered']),
        file: z.string().nullable().meta({ description: 'Of the archive, when it is there' }),
      })
      .nullable()
      .meta({ description: 'The first break' }),
  })
  .meta({ id: 'Verdict' })

/** All that its hash covers is as it was stored. */
export const auditEvent = z
  .object({
    stream: z.string(),
    revision: z.string(),
    id: z.string(),
    type: z.string(),
    data: z.record(z.string(), z.unknown()),
    metadata: z.record(z.string(), z.unknown()),
    position: z.string(),
    recorded_at: instant,
  })
  .meta({ id: 'AuditEvent' })
