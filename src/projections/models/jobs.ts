/**
 * The jobs read model: one row for each task, the count of each name and status, and the counts of each session.
 *
 * This is the hottest table, so all events of a job in a batch become one write, live jobs stay in memory, names and
 * statuses are small integers, and what never changes after the submission is indexed and written once.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { isEnded, TASK_STATUSES, type TaskError } from '../../events/index.ts'
import { int, json, jsonObject, maybeInt, maybeText, position, type Row, text } from '../columns.ts'
import type { LogEvent, Projection, ReadModel, Touched } from '../read-model.ts'
import { retiredOf } from '../retired.ts'
import type { JobStatus } from '../views.ts'
import { foldJob, type JobRecord, sortTime } from './job-fold.ts'
import { phaseOf, SessionTally } from './session-tally.ts'

const VERSION = 4
const V = `jobs_v${VERSION}`
export const JOBS = `${V}_rows`
export const INPUTS = `${V}_inputs`
export const WORDS = `${V}_words`
export const COUNTS = `${V}_counts`
export const OWNER_COUNTS = `${V}_counts_of_owners`
export const SESSION_JOBS = `${V}_of_sessions`
export const JOB_INDEX = {
  status: `${V}_by_status`,
  name: `${V}_by_name`,
  owner: `${V}_by_owner`,
  session: `${V}_by_session`,
  submission: `${V}_by_submission`,
} as const

/** A status in a row: its place in TASK_STATUSES. A hidden job has HIDDEN added, so that no view's index range has it. */
export const STATUS_CODE = Object.fromEntries(TASK_STATUSES.map((status, code) => [status, code])) as Readonly<
  Record<JobStatus, number>
>
export const HIDDEN = 8

export const jobsModel: ReadModel = {
  name: 'jobs',
  version: VERSION,
  kinds: ['task', 'audit'],
  // n counts submissions: newest first is the table's own order, backwards.
  tables: `
    CREATE TABLE ${JOBS} (
      n INTEGER PRIMARY KEY,
      id TEXT NOT NULL,
      name INTEGER NOT NULL,
      status INTEGER NOT NULL,
      sort INTEGER NOT NULL,
      session TEXT,
      owner INTEGER NOT NULL,
      title TEXT,
      tags TEXT,
      priority INTEGER NOT NULL,
      retries INTEGER NOT NULL,
      lock_key TEXT,
      occurrence_schedule TEXT,
      occurrence_due TEXT,
      submitted_at INTEGER NOT NULL,
      expires_at INTEGER,
      run_at INTEGER,
      started_at INTEGER,
      finished_at INTEGER,
      deadline INTEGER,
      run INTEGER NOT NULL,
      attempt INTEGER NOT NULL,
      failures INTEGER NOT NULL,
      crashes INTEGER NOT NULL,
      node INTEGER,
      claim TEXT,
      cancel_requested INTEGER NOT NULL,
      cancelled_by TEXT,
      position INTEGER NOT NULL,
      progress TEXT,
      error TEXT,
      result TEXT
    );
    CREATE UNIQUE INDEX ${V}_by_id ON ${JOBS}(id);
    CREATE INDEX ${JOB_INDEX.status} ON ${JOBS}(status, sort);
    CREATE INDEX ${JOB_INDEX.name} ON ${JOBS}(name, status, sort);
    CREATE INDEX ${JOB_INDEX.owner} ON ${JOBS}(owner);
    CREATE INDEX ${JOB_INDEX.session} ON ${JOBS}(session) WHERE session IS NOT NULL;
    CREATE INDEX ${JOB_INDEX.submission} ON ${JOBS}(submitted_at);
    CREATE TABLE ${INPUTS} (n INTEGER PRIMARY KEY, params TEXT NOT NULL);
    CREATE TABLE ${WORDS} (n INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
    CREATE TABLE ${COUNTS} (name INTEGER, status INTEGER, count INTEGER NOT NULL, PRIMARY KEY (name, status)) WITHOUT ROWID;
    CREATE TABLE ${OWNER_COUNTS} (
      owner INTEGER, name INTEGER, status INTEGER, count INTEGER NOT NULL, PRIMARY KEY (owner, name, status)
    ) WITHOUT ROWID;
    CREATE TABLE ${SESSION_JOBS} (
      session TEXT PRIMARY KEY,
      running INTEGER NOT NULL,
      waiting INTEGER NOT NULL,
      completed INTEGER NOT NULL,
      failed INTEGER NOT NULL,
      position INTEGER NOT NULL
    ) WITHOUT ROWID;
  `,
  open: (db) => new JobsProjection(db),
}

