/**
 * The jobs read model: one row for each task, the count of each name and status, and the counts of each session.
 *
 * All events of a job in a batch become one write, and live jobs stay in memory: a rebuild takes every event of the log.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { isEnded } from '../../events/index.ts'
import { int, maybeInt, text } from '../columns.ts'
import type { LogEvent } from '../log-events.ts'
import type { Projection, ReadModel, Touched } from '../read-model.ts'
import type { RowWriter } from '../record-table.ts'
import { retiredOf } from '../retired.ts'
import { foldJob, type JobRecord, sortTime } from './job-fold.ts'
import { JobTally } from './job-tally.ts'
import {
  INPUTS,
  JOB_COLUMNS,
  JOB_JOINS,
  JOB_TABLES,
  JOBS,
  JOBS_VERSION,
  jobTable,
  SESSION_JOBS,
  WORDS,
} from './jobs-table.ts'
import { phaseOf, SessionTally } from './session-tally.ts'
import { Words } from './words.ts'

export const jobsModel: ReadModel = {
  name: 'jobs',
  version: JOBS_VERSION,
  kinds: ['task', 'audit'],
  tables: JOB_TABLES,
  open: (db) => new JobsProjection(db),
}

interface Resident {
  readonly n: number
  job: JobRecord
  /** Roughly the bytes of its params, which may be large. */
  readonly weight: number
}

interface Change {
  readonly n: number
  /** As the table has it; undefined for a new row. */
  readonly before: JobRecord | undefined
  /** Undefined when the task was retired. */
  after: JobRecord | undefined
  /** Of the last event that changed what its session says of its jobs. */
  phaseChangedAt: number | undefined
}

/** By the job's id. */
type Changes = Map<string, Change>

const MOST_RESIDENTS = 50_000
const MOST_RESIDENT_BYTES = 32 * 1024 * 1024

class JobsProjection implements Projection {
  readonly #residents = new Map<string, Resident>()
  #residentBytes = 0
  #nextN: number
  readonly #words: Words
  readonly #tally: JobTally
  readonly #sessions: SessionTally
  readonly #rows: RowWriter<JobRecord, Words>
  readonly #lastN: StatementSync
  readonly #select: StatementSync
  readonly #insertInput: StatementSync
  readonly #deleteInput: StatementSync

  constructor(db: DatabaseSync) {
    this.#words = new Words(db, WORDS)
    this.#tally = new JobTally(db, this.#words)
    this.#sessions = new SessionTally(db, SESSION_JOBS)
    this.#rows = jobTable.open(db, this.#words)
    this.#lastN = db.prepare(`SELECT max(n) AS n FROM ${JOBS}`)
    this.#nextN = this.#readNextN()
    this.#select = db.prepare(`SELECT ${JOB_COLUMNS} FROM ${JOBS} j ${JOB_JOINS} WHERE j.id = ?`)
    this.#insertInput = db.prepare(`INSERT INTO ${INPUTS} (n, params) VALUES (?, ?)`)
    this.#deleteInput = db.prepare(`DELETE FROM ${INPUTS} WHERE n = ?`)
  }

  apply(events: readonly LogEvent[], touched: Touched): void {
    const changes: Changes = new Map()
    for (const event of events) this.#takeIn(event, changes, touched)
    for (const change of changes.values()) {
      this.#write(change)
      touch(touched, change)
    }
    this.#tally.flush()
    this.#sessions.flush()
    this.#evict()
  }

  #takeIn({ event, kind, key, position }: LogEvent, changes: Changes, touched: Touched): void {
    if (kind === 'task') return this.#change(key, (job) => foldJob(job, key, event), position, changes)
    const retired = retiredOf(event)
    if (retired?.kind === 'session') this.#sessions.retire(retired.id)
    if (retired?.kind !== 'task') return
    // What its session says of it is as of now, whether or not the log still told of the task.
    if (retired.sessionId !== undefined) {
      this.#sessions.note(retired.sessionId, position)
      touched.jobSessions.add(retired.sessionId)
    }
    this.#change(retired.id, () => undefined, position, changes)
  }

  #change(
    id: string,
    next: (job: JobRecord | undefined) => JobRecord | undefined,
    position: number,
    changes: Changes,
  ): void {
    let change = changes.get(id)
    const known = change === undefined ? this.#resident(id) : undefined
    const job = change === undefined ? known?.job : change.after
    const after = next(job)
    if (after === job) return
    if (change === undefined) {
      change = { n: known?.n ?? this.#nextN++, before: job, after, phaseChangedAt: undefined }
      changes.set(id, change)
    }
    change.after = after
    if (phaseOf(job) !== phaseOf(after)) change.phaseChangedAt = position
  }

  forget(): void {
    this.#residents.clear()
    this.#residentBytes = 0
    this.#words.forget()
    this.#tally.forget()
    this.#sessions.forget()
    this.#nextN = this.#readNextN()
  }

  #readNextN(): number {
    return (maybeInt(this.#lastN.get()?.n) ?? 0) + 1
  }

  #resident(id: string): Resident | undefined {
    const resident = this.#residents.get(id)
    if (resident !== undefined) return resident
    const row = this.#select.get(id)
    if (row === undefined) return undefined
    return this.#keep({ n: int(row.n), job: jobTable.read(row), weight: text(row.params).length })
  }

  #keep(resident: Resident): Resident {
    this.#residents.set(resident.job.id, resident)
    this.#residentBytes += resident.weight
    return resident
  }

  #write({ n, before, after, phaseChangedAt }: Change): void {
    if (after === undefined) {
      if (before !== undefined) this.#remove(n, before)
    } else if (before === undefined) {
      this.#add(n, after)
    } else {
      this.#update(n, before, after)
    }
    this.#tally.move(before, after)
    if (phaseChangedAt !== undefined) this.#sessions.move(before, after, phaseChangedAt)
  }

  #add(n: number, job: JobRecord): void {
    const params = JSON.stringify(job.params)
    this.#rows.insert(n, job)
    this.#insertInput.run(n, params)
    if (!isEnded(job.status)) this.#keep({ n, job, weight: params.length })
  }

  #update(n: number, before: JobRecord, after: JobRecord): void {
    const moved =
      after.status !== before.status || after.hidden !== before.hidden || sortTime(after) !== sortTime(before)
    this.#rows.update(n, after, moved)
    const resident = this.#residents.get(after.id)
    // An ended job rarely comes back.
    if (isEnded(after.status)) this.#drop(resident)
    else if (resident !== undefined) resident.job = after
  }

  #remove(n: number, job: JobRecord): void {
    this.#rows.delete(n)
    this.#deleteInput.run(n)
    this.#drop(this.#residents.get(job.id))
  }

  #drop(resident: Resident | undefined): void {
    if (resident === undefined) return
    this.#residents.delete(resident.job.id)
    this.#residentBytes -= resident.weight
  }

  /** Those that were here longest go first. */
  #evict(): void {
    if (this.#residents.size <= MOST_RESIDENTS && this.#residentBytes <= MOST_RESIDENT_BYTES) return
    for (const resident of this.#residents.values()) {
      if (this.#residents.size <= MOST_RESIDENTS / 2 && this.#residentBytes <= MOST_RESIDENT_BYTES / 2) return
      this.#drop(resident)
    }
  }
}

function touch(touched: Touched, { before, after }: Change): void {
  const job = after ?? before
  if (job === undefined) return
  touched.jobs.add(job.id)
  touched.jobNames.add(job.name)
  if (job.sessionId !== undefined) touched.jobSessions.add(job.sessionId)
  if (job.occurrence !== undefined) touched.schedules.add(job.occurrence.schedule)
}
