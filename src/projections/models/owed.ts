/**
 * The owed read model: which ended runs have a callback to be delivered or an onFailure task to be submitted, so that a
 * process that dies in between leaves nothing undone. What has been done has no row.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { factOf, type RecordedEvent, type Submission, type TaskFact } from '../../events/index.ts'
import { int, type Row } from '../columns.ts'
import type { LogEvent } from '../log-events.ts'
import type { Projection, ReadModel } from '../read-model.ts'
import { retiredOf } from '../retired.ts'

const VERSION = 2
const V = `owed_v${VERSION}`
/** Tasks whose runs will owe something: live ones, and ended ones that may be requeued. */
export const OWING = `${V}_tasks`
export const OWED = `${V}_runs`

export const owedModel: ReadModel = {
  name: 'owed',
  version: VERSION,
  kinds: ['task', 'audit'],
  tables: `
    CREATE TABLE ${OWING} (
      task TEXT PRIMARY KEY,
      run INTEGER NOT NULL,
      live INTEGER NOT NULL,
      callback INTEGER NOT NULL,
      on_failure INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE ${OWED} (
      task TEXT NOT NULL,
      run INTEGER NOT NULL,
      what TEXT NOT NULL,
      event TEXT NOT NULL,
      PRIMARY KEY (task, run, what)
    ) WITHOUT ROWID;
  `,
  open: (db) => new OwedProjection(db),
}

class OwedProjection implements Projection {
  /** Most apps use neither: then an ended run costs no look. */
  #some: boolean | undefined
  readonly #isSome: StatementSync
  readonly #select: StatementSync
  readonly #insert: StatementSync
  readonly #rerun: StatementSync
  readonly #rest: StatementSync
  readonly #drop: StatementSync
  readonly #owe: StatementSync
  readonly #settle: StatementSync
  readonly #settleAll: StatementSync

  constructor(db: DatabaseSync) {
    this.#isSome = db.prepare(`SELECT 1 FROM ${OWING} LIMIT 1`)
    this.#select = db.prepare(`SELECT run, callback, on_failure FROM ${OWING} WHERE task = ?`)
    this.#insert = db.prepare(
      `INSERT OR IGNORE INTO ${OWING} (task, run, live, callback, on_failure) VALUES (?, 1, 1, ?, ?)`,
    )
    this.#rerun = db.prepare(`UPDATE ${OWING} SET run = ?, live = 1 WHERE task = ?`)
    this.#rest = db.prepare(`UPDATE ${OWING} SET live = 0 WHERE task = ?`)
    this.#drop = db.prepare(`DELETE FROM ${OWING} WHERE task = ?`)
    this.#owe = db.prepare(`INSERT OR IGNORE INTO ${OWED} (task, run, what, event) VALUES (?, ?, ?, ?)`)
    this.#settle = db.prepare(`DELETE FROM ${OWED} WHERE task = ? AND run = ? AND what = ?`)
    this.#settleAll = db.prepare(`DELETE FROM ${OWED} WHERE task = ?`)
  }

  apply(events: readonly LogEvent[]): void {
    for (const { event, kind, key } of events) {
      if (kind === 'task') this.#apply(event, key)
      else this.#retired(event)
    }
  }

  #retired(event: RecordedEvent): void {
    const retired = retiredOf(event)
    if (retired?.kind !== 'task') return
    this.#drop.run(retired.id)
    this.#settleAll.run(retired.id)
  }

  #apply(event: RecordedEvent, task: string): void {
    const fact = factOf<TaskFact>(event)
    switch (fact.type) {
      case 'TaskSubmitted':
      case 'TaskScheduled':
        return this.#submitted(task, fact.data)
      case 'TaskRequeued':
        if (this.#any()) this.#rerun.run(fact.data.run, task)
        return
      case 'TaskCompleted':
      case 'TaskFailed':
      case 'TaskTimedOut':
      case 'TaskCancelled':
        return this.#ended(task, fact.type, event.id)
      case 'CallbackDelivered':
      case 'CallbackFailed':
        this.#settle.run(task, fact.data.run, 'callback')
        return
      default:
    }
  }

  #submitted(task: string, { callbackUrl, onFailure, failureOf }: Submission): void {
    if (failureOf) this.#settle.run(failureOf.taskId, failureOf.run, 'on-failure')
    if (callbackUrl === undefined && !onFailure) return
    this.#some = true
    this.#insert.run(task, callbackUrl === undefined ? 0 : 1, onFailure ? 1 : 0)
  }

  #ended(task: string, type: string, event: string): void {
    const owing: Row | undefined = this.#any() ? this.#select.get(task) : undefined
    if (!owing) return
    const run = int(owing.run)
    if (owing.callback === 1) this.#owe.run(task, run, 'callback', event)
    if (owing.on_failure === 1 && (type === 'TaskFailed' || type === 'TaskTimedOut')) {
      this.#owe.run(task, run, 'on-failure', event)
    }
    // A completed task has no further run.
    if (type === 'TaskCompleted') this.#drop.run(task)
    else this.#rest.run(task)
  }

  #any(): boolean {
    this.#some ??= this.#isSome.get() !== undefined
    return this.#some
  }

  forget(): void {
    this.#some = undefined
  }
}