const columns = (
  result: string,
  params: string,
): string => `j.n, j.id, jn.word AS name, j.status, j.session, jo.word AS owner, j.title, j.tags, j.priority,
  j.retries, j.lock_key, j.occurrence_schedule, j.occurrence_due, j.submitted_at, j.expires_at, j.run_at, j.started_at,
  j.finished_at, j.deadline, j.run, j.attempt, j.failures, j.crashes, jw.word AS node, j.claim, j.cancel_requested,
  j.cancelled_by, j.position, j.progress, j.error, ${result} AS result, ${params} AS params`

/** All that a JobRecord is made of, for {@link jobOf}. */
export const JOB_COLUMNS = columns('j.result', 'i.params')

/** Of JSON, in bytes: a card on a board has no larger input or result. */
const MOST_ON_A_CARD = 8192
const isSmall = (column: string): string => `coalesce(octet_length(${column}) <= ${MOST_ON_A_CARD}, TRUE)`
const ifSmall = (column: string): string => `CASE WHEN ${isSmall(column)} THEN ${column} END`
/** The same for a card, and whether that has it all. SQLite does not read what is left out. */
export const CARD_COLUMNS = `${columns(ifSmall('j.result'), `coalesce(${ifSmall('i.params')}, '{}')`)},
  ${isSmall('j.result')} AND ${isSmall('i.params')} AS whole`
export const JOB_JOINS = `JOIN ${WORDS} jn ON jn.n = j.name JOIN ${WORDS} jo ON jo.n = j.owner
  LEFT JOIN ${WORDS} jw ON jw.n = j.node JOIN ${INPUTS} i ON i.n = j.n`

export function statusOf(code: number): JobStatus {
  const status = TASK_STATUSES[code % HIDDEN]
  if (status === undefined)
    throw new TypeError(`read.db holds the job status ${code}. Delete read.db: it is made again.`)
  return status
}

export function jobOf(row: Row): JobRecord {
  const code = int(row.status)
  const name = text(row.name)
  const schedule = maybeText(row.occurrence_schedule)
  return {
    id: text(row.id),
    name,
    title: maybeText(row.title) ?? name,
    status: statusOf(code),
    params: jsonObject(row.params),
    result: json(row.result),
    error: row.error === null ? undefined : (JSON.parse(text(row.error)) as TaskError),
    attempt: int(row.attempt),
    retries: int(row.retries),
    failures: int(row.failures),
    crashes: int(row.crashes),
    progress: row.progress === null ? undefined : (JSON.parse(text(row.progress)) as JobRecord['progress']),
    lockKey: maybeText(row.lock_key),
    lockWait: undefined,
    sessionId: maybeText(row.session),
    ownerId: text(row.owner),
    tags: row.tags === null ? [] : (JSON.parse(text(row.tags)) as string[]),
    priority: int(row.priority),
    submittedAt: int(row.submitted_at),
    runAt: maybeInt(row.run_at),
    startedAt: maybeInt(row.started_at),
    finishedAt: maybeInt(row.finished_at),
    deadline: maybeInt(row.deadline),
    node: maybeText(row.node),
    claim: maybeText(row.claim),
    cancelRequested: row.cancel_requested === 1,
    cancelledBy: maybeText(row.cancelled_by),
    occurrence: schedule === undefined ? undefined : { schedule, due: text(row.occurrence_due) },
    position: position(row.position),
    hidden: code >= HIDDEN,
    expiresAt: maybeInt(row.expires_at),
    run: int(row.run),
  }
}

/** Columns that an event may change, in the order in which they are written. */
const CHANGING =
  `run_at, started_at, finished_at, deadline, run, attempt, failures, crashes, node, claim, cancel_requested,
  cancelled_by, position, progress, error, result`.split(/,\s+/)
/** Columns that the submission settles for good. */
const SETTLED =
  `id, name, session, owner, title, tags, priority, retries, lock_key, occurrence_schedule, occurrence_due,
  submitted_at, expires_at`.split(/,\s+/)
const INSERTED = [...CHANGING, 'status', 'sort', 'n', ...SETTLED]

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

const MOST_RESIDENTS = 50_000
const MOST_RESIDENT_BYTES = 32 * 1024 * 1024

