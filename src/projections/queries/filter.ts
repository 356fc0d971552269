/**
 * From a JobFilter to SQL: the conditions, and the index that is cheapest for them. SQLite has no statistics of a table
 * that changes all the time, so the choice is made here, from the counts that are kept anyway.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { JsonValue } from '../../events/index.ts'
import { int, maybeInt } from '../columns.ts'
import {
  COUNTS,
  HIDDEN,
  INPUTS,
  JOB_INDEX,
  JOBS,
  OWNER_COUNTS,
  STATUS_CODE,
  statusOf,
  WORDS,
} from '../models/jobs-table.ts'
import type { JobFilter, JobStatus } from '../views.ts'

/** A filter with its words looked up, ready to be put into statements about `jobs j`. */
export interface JobSelection {
  /** No job can match, as for a name that no job has. */
  readonly none: boolean
  readonly name: number | undefined
  readonly owner: number | undefined
  readonly statuses: readonly JobStatus[] | undefined
  /** Conditions besides name, owner and status. */
  readonly where: readonly Condition[]
  /** The index of a small set of rows to search in, when one of the conditions has such. */
  readonly narrow: string | undefined
  readonly searched: boolean
}

interface Condition {
  readonly sql: string
  readonly args: readonly SQLInputValue[]
}

/** Free text is looked for in so many of the newest jobs: reading the inputs of a million takes over a second. */
export const SEARCHED_JOBS = 100_000
/** Up to so many rows of one session or owner are read and sorted rather than found in a status's order. */
const FEW = 20_000

export function selectionOf(db: DatabaseSync, filter: JobFilter): JobSelection {
  const where: Condition[] = []
  const add = (sql: string, ...args: SQLInputValue[]): Condition => {
    const condition = { sql, args }
    where.push(condition)
    return condition
  }
  let narrow: string | undefined
  const tryIndex = (index: string, condition: Condition) => {
    if (narrow === undefined && isFew(db, index, condition)) narrow = index
  }
  const name = filter.name === undefined ? undefined : wordNumber(db, filter.name)
  const owner = filter.ownerId === undefined ? undefined : wordNumber(db, filter.ownerId)
  const none =
    (filter.name !== undefined && name === undefined) || (filter.ownerId !== undefined && owner === undefined)
  if (filter.sessionId !== undefined) tryIndex(JOB_INDEX.session, add('j.session = ?', filter.sessionId))
  if (owner !== undefined) tryIndex(JOB_INDEX.owner, { sql: 'j.owner = ?', args: [owner] })
  if (filter.since !== undefined) tryIndex(JOB_INDEX.submission, add('j.submitted_at >= ?', filter.since))
  if (filter.until !== undefined) tryIndex(JOB_INDEX.submission, add('j.submitted_at < ?', filter.until))
  if (filter.tag !== undefined) add('EXISTS (SELECT 1 FROM json_each(j.tags) t WHERE t.value = ?)', filter.tag)
  for (const [field, value] of Object.entries(filter.params ?? {})) {
    const path = `$.${JSON.stringify(field)}`
    const param = `(SELECT json_extract(i.params, ?) FROM ${INPUTS} i WHERE i.n = j.n)`
    if (value === null) add(`(SELECT json_type(i.params, ?) FROM ${INPUTS} i WHERE i.n = j.n) = 'null'`, path)
    // As JSON: what another job has there may be a text that is none.
    else if (typeof value === 'object')
      add(`(SELECT i.params -> ? FROM ${INPUTS} i WHERE i.n = j.n) = json(?)`, path, JSON.stringify(value))
    // Text stands for what it says too: a query string cannot tell 5 from "5", nor true from "true".
    else
      add(
        `${param} IN (${equals(value)
          .map(() => '?')
          .join(',')})`,
        path,
        ...equals(value),
      )
  }
  const q = filter.q?.trim() ?? ''
  if (q !== '') {
    const like = containing(q)
    // In JSON a quote, a backslash and a line break are written otherwise than one reads them.
    const inParams = [...new Set([like, containing(JSON.stringify(q).slice(1, -1))])]
    add(
      `j.n > (SELECT max(n) FROM ${JOBS}) - ${SEARCHED_JOBS} AND (j.title LIKE ? ESCAPE '\\' OR j.id LIKE ? ESCAPE '\\'
        OR j.name IN (SELECT w.n FROM ${WORDS} w WHERE w.word LIKE ? ESCAPE '\\')
        OR EXISTS (SELECT 1 FROM ${INPUTS} i WHERE i.n = j.n
          AND (${inParams.map(() => "i.params LIKE ? ESCAPE '\\'").join(' OR ')})))`,
      like,
      like,
      like,
      ...inParams,
    )
  }
  return { none, name, owner, statuses: filter.status, where, narrow, searched: q !== '' }
}

/** As a pattern of LIKE: what is searched has some text. */
const NOTHING = ''

