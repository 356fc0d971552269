/** Questions about jobs: one, a page, a count, ids for a bulk command. */
import type { DatabaseSync } from 'node:sqlite'
import { isWaiting, type Position } from '../../events/index.ts'
import { int, type Row, text } from '../columns.ts'
import { BadCursor } from '../errors.ts'
import { viewOf } from '../models/job-fold.ts'
import { CARD_COLUMNS, COUNTS, JOB_COLUMNS, JOB_JOINS, JOBS, jobTable, statusOf, WORDS } from '../models/jobs-table.ts'
import { PARTIES } from '../models/locks.ts'
import type { IdPage, JobFilter, JobQuery, JobTally, JobView, Page } from '../views.ts'
import { fromWhere, keptCounts, selectionOf, sumOf } from './filter.ts'

export function findJob(db: DatabaseSync, id: string): JobView | undefined {
  const row = db.prepare(`SELECT ${JOB_COLUMNS} FROM ${JOBS} j ${JOB_JOINS} WHERE j.id = ?`).get(id)
  if (row === undefined) return undefined
  const job = jobTable.read(row)
  return job.hidden ? undefined : withLockWait(db, viewOf(job))
}

export function findJobs(db: DatabaseSync, query: JobQuery, position: Position): Page<JobView> {
  const limit = pageSize(query.limit)
  const selection = selectionOf(db, query)
  if (selection.none) return { items: [], next: undefined, total: 0, position }
  const from = fromWhere(db, selection, selection.statuses, { order: 'n', wanted: limit + (query.offset ?? 0) })
  const cursor = query.cursor === undefined ? '' : `AND j.n < ${parseCursor(query.cursor)}`
  const found = db
    .prepare(`SELECT j.n ${from.sql} ${cursor} ORDER BY j.n DESC LIMIT ? OFFSET ?`)
    .all(...from.args, limit + 1, query.offset ?? 0)
    .map((row) => int(row.n))
  const page = found.slice(0, limit)
  const counts = keptCounts(db, selection)
  return {
    items: jobsAt(db, page),
    next: found.length > limit ? String(page.at(-1)) : undefined,
    total: counts === undefined ? undefined : sumOf(counts, selection.statuses),
    position,
  }
}

export function countJobs(db: DatabaseSync, filter: JobFilter): number {
  const selection = selectionOf(db, filter)
  const counts = keptCounts(db, selection)
  if (counts !== undefined) return sumOf(counts, selection.statuses)
  const from = fromWhere(db, selection, selection.statuses, { order: 'none' })
  return int(db.prepare(`SELECT count(*) AS n ${from.sql}`).get(...from.args)?.n)
}

/** From the counts that are kept: it costs as much as there are names. */
export function tallyJobs(db: DatabaseSync): JobTally[] {
  const rows = db.prepare(`SELECT word, status, count FROM ${COUNTS} c JOIN ${WORDS} ON n = c.name WHERE count > 0`)
  return rows.all().map(({ word, status, count }) => ({
    name: text(word),
    status: statusOf(int(status)),
    count: int(count),
  }))
}

export function findJobIds(db: DatabaseSync, filter: JobFilter, page: { limit: number; after?: string }): IdPage {
  const selection = selectionOf(db, filter)
  if (selection.none) return { ids: [], next: undefined }
  const { limit, after } = page
  const from = fromWhere(db, selection, selection.statuses, { order: 'n', wanted: limit })
  const cursor = after === undefined ? '' : `AND j.n > ${parseCursor(after)}`
  const rows = db.prepare(`SELECT j.id, j.n ${from.sql} ${cursor} ORDER BY j.n LIMIT ?`).all(...from.args, limit)
  const last = rows.length === limit ? rows.at(-1) : undefined
  return { ids: rows.map((row) => text(row.id)), next: last && String(int(last.n)) }
}

function jobsAt(db: DatabaseSync, ns: readonly number[]): JobView[] {
  const get = db.prepare(`SELECT ${JOB_COLUMNS} FROM ${JOBS} j ${JOB_JOINS} WHERE j.n = ?`)
  return ns.flatMap((n) => {
    const row = get.get(n)
    return row === undefined ? [] : jobIn(db, row)
  })
}

/** Cards by the row numbers of their jobs, in that order. */
export function cardsAt(db: DatabaseSync, ns: readonly number[]): JobView[] {
  const get = db.prepare(`SELECT ${CARD_COLUMNS} FROM ${JOBS} j ${JOB_JOINS} WHERE j.n = ?`)
  return ns.flatMap((n) => {
    const row = get.get(n)
    if (row === undefined) return []
    const card = jobIn(db, row)
    return row.whole === 1 ? card : { ...card, abridged: true }
  })
}

function jobIn(db: DatabaseSync, row: Row): JobView {
  return withLockWait(db, viewOf(jobTable.read(row)))
}

function withLockWait(db: DatabaseSync, job: JobView): JobView {
  if (job.lockKey === undefined || !isWaiting(job.status)) return job
  const row = db
    .prepare(
      `SELECT holder.task AS holder, (SELECT count(*) FROM ${PARTIES} ahead
         WHERE ahead.lock = mine.lock AND ahead.place > 0 AND ahead.place <= mine.place) AS place
       FROM ${PARTIES} mine JOIN ${PARTIES} holder ON holder.lock = mine.lock AND holder.place = 0
       WHERE mine.task = ? AND mine.place > 0`,
    )
    .get(job.id)
  return row === undefined ? job : { ...job, lockWait: { holder: text(row.holder), place: int(row.place) } }
}

export function pageSize(limit: number | undefined): number {
  return Math.min(Math.max(1, limit ?? 50), 500)
}

export function parseCursor(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor)) throw new BadCursor(cursor)
  return Number(cursor)
}