class JobsProjection implements Projection {
  readonly #residents = new Map<string, Resident>()
  #residentBytes = 0
  #nextN: number
  readonly #words: Words
  readonly #tally: Tally
  readonly #sessions: SessionTally
  readonly #lastN: StatementSync
  readonly #select: StatementSync
  readonly #insert: StatementSync
  readonly #insertInput: StatementSync
  readonly #update: StatementSync
  readonly #move: StatementSync
  readonly #delete: StatementSync
  readonly #deleteInput: StatementSync

  constructor(db: DatabaseSync) {
    this.#words = new Words(db)
    this.#tally = new Tally(db)
    this.#sessions = new SessionTally(db, SESSION_JOBS)
    this.#lastN = db.prepare(`SELECT max(n) AS n FROM ${JOBS}`)
    this.#nextN = this.#readNextN()
    this.#select = db.prepare(`SELECT ${JOB_COLUMNS} FROM ${JOBS} j ${JOB_JOINS} WHERE j.id = ?`)
    this.#insert = db.prepare(
      `INSERT INTO ${JOBS} (${INSERTED.join(', ')}) VALUES (${INSERTED.map(() => '?').join(', ')})`,
    )
    this.#insertInput = db.prepare(`INSERT INTO ${INPUTS} (n, params) VALUES (?, ?)`)
    const changing = CHANGING.map((column) => `${column} = ?`).join(', ')
    // SQLite rewrites the index entries of every column that is named here, changed or not: so two statements.
    this.#update = db.prepare(`UPDATE ${JOBS} SET ${changing} WHERE n = ?`)
    this.#move = db.prepare(`UPDATE ${JOBS} SET ${changing}, status = ?, sort = ? WHERE n = ?`)
    this.#delete = db.prepare(`DELETE FROM ${JOBS} WHERE n = ?`)
    this.#deleteInput = db.prepare(`DELETE FROM ${INPUTS} WHERE n = ?`)
  }

  apply(events: readonly LogEvent[], touched: Touched): void {
    const changes = new Map<string, Change>()
    for (const { event, kind, key, position } of events) {
      const retired = kind === 'audit' ? retiredOf(event) : undefined
      if (kind === 'audit' && retired === undefined) continue
      if (retired?.kind === 'session') {
        this.#sessions.retire(retired.id)
        continue
      }
      const id = retired?.id ?? key
      let change = changes.get(id)
      const known = change === undefined ? this.#resident(id) : undefined
      const job = change === undefined ? known?.job : change.after
      // What its session says of it is as of now, whether or not the log still told of the task.
      if (retired?.sessionId !== undefined) {
        this.#sessions.note(retired.sessionId, position)
        touched.jobSessions.add(retired.sessionId)
      }
      const after = retired === undefined ? foldJob(job, id, event) : undefined
      if (after === job) continue
      if (change === undefined) {
        change = { n: known?.n ?? this.#nextN++, before: job, after, phaseChangedAt: undefined }
        changes.set(id, change)
      }
      change.after = after
      if (phaseOf(job) !== phaseOf(after)) change.phaseChangedAt = position
    }
    for (const change of changes.values()) {
      this.#write(change)
      touch(touched, change)
    }
    this.#tally.flush()
    this.#sessions.flush()
    this.#evict()
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
    return this.#keep({ n: int(row.n), job: jobOf(row), weight: text(row.params).length })
  }

  #keep(resident: Resident): Resident {
    this.#residents.set(resident.job.id, resident)
    this.#residentBytes += resident.weight
    return resident
  }

  #write({ n, before, after, phaseChangedAt }: Change): void {
    if (after === undefined) {
      if (before !== undefined) this.#remove(n, before, phaseChangedAt)
      return
    }
    const status = STATUS_CODE[after.status] + (after.hidden ? HIDDEN : 0)
    const sort = sortTime(after)
    const changing = [
      after.runAt ?? null,
      after.startedAt ?? null,
      after.finishedAt ?? null,
      after.deadline ?? null,
      after.run,
      after.attempt,
      after.failures,
      after.crashes,
      after.node === undefined ? null : this.#words.numberOf(after.node),
      after.claim ?? null,
      after.cancelRequested ? 1 : 0,
      after.cancelledBy ?? null,
      Number(after.position),
      after.progress === undefined ? null : JSON.stringify(after.progress),
      after.error === undefined ? null : JSON.stringify(after.error),
      after.result === null ? null : JSON.stringify(after.result),
    ]
    const name = this.#words.numberOf(after.name)
    const owner = this.#words.numberOf(after.ownerId)
    if (before === undefined) {
      const params = JSON.stringify(after.params)
      this.#insert.run(
        ...changing,
        status,
        sort,
        n,
        after.id,
        name,
        after.sessionId ?? null,
        owner,
        after.title === after.name ? null : after.title,
        after.tags.length === 0 ? null : JSON.stringify(after.tags),
        after.priority,
        after.retries,
        after.lockKey ?? null,
        after.occurrence?.schedule ?? null,
        after.occurrence?.due ?? null,
        after.submittedAt,
        after.expiresAt ?? null,
      )
      this.#insertInput.run(n, params)
      if (!isEnded(after.status)) this.#keep({ n, job: after, weight: params.length })
    } else {
      const moved = after.status !== before.status || after.hidden !== before.hidden || sort !== sortTime(before)
      if (moved) this.#move.run(...changing, status, sort, n)
      else this.#update.run(...changing, n)
      const resident = this.#residents.get(after.id)
      // An ended job rarely comes back.
      if (isEnded(after.status)) this.#drop(resident)
      else if (resident !== undefined) resident.job = after
    }
    this.#tally.move(owner, name, before, after)
    if (phaseChangedAt !== undefined) this.#sessions.move(before, after, phaseChangedAt)
  }

  #remove(n: number, job: JobRecord, phaseChangedAt: number | undefined): void {
    this.#delete.run(n)
    this.#deleteInput.run(n)
    this.#drop(this.#residents.get(job.id))
    this.#tally.move(this.#words.numberOf(job.ownerId), this.#words.numberOf(job.name), job, undefined)
    if (phaseChangedAt !== undefined) this.#sessions.move(job, undefined, phaseChangedAt)
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

