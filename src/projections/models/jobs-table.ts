/**
 * The tables of the jobs read model, and how a job stands in its row.
 *
 * This is the hottest table: names, owners and nodes are small integers, as is the status; what the submission settles
 * for good is indexed and written once; and what may be large is in no column that a scan of the rows would read.
 */
import { TASK_STATUSES, type TaskError } from '../../events/index.ts'
import { int, jsonObject, maybeText, text } from '../columns.ts'
import {
  always,
  column,
  composed,
  FLAG,
  type Format,
  INT,
  JSON_OR_NULL,
  listOf,
  MAYBE_INT,
  MAYBE_TEXT,
  maybeJson,
  once,
  POSITION,
  RecordTable,
  readOnly,
  TEXT,
} from '../record-table.ts'
import type { JobStatus } from '../views.ts'
import { type JobRecord, sortTime } from './job-fold.ts'
import type { Words } from './words.ts'

export const JOBS_VERSION = 4
const V = `jobs_v${JOBS_VERSION}`
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

export function statusOf(code: number): JobStatus {
  const status = TASK_STATUSES[code % HIDDEN]
  if (status === undefined)
    throw new TypeError(`read.db holds the job status ${code}. Delete read.db: it is made again.`)
  return status
}

/** A number in the row; {@link JOB_JOINS} brings the word. */
const WORD: Format<string, Words> = { sql: INT.sql, read: text, write: (word, words) => words.numberOf(word) }
const MAYBE_WORD: Format<string | undefined, Words> = {
  sql: MAYBE_INT.sql,
  read: maybeText,
  write: (word, words) => (word === undefined ? null : words.numberOf(word)),
}

// The row's number counts submissions: newest first is the table's own order, backwards.
export const jobTable = new RecordTable<JobRecord, Words>(JOBS, {
  id: once(TEXT),
  name: once(WORD),
  status: composed(
    {
      status: column('on a move', INT, (job) => STATUS_CODE[job.status] + (job.hidden ? HIDDEN : 0)),
      sort: column('on a move', INT, sortTime),
    },
    (row) => statusOf(int(row.status)),
  ),
  hidden: readOnly((row) => int(row.status) >= HIDDEN),
  sessionId: once(MAYBE_TEXT, 'session'),
  ownerId: once(WORD, 'owner'),
  title: composed(
    { title: column('once', MAYBE_TEXT, (job) => (job.title === job.name ? undefined : job.title)) },
    (row) => maybeText(row.title) ?? text(row.name),
  ),
  tags: once(listOf<string>()),
  priority: once(INT),
  retries: once(INT),
  lockKey: once(MAYBE_TEXT),
  occurrence: composed(
    {
      occurrence_schedule: column('once', MAYBE_TEXT, (job) => job.occurrence?.schedule),
      occurrence_due: column('once', MAYBE_TEXT, (job) => job.occurrence?.due),
    },
    (row) => {
      const schedule = maybeText(row.occurrence_schedule)
      return schedule === undefined ? undefined : { schedule, due: text(row.occurrence_due) }
    },
  ),
  submittedAt: once(INT),
  expiresAt: once(MAYBE_INT),
  runAt: always(MAYBE_INT),
  startedAt: always(MAYBE_INT),
  finishedAt: always(MAYBE_INT),
  deadline: always(MAYBE_INT),
  run: always(INT),
  attempt: always(INT),
  failures: always(INT),
  crashes: always(INT),
  node: always(MAYBE_WORD),
  claim: always(MAYBE_TEXT),
  cancelRequested: always(FLAG),
  cancelledBy: always(MAYBE_TEXT),
  position: always(POSITION),
  progress: always(maybeJson<NonNullable<JobRecord['progress']>>()),
  error: always(maybeJson<TaskError>()),
  result: always(JSON_OR_NULL),
  params: readOnly((row) => jsonObject(row.params)),
  lockWait: readOnly(() => undefined),
})

export const JOB_TABLES = `
    ${jobTable.definition};
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
  `

const words = { name: 'jn.word', owner: 'jo.word', node: 'jw.word' }
/** All that a JobRecord is made of, for its `read`. */
export const JOB_COLUMNS = jobTable.select('j', { ...words, params: 'i.params' })

/** Of JSON, in bytes: a card on a board has no larger input or result. */
const MOST_ON_A_CARD = 8192
const isSmall = (column: string): string => `coalesce(octet_length(${column}) <= ${MOST_ON_A_CARD}, TRUE)`
const ifSmall = (column: string): string => `CASE WHEN ${isSmall(column)} THEN ${column} END`
/** The same for a card, and whether that has it all. SQLite does not read what is left out. */
export const CARD_COLUMNS = jobTable.select('j', {
  ...words,
  result: ifSmall('j.result'),
  params: `coalesce(${ifSmall('i.params')}, '{}')`,
  whole: `${isSmall('j.result')} AND ${isSmall('i.params')}`,
})
/** Beside the rows as `j`. */
export const JOB_JOINS = `JOIN ${WORDS} jn ON jn.n = j.name JOIN ${WORDS} jo ON jo.n = j.owner
  LEFT JOIN ${WORDS} jw ON jw.n = j.node JOIN ${INPUTS} i ON i.n = j.n`
