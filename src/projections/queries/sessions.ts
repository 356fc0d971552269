/** Questions about conversations. */
import type { DatabaseSync } from 'node:sqlite'
import type { Position } from '../../events/index.ts'
import { int, maybeInt, type Row } from '../columns.ts'
import { BadCursor } from '../errors.ts'
import { SESSION_JOBS } from '../models/jobs-table.ts'
import { ITEMS, itemOf, SESSIONS, sessionTable } from '../models/sessions-table.ts'
import type { ItemView, Page, ReadModels, SessionView, TranscriptQuery, TranscriptView } from '../views.ts'
import { pageSize } from './jobs.ts'

const WITH_JOBS = `SELECT s.*, j.running, j.waiting, j.completed, j.failed, j.position AS jobs_position
  FROM ${SESSIONS} s LEFT JOIN ${SESSION_JOBS} j ON j.session = s.id`

export function findSession(db: DatabaseSync, id: string): SessionView | undefined {
  const row = db.prepare(`${WITH_JOBS} WHERE s.id = ?`).get(id)
  return row === undefined ? undefined : sessionOf(row)
}

/** Last used first. */
export function findSessions(
  db: DatabaseSync,
  query: Parameters<ReadModels['sessions']>[0],
  position: Position,
): Page<SessionView> {
  const limit = pageSize(query.limit)
  const before = query.cursor === undefined ? undefined : parse(query.cursor)
  const conditions = [
    ...(query.ownerId === undefined ? [] : ['s.owner = ?']),
    ...(before === undefined ? [] : ['(s.updated_at, s.n) < (?, ?)']),
  ].join(' AND ')
  const rows = db
    .prepare(`${WITH_JOBS} ${conditions && `WHERE ${conditions}`} ORDER BY s.updated_at DESC, s.n DESC LIMIT ?`)
    .all(...(query.ownerId === undefined ? [] : [query.ownerId]), ...(before ?? []), limit + 1)
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  const next = rows.length > limit && last !== undefined ? `${int(last.updated_at)}.${int(last.n)}` : undefined
  return { items: page.map(sessionOf), next, total: undefined, position }
}

export function findTranscript(db: DatabaseSync, id: string, query: TranscriptQuery = {}): TranscriptView | undefined {
  const row = db.prepare(`${WITH_JOBS} WHERE s.id = ?`).get(id)
  if (row === undefined) return undefined
  const n = int(row.n)
  const items =
    'last' in query
      ? db.prepare(`SELECT item FROM ${ITEMS} WHERE session = ? ORDER BY idx DESC LIMIT ?`).all(n, query.last).reverse()
      : db
          .prepare(`SELECT item FROM ${ITEMS} WHERE session = ? AND idx > ? ORDER BY idx LIMIT ?`)
          .all(n, query.after ?? -1, query.limit ?? -1)
  return { session: sessionOf(row), items: items.map(itemOf) }
}

/** The items of a session that changed after a position. */
export function itemsSince(db: DatabaseSync, id: string, since: Position): ItemView[] {
  return db
    .prepare(
      `SELECT item FROM ${ITEMS} WHERE session = (SELECT n FROM ${SESSIONS} WHERE id = ?) AND position > ? ORDER BY idx`,
    )
    .all(id, Number(since))
    .map(itemOf)
}

function sessionOf(row: Row): SessionView {
  const head = sessionTable.read(row)
  const jobsPosition = BigInt(maybeInt(row.jobs_position) ?? -1) as Position
  const next = head.queue[0]
  return {
    id: head.id,
    title: head.title,
    ownerId: head.ownerId,
    startedAt: head.startedAt,
    updatedAt: head.updatedAt,
    opening: head.opening,
    preview: head.preview,
    // A queued turn has no id of its own yet: it goes by its message's.
    turn:
      head.turn !== undefined
        ? { id: head.turn.id, status: 'running', startedAt: head.turn.startedAt }
        : next !== undefined
          ? { id: next.messageId, status: 'queued', startedAt: undefined }
          : undefined,
    jobs: {
      running: maybeInt(row.running) ?? 0,
      waiting: maybeInt(row.waiting) ?? 0,
      completed: maybeInt(row.completed) ?? 0,
      failed: maybeInt(row.failed) ?? 0,
    },
    ended: head.ended,
    data: head.data,
    position: jobsPosition > head.position ? jobsPosition : head.position,
  }
}

function parse(cursor: string): [number, number] {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(cursor)
  if (match === null) throw new BadCursor(cursor)
  return [Number(match[1]), Number(match[2])]
}