/** Names, owners and nodes as small integers. */
class Words {
  readonly #numbers = new Map<string, number>()
  readonly #select: StatementSync
  readonly #insert: StatementSync

  constructor(db: DatabaseSync) {
    this.#select = db.prepare(`SELECT n FROM ${WORDS} WHERE word = ?`)
    this.#insert = db.prepare(`INSERT INTO ${WORDS} (word) VALUES (?)`)
  }

  numberOf(word: string): number {
    const known = this.#numbers.get(word)
    if (known !== undefined) return known
    if (this.#numbers.size >= 10_000) this.#numbers.clear()
    const n = maybeInt(this.#select.get(word)?.n) ?? Number(this.#insert.run(word).lastInsertRowid)
    this.#numbers.set(word, n)
    return n
  }

  forget(): void {
    this.#numbers.clear()
  }
}

/** How many jobs of each name, and of each owner's, are in each status, so that a board's counts cost nothing. */
class Tally {
  /** By owner, name and status code. */
  readonly #changes = new Map<string, { owner: number; name: number; status: number; by: number }>()
  readonly #add: StatementSync
  readonly #addOfOwner: StatementSync

  constructor(db: DatabaseSync) {
    this.#add = db.prepare(`INSERT INTO ${COUNTS} (name, status, count) VALUES (?, ?, ?)
      ON CONFLICT DO UPDATE SET count = count + excluded.count`)
    this.#addOfOwner = db.prepare(`INSERT INTO ${OWNER_COUNTS} (owner, name, status, count) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET count = count + excluded.count`)
  }

  move(owner: number, name: number, before: JobRecord | undefined, after: JobRecord | undefined): void {
    if (before?.status === after?.status && before?.hidden === after?.hidden) return
    if (before !== undefined && !before.hidden) this.#count(owner, name, before.status, -1)
    if (after !== undefined && !after.hidden) this.#count(owner, name, after.status, 1)
  }

  #count(owner: number, name: number, status: JobStatus, by: number): void {
    const key = `${owner}.${name}.${status}`
    const change = this.#changes.get(key)
    if (change === undefined) this.#changes.set(key, { owner, name, status: STATUS_CODE[status], by })
    else change.by += by
  }

  flush(): void {
    const byName = new Map<number, number>()
    for (const { owner, name, status, by } of this.#changes.values()) {
      if (by === 0) continue
      this.#addOfOwner.run(owner, name, status, by)
      const key = name * HIDDEN + status
      byName.set(key, (byName.get(key) ?? 0) + by)
    }
    for (const [key, by] of byName) if (by !== 0) this.#add.run(Math.floor(key / HIDDEN), key % HIDDEN, by)
    this.#changes.clear()
  }

  forget(): void {
    this.#changes.clear()
  }
}
