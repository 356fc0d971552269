/** Which streams retention may look at: what ended before an instant, as the read models see it. The log has the last word. */
import type { DatabaseSync } from 'node:sqlite'
import { int, text } from '../columns.ts'
import { BadCursor } from '../errors.ts'
import { HIDDEN, JOBS, STATUS_CODE } from '../models/jobs-table.ts'
import { SESSIONS } from '../models/sessions-table.ts'
import type { IdPage, RetirableQuery } from '../views.ts'

/** An onFailure task comes after the task it is about, and most of them complete. Deleted ones have ended like others. */
const ENDED = (['failed', 'timeout', 'cancelled', 'completed'] as const).flatMap((status) => [
  STATUS_CODE[status],
  STATUS_CODE[status] + HIDDEN,
])

export function findRetirable(db: DatabaseSync, query: RetirableQuery): IdPage {
  return query.kind === 'task' ? endedTasks(db, query) : endedSessions(db, query)
}

/** By status, and in each by when they ended. */
function endedTasks(db: DatabaseSync, { before, limit, after }: RetirableQuery): IdPage {
  let [group, ended, n] = after === undefined ? [0, -1, -1] : parse(after)
  const select = db.prepare(
    `SELECT id, sort, n FROM ${JOBS} WHERE status = ? AND sort < ? AND (sort, n) > (?, ?) ORDER BY sort, n LIMIT ?`,
  )
  const ids: string[] = []
  for (; group < ENDED.length; group++, ended = -1, n = -1) {
    const rows = select.all(ENDED[group] ?? -1, before, ended, n, limit - ids.length)
    for (const row of rows) ids.push(text(row.id))
    const last = rows.at(-1)
    if (last !== undefined && ids.length === limit) return { ids, next: `${group}.${int(last.sort)}.${int(last.n)}` }
  }
  return { ids, next: undefined }
}

/** A conversation goes after the last task that belongs to it. */
function endedSessions(db: DatabaseSync, { before, limit, after }: RetirableQuery): IdPage {
  const [, updated, n] = after === undefined ? [0, -1, -1] : parse(after)
  const rows = db
    .prepare(
      `SELECT id, updated_at, n FROM ${SESSIONS} s WHERE ended = 1 AND updated_at < ? AND (updated_at, n) > (?, ?)
       AND NOT EXISTS (SELECT 1 FROM ${JOBS} WHERE session = s.id) ORDER BY updated_at, n LIMIT ?`,
    )
    .all(before, updated, n, limit)
  const last = rows.length === limit ? rows.at(-1) : undefined
  return { ids: rows.map((row) => text(row.id)), next: last && `0.${int(last.updated_at)}.${int(last.n)}` }
}

function parse(cursor: string): [number, number, number] {
  const [, group, at, n] = /^(\d)\.(\d{1,15})\.(\d{1,15})$/.exec(cursor) ?? []
  if (group === undefined) throw new BadCursor(cursor)
  return [Number(group), Number(at), Number(n)]
}
