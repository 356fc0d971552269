/** Questions about schedules and what became of their due times. */
import type { DatabaseSync } from 'node:sqlite'
import { type Position, TASK_STATUSES } from '../../events/index.ts'
import { int, maybeInt, maybeText, position as positionOf, type Row, text } from '../columns.ts'
import { HIDDEN, JOBS, statusOf } from '../models/jobs-table.ts'
import { OCCURRENCES, SCHEDULES } from '../models/schedules.ts'
import type { OccurrenceView, Page, ScheduleView } from '../views.ts'
import { pageSize, parseCursor } from './jobs.ts'

const LAST = 30
const TRIGGERS = ['cron', 'caught-up', 'manual'] as const
const REASONS = ['overlap', 'missed', 'paused'] as const

/** All, also removed ones, by name. */
export function findSchedules(db: DatabaseSync): ScheduleView[] {
  return db
    .prepare(`SELECT * FROM ${SCHEDULES} ORDER BY name`)
    .all()
    .map((row) => scheduleOf(db, row))
}

export function findSchedule(db: DatabaseSync, name: string): ScheduleView | undefined {
  const row = db.prepare(`SELECT * FROM ${SCHEDULES} WHERE key = ?1 OR name = ?1`).get(name)
  return row === undefined ? undefined : scheduleOf(db, row)
}

/** Newest decision first. */
export function findOccurrences(
  db: DatabaseSync,
  name: string,
  query: { readonly limit?: number; readonly cursor?: string },
  position: Position,
): Page<OccurrenceView> {
  const limit = pageSize(query.limit)
  const before = query.cursor === undefined ? Number.MAX_SAFE_INTEGER : parseCursor(query.cursor)
  const rows = occurrenceRows(db, name, before, limit + 1)
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    items: page.map(occurrenceOf),
    next: rows.length > limit && last !== undefined ? String(int(last.n)) : undefined,
    total: undefined,
    position,
  }
}

function occurrenceRows(db: DatabaseSync, schedule: string, before: number, limit: number): Row[] {
  return db
    .prepare(
      `SELECT o.*, j.status AS job_status FROM ${OCCURRENCES} o LEFT JOIN ${JOBS} j ON j.id = o.task
       WHERE o.schedule = ? AND o.n < ? ORDER BY o.n DESC LIMIT ?`,
    )
    .all(schedule, before, limit)
}

function scheduleOf(db: DatabaseSync, row: Row): ScheduleView {
  const description = maybeText(row.description)
  return {
    name: text(row.name),
    cron: text(row.cron),
    timezone: text(row.timezone),
    overlap: oneOf(['skip', 'queue', 'parallel'], text(row.overlap)),
    missed: oneOf(['skip', 'latest', 'all'], text(row.missed)),
    ...(description === undefined ? {} : { description }),
    paused: row.paused === 1,
    removed: row.removed === 1,
    lastDue: maybeText(row.last_due),
    last: occurrenceRows(db, text(row.key), Number.MAX_SAFE_INTEGER, LAST).map(occurrenceOf),
    position: positionOf(row.position),
  }
}

function occurrenceOf(row: Row): OccurrenceView {
  const code = maybeInt(row.job_status)
  const trigger = maybeText(row.trigger)
  const reason = maybeText(row.reason)
  const finished = maybeText(row.status)
  return {
    due: text(row.due),
    decision: oneOf(['due', 'skipped'], text(row.decision)),
    trigger: trigger === undefined ? undefined : oneOf<(typeof TRIGGERS)[number]>(TRIGGERS, trigger),
    reason: reason === undefined ? undefined : oneOf<(typeof REASONS)[number]>(REASONS, reason),
    jobId: maybeText(row.task),
    // How a task ended that was retired before anybody noted it is not known.
    status: code !== undefined ? statusOf(code % HIDDEN) : TASK_STATUSES.find((one) => one === finished),
    position: positionOf(row.position),
  }
}

function oneOf<T extends string>(known: readonly T[], value: string): T {
  const found = known.find((one) => one === value)
  if (found === undefined) throw new TypeError(`"${value}" is none of ${known.join(', ')}`)
  return found
}