/**
 * The LIKE pattern, with `\\` as its escape, of what has `text` in it. Of one with a NUL only the part before that counts, and
 * what is searched has none: JSON writes it otherwise.
 */
function containing(text: string): string {
  if (text.includes('\0')) return NOTHING
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`
}

function equals(value: Exclude<JsonValue, object | null>): SQLInputValue[] {
  if (typeof value === 'boolean') return [value ? 1 : 0]
  if (typeof value === 'number') return [value]
  if (value === 'true' || value === 'false') return [value, value === 'true' ? 1 : 0]
  return value.trim() !== '' && Number.isFinite(Number(value)) ? [value, Number(value)] : [value]
}

function wordNumber(db: DatabaseSync, word: string): number | undefined {
  return maybeInt(db.prepare(`SELECT n FROM ${WORDS} WHERE word = ?`).get(word)?.n)
}

function isFew(db: DatabaseSync, index: string, { sql, args }: Condition): boolean {
  const bounded = `SELECT 1 FROM ${JOBS} j INDEXED BY ${index} WHERE ${sql} LIMIT ${FEW}`
  return int(db.prepare(`SELECT count(*) AS n FROM (${bounded})`).get(...args)?.n) < FEW
}

/** How many are in each status, by the counts that are kept; undefined when more is asked than names and owners. */
export function keptCounts(db: DatabaseSync, selection: JobSelection): Map<JobStatus, number> | undefined {
  if (selection.none) return new Map()
  return selection.where.length > 0 ? undefined : counted(db, selection)
}

function counted(db: DatabaseSync, { name, owner }: Pick<JobSelection, 'name' | 'owner'>): Map<JobStatus, number> {
  const where = [
    ...(owner === undefined ? [] : [`owner = ${owner}`]),
    ...(name === undefined ? [] : [`name = ${name}`]),
  ].join(' AND ')
  const table = owner === undefined ? COUNTS : OWNER_COUNTS
  const rows = db
    .prepare(`SELECT status, sum(count) AS n FROM ${table} ${where && `WHERE ${where}`} GROUP BY status`)
    .all()
  return new Map(rows.map((row) => [statusOf(int(row.status)), int(row.n)]))
}

/** Of these statuses, or of all. */
export function sumOf(counts: ReadonlyMap<JobStatus, number>, statuses: readonly JobStatus[] | undefined): number {
  let sum = 0
  for (const [status, count] of counts) if (statuses?.includes(status) ?? true) sum += count
  return sum
}

export interface FromWhere {
  /** `FROM … WHERE …` over `jobs j`, naming its index. */
  readonly sql: string
  readonly args: readonly SQLInputValue[]
}

/**
 * The rows of a selection with one of `statuses` (all views' statuses when undefined).
 * `by` is the order in which they are wanted: by submission (n), or by their place in one status (sort).
 */
export function fromWhere(
  db: DatabaseSync,
  selection: JobSelection,
  statuses: readonly JobStatus[] | undefined,
  by: { readonly order: 'n'; readonly wanted: number } | { readonly order: 'sort' } | { readonly order: 'none' },
): FromWhere {
  const conditions = [
    ...(selection.name === undefined ? [] : [`j.name = ${selection.name}`]),
    ...(selection.owner === undefined ? [] : [`j.owner = ${selection.owner}`]),
    statuses === undefined ? `j.status < ${HIDDEN}` : `j.status ${oneOf(statuses)}`,
    ...selection.where.map(({ sql }) => sql),
  ]
  const args = selection.where.flatMap((condition) => condition.args)
  return { sql: `FROM ${JOBS} j ${hint(db, selection, statuses, by)} WHERE ${conditions.join(' AND ')}`, args }
}

function hint(
  db: DatabaseSync,
  selection: JobSelection,
  statuses: readonly JobStatus[] | undefined,
  by: Parameters<typeof fromWhere>[3],
): string {
  if (selection.narrow !== undefined) return `INDEXED BY ${selection.narrow}`
  // What free text searches is a range of rows already.
  if (selection.searched || (selection.name === undefined && statuses === undefined)) return 'NOT INDEXED'
  const index = `INDEXED BY ${selection.name === undefined ? JOB_INDEX.status : JOB_INDEX.name}`
  if (by.order !== 'n') return index
  // Either walk the table in its order until enough match, or read all that match and sort them.
  const all = sumOf(counted(db, { name: undefined, owner: undefined }), undefined)
  const matching = sumOf(counted(db, { name: selection.name, owner: undefined }), statuses)
  const walked = (by.wanted * all) / Math.max(matching, 1)
  return matching <= walked * 4 ? index : 'NOT INDEXED'
}

function oneOf(statuses: readonly JobStatus[]): string {
  const codes = statuses.map((status) => STATUS_CODE[status])
  return codes.length === 1 ? `= ${codes[0]}` : `IN (${codes.join(',')})`
}
