/** /api/v1/audit: whether the log is as it was written, and what leaves it. For admins: it concerns everybody. */
import { z } from 'zod'
import { CommandRefused } from '../actors/index.ts'
import type { RetireOutcome } from '../app/index.ts'
import { type LogVerdict, type RecordedEvent, START } from '../events/index.ts'
import { acknowledge, paging, position, type Route, route } from './route.ts'
import * as schemas from './schemas/index.ts'

const resource = 'Audit'
/** So that a request has an end; what is left goes with the next one. */
const MOST_RETIRED = 10_000

export const auditRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/audit/events',
    resource,
    needs: 'admin',
    summary: 'The log, oldest first',
    query: z.strictObject({
      stream: z.string().min(1).optional().meta({ description: 'Only this one, as demo.task-01a2' }),
      from: z
        .string()
        .regex(/^\d{1,19}$/)
        .optional()
        .meta({ description: 'First revision of the stream' }),
      after: z.string().optional().meta({ description: 'Position: what comes after it' }),
      limit: schemas.pageSize.default(50),
    }),
    answers: { 200: { description: 'One page; `Link` leads to the next', schema: z.array(schemas.auditEvent) } },
    errors: ['malformed-request', 'invalid-input', 'store-unavailable'],
    async handle(call) {
      const { stream, from, after, limit } = call.query
      const of =
        stream === undefined
          ? { after: after === undefined ? START : position('after', after) }
          : { stream, from: BigInt(from ?? 0) }
      const events = await call.app.events(of, limit)
      const last = events.at(-1)
      if (last && events.length === limit) {
        paging(call, stream === undefined ? { after: `${last.position}` } : { from: `${last.revision + 1n}` })
      }
      return events.map(toAuditEvent)
    },
  }),

  route({
    method: 'POST',
    path: '/api/v1/audit/$retire',
    resource,
    needs: 'admin',
    summary: 'Takes out of the log what ended long ago',
    description:
      'Tasks that have ended, and to which nothing is owed, and conversations that have ended: each stream is written to the ' +
      'archive, its going is recorded (`StreamRetired`), and it is deleted for good.',
    body: z.strictObject({
      older_than: z.union([z.string(), z.number()]).meta({ description: 'Seconds, or text like 90d' }),
      limit: z
        .int()
        .positive()
        .max(MOST_RETIRED)
        .default(MOST_RETIRED)
        .meta({ description: 'At most so many streams' }),
      dry_run: z.boolean().default(false),
    }),
    answers: { 200: { description: 'What went', schema: schemas.retirement } },
    errors: [
      'invalid-input',
      'command-refused',
      'archive-in-use',
      'archive-unavailable',
      'read-model-behind',
      'not-running',
      'store-unavailable',
      'malformed-json',
      'payload-too-large',
      'unsupported-media-type',
    ],
    async handle({ app, body, caller, reply }) {
      const request = { olderThan: body.older_than, limit: body.limit, dryRun: body.dry_run }
      const outcome = await app.retire(request, caller)
      if (outcome.position > START) acknowledge(reply, outcome.position)
      return toRetirement(outcome, app.archive, body.dry_run)
    },
  }),

  route({
    method: 'GET',
    path: '/api/v1/audit/$verify',
    resource,
    needs: 'admin',
    summary: 'Holds the whole log against its hash chain',
    description: 'Names the first event that is altered, missing or not in its place. It reads all of the log.',
    query: z.strictObject({
      archive: z
        .enum(['true', 'false'])
        .default('false')
        .meta({ description: 'Looks for every stream that went in the archive of this server, too' }),
    }),
    answers: { 200: { description: 'Whether it holds, and if not, where', schema: schemas.verdict } },
    errors: ['invalid-input', 'command-refused', 'store-unavailable', 'store-corrupt'],
    async handle({ app, query }) {
      const { archive } = app
      if (query.archive !== 'true') return toVerdict(await app.verify())
      if (archive === undefined) {
        throw new CommandRefused('verify', 'This server has no archive to look in. Leave out archive=true.')
      }
      return toVerdict(await app.verify({ archive }))
    },
  }),
]

function toAuditEvent({
  recordedAt,
  revision,
  position,
  metadata,
  ...event
}: RecordedEvent): z.output<typeof schemas.auditEvent> {
  return {
    ...event,
    metadata: { ...metadata },
    revision: String(revision),
    position: String(position),
    recorded_at: new Date(recordedAt).toISOString(),
  }
}

export function toRetirement(
  outcome: RetireOutcome,
  archive: string | undefined,
  dryRun: boolean,
): z.output<typeof schemas.retirement> {
  const { position: _, kept, broken, ...counts } = outcome
  return { ...counts, kept: { ...kept }, broken: [...broken], archive: archive ?? null, dry_run: dryRun }
}

export function toVerdict(found: LogVerdict): z.output<typeof schemas.verdict> {
  const { broken, archived = null, ...counts } = found
  if (!broken) return { ok: true, ...counts, archived, broken: null }
  const { stream, revision, reason, file = null } = broken
  const where = { stream, revision: revision === undefined ? null : String(revision), reason, file }
  return { ok: false, ...counts, archived, broken: where }
}
