/** The board: for each column its count and the cards in view. A column of several statuses merges their orders. */
import type { DatabaseSync } from 'node:sqlite'
import { isEnded, type Position, TASK_STATUSES } from '../../events/index.ts'
import { int } from '../columns.ts'
import type { BoardOrder, BoardQuery, BoardView, JobStatus } from '../views.ts'
import { fromWhere, type JobSelection, keptCounts, selectionOf } from './filter.ts'
import { cardsAt } from './jobs.ts'

const DEFAULT_LIMIT = 50
const MOST = 500

export function findBoard(db: DatabaseSync, query: BoardQuery, position: Position): BoardView {
  const selection = selectionOf(db, query.filter)
  const allowed = query.filter.status
  const counts = countByStatus(db, selection)
  const columns = query.columns.map((column, i) => {
    const window = query.windows[i]
    const after = Math.max(0, Math.trunc(window?.after ?? 0))
    const limit = Math.min(Math.trunc(window?.limit ?? DEFAULT_LIMIT), MOST)
    const statuses = [...new Set(column.statuses)].filter((status) => allowed?.includes(status) ?? true)
    const count = statuses.reduce((sum, status) => sum + (counts.get(status) ?? 0), 0)
    const filled = statuses.filter((status) => (counts.get(status) ?? 0) > 0)
    const order = orderOf(column.statuses)
    const jobs = cardsAt(db, cards(db, selection, filled, order === 'newest first', after, limit))
    return { label: column.label, statuses: column.statuses, count, order, after, jobs }
  })
  return { position, total: columns.reduce((sum, column) => sum + column.count, 0), columns }
}

/** What comes first in a column of these statuses. */
function orderOf(statuses: readonly JobStatus[]): BoardOrder {
  if (statuses.length > 0 && statuses.every(isEnded)) return 'newest first'
  return statuses.length > 0 && statuses.every((status) => status === 'scheduled') ? 'next first' : 'oldest first'
}

function countByStatus(db: DatabaseSync, selection: JobSelection): Map<JobStatus, number> {
  const kept = keptCounts(db, selection)
  if (kept !== undefined) return kept
  const from = fromWhere(db, selection, undefined, { order: 'none' })
  const counts = new Map<JobStatus, number>()
  for (const row of db.prepare(`SELECT j.status, count(*) AS n ${from.sql} GROUP BY j.status`).iterate(...from.args)) {
    const status = TASK_STATUSES[int(row.status)]
    if (status !== undefined) counts.set(status, int(row.n))
  }
  return counts
}

/** The row numbers of the cards in view. */
function cards(
  db: DatabaseSync,
  selection: JobSelection,
  statuses: readonly JobStatus[],
  newestFirst: boolean,
  after: number,
  limit: number,
): number[] {
  if (limit <= 0 || statuses.length === 0) return []
  const direction = newestFirst ? 'DESC' : 'ASC'
  const order = `sort ${direction}, n ${direction}`
  const parts = statuses.map((status) => fromWhere(db, selection, [status], { order: 'sort' }))
  const inOrder = (from: string, most: number) =>
    `SELECT j.n AS n, j.sort AS sort ${from} ORDER BY ${order} LIMIT ${most}`
  const [only] = parts
  if (parts.length === 1 && only !== undefined) {
    const rows = db.prepare(`${inOrder(only.sql, limit)} OFFSET ${after}`).all(...only.args)
    return rows.map((row) => int(row.n))
  }
  const union = parts.map((part) => `SELECT * FROM (${inOrder(part.sql, after + limit)})`).join(' UNION ALL ')
  const args = parts.flatMap((part) => part.args)
  const rows = db.prepare(`${union} ORDER BY ${order} LIMIT ${limit} OFFSET ${after}`).all(...args)
  return rows.map((row) => int(row.n))
}
