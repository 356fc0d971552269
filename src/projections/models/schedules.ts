/** The schedules read model: each definition, and every decision about a due time. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { factOf, type RecordedEvent, type ScheduleFact } from '../../events/index.ts'
import type { LogEvent } from '../log-events.ts'
import type { Projection, ReadModel, Touched } from '../read-model.ts'

const VERSION = 1
const V = `schedules_v${VERSION}`
export const SCHEDULES = `${V}_rows`
export const OCCURRENCES = `${V}_occurrences`

export const schedulesModel: ReadModel = {
  name: 'schedules',
  version: VERSION,
  kinds: ['schedule'],
  tables: `
    CREATE TABLE ${SCHEDULES} (
      key TEXT PRIMARY KEY,
      name TEXT NOT NULL,
      cron TEXT NOT NULL,
      timezone TEXT NOT NULL,
      overlap TEXT NOT NULL,
      missed TEXT NOT NULL,
      description TEXT,
      paused INTEGER NOT NULL,
      removed INTEGER NOT NULL,
      last_due TEXT,
      position INTEGER NOT NULL
    );
    CREATE TABLE ${OCCURRENCES} (
      n INTEGER PRIMARY KEY,
      schedule TEXT NOT NULL,
      due TEXT NOT NULL,
      decision TEXT NOT NULL,
      trigger TEXT,
      reason TEXT,
      task TEXT,
      status TEXT,
      open INTEGER NOT NULL,
      position INTEGER NOT NULL
    );
    CREATE INDEX ${V}_by_schedule ON ${OCCURRENCES}(schedule, n);
    CREATE INDEX ${V}_by_open ON ${OCCURRENCES}(schedule, task) WHERE open = 1;
  `,
  open: (db) => new SchedulesProjection(db),
}

class SchedulesProjection implements Projection {
  readonly #define: StatementSync
  readonly #pause: StatementSync
  readonly #remove: StatementSync
  readonly #decided: StatementSync
  readonly #occurrence: StatementSync
  readonly #finished: StatementSync

  constructor(db: DatabaseSync) {
    this.#define = db.prepare(`INSERT INTO ${SCHEDULES}
      (key, name, cron, timezone, overlap, missed, description, paused, removed, position)
      VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?) ON CONFLICT DO UPDATE SET cron = excluded.cron,
      timezone = excluded.timezone, overlap = excluded.overlap, missed = excluded.missed,
      description = excluded.description, paused = iif(removed, 0, paused), removed = 0, position = excluded.position`)
    this.#pause = db.prepare(`UPDATE ${SCHEDULES} SET paused = ?, position = ? WHERE key = ?`)
    this.#remove = db.prepare(`UPDATE ${SCHEDULES} SET removed = 1, position = ? WHERE key = ?`)
    this.#decided = db.prepare(`UPDATE ${SCHEDULES} SET last_due = ?, position = ? WHERE key = ?`)
    this.#occurrence = db.prepare(`INSERT INTO ${OCCURRENCES}
      (schedule, due, decision, trigger, reason, task, open, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
    this.#finished = db.prepare(`UPDATE ${OCCURRENCES} SET open = 0, status = ?, position = ?
      WHERE schedule = ? AND task = ? AND open = 1`)
  }

  apply(events: readonly LogEvent[], touched: Touched): void {
    for (const { event, key, position } of events) {
      this.#apply(event, key, position)
      touched.schedules.add(key)
    }
  }

  #apply(event: RecordedEvent, key: string, position: number): void {
    const fact = factOf<ScheduleFact>(event)
    switch (fact.type) {
      case 'ScheduleRegistered':
      case 'ScheduleChanged': {
        const { name, cron, timezone, overlap, missed, description } = fact.data
        this.#define.run(key, name, cron, timezone, overlap, missed, description ?? null, position)
        return
      }
      case 'OccurrenceDue': {
        const { due, trigger, taskId } = fact.data
        this.#occurrence.run(key, due, 'due', trigger, null, taskId, 1, position)
        this.#decided.run(due, position, key)
        return
      }
      case 'OccurrenceSkipped': {
        const { due, reason } = fact.data
        this.#occurrence.run(key, due, 'skipped', null, reason, null, 0, position)
        this.#decided.run(due, position, key)
        return
      }
      case 'OccurrenceFinished':
        this.#finished.run(fact.data.status, position, key, fact.data.taskId)
        return
      case 'SchedulePaused':
        this.#pause.run(1, position, key)
        return
      case 'ScheduleResumed':
        this.#pause.run(0, position, key)
        return
      case 'ScheduleRemoved':
        this.#remove.run(position, key)
        return
    }
  }

  forget(): void {
    // Nothing is remembered.
  }
}
