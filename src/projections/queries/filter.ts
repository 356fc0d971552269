/**
 * From a JobFilter to SQL: the conditions, and the index that is cheapest for them. SQLite has no statistics of a table
 * that changes all the time, so the choice is made here, from the counts that are kept anyway.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { JsonValue } from '../../events/index.ts'
import { int, maybeInt } from '../columns.ts'
import { COUNTS, HIDDEN, INPUTS, JOB_INDEX, JOBS, STATUS_CODE, WORDS } from '../models/jobs.ts'
import type { JobFilter, JobStatus } from '../views.ts'

/** A filter with its words looked up, ready to be put into statements about `jobs j`. */
export interface JobSelection {
  /** No job can match, as for a name that no job has. */
  readonly none: boolean
  readonly name: number | undefined
  readonly statuses: readonly JobStatus[] | undefined
  /** Conditions besides name and status; empty when there are none. */
  readonly where: string
  readonly args: readonly SQLInputValue[]
  /** A small set of rows to search in, when there is one. */
  readonly narrow: { readonly index: string; readonly where: string; readonly arg: SQLInputValue } | undefined
}

/** Free text is looked for in so many of the newest jobs: reading the inputs of a million takes over a second. */
export const SEARCHED_JOBS = 100_000
/** Up to so many rows of one session or owner are read and sorted rather than found in a status's order. */
const FEW = 20_000

export function select(db: DatabaseSync, filter: JobFilter): JobSelection {
  const conditions: string[] = []
  const args: SQLInputValue[] = []
  const add = (condition: string, ...values: SQLInputValue[]) => {
    conditions.push(condition)
    args.push(...values)
  }
  const name = filter.name === undefined ? undefined : wordNumber(db, filter.name)
  const owner = filter.ownerId === undefined ? undefined : wordNumber(db, filter.ownerId)
  const none =
    (filter.name !== undefined && name === undefined) || (filter.ownerId !== undefined && owner === undefined)
  let narrow: JobSelection['narrow']
  if (filter.sessionId !== undefined) {
    const session = { index: JOB_INDEX.session, where: 'j.session = ?', arg: filter.sessionId }
    if (isFew(db, session)) narrow = session
    else add('j.session = ?', filter.sessionId)
  }
  if (owner !== undefined) {
    const own = { index: JOB_INDEX.owner, where: 'j.owner = ?', arg: owner }
    if (narrow === undefined && isFew(db, own)) narrow = own
    else add('j.owner = ?', owner)
  }
  if (filter.tag !== undefined) add('EXISTS (SELECT 1 FROM json_each(j.tags) t WHERE t.value = ?)', filter.tag)
  if (filter.since !== undefined) add('j.submitted_at >= ?', filter.since)
  if (filter.until !== undefined) add('j.submitted_at < ?', filter.until)
  for (const [field, value] of Object.entries(filter.params ?? {})) {
    const path = `$.${JSON.stringify(field)}`
    const param = `(SELECT json_extract(i.params, ?) FROM ${INPUTS} i WHERE i.n = j.n)`
    if (value === null) add(`(SELECT json_type(i.params, ?) FROM ${INPUTS} i WHERE i.n = j.n) = 'null'`, path)
    else if (typeof value === 'object') add(`json(${param}) = json(?)`, path, JSON.stringify(value))
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
  if (filter.q !== undefined && filter.q.trim() !== '') {
    const like = `%${filter.q.trim().replace(/[\\%_]/g, '\\$&')}%`
    add(
      `j.n > (SELECT max(n) FROM ${JOBS}) - ${SEARCHED_JOBS} AND (j.title LIKE ? ESCAPE '\\' OR j.id LIKE ? ESCAPE '\\'
        OR j.name IN (SELECT w.n FROM ${WORDS} w WHERE w.word LIKE ? ESCAPE '\\')
        OR EXISTS (SELECT 1 FROM ${INPUTS} i WHERE i.n = j.n AND i.params LIKE ? ESCAPE '\\'))`,
      like,
      like,
      like,
      like,
    )
  }
  return { none, name, statuses: filter.status, where: conditions.join(' AND '), args, narrow }
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

function isFew(db: DatabaseSync, { index, where, arg }: NonNullable<JobSelection['narrow']>): boolean {
  const bounded = `SELECT 1 FROM ${JOBS} j INDEXED BY ${index} WHERE ${where} LIMIT ${FEW}`
  return int(db.prepare(`SELECT count(*) AS n FROM (${bounded})`).get(arg)?.n) < FEW
}

/** How many jobs of these statuses, by the counts that are kept; exact for a selection of names and statuses alone. */
export function tally(db: DatabaseSync, name: number | undefined, statuses: readonly JobStatus[] | undefined): number {
  const codes = statuses?.map((status) => STATUS_CODE[status]).join(',')
  const where = [
    ...(name === undefined ? [] : [`name = ${name}`]),
    ...(codes === undefined ? [] : [`status IN (${codes})`]),
  ].join(' AND ')
  return int(db.prepare(`SELECT total(count) AS n FROM ${COUNTS} ${where && `WHERE ${where}`}`).get()?.n)
}

export interface Source {
  /** `FROM … WHERE …` over `jobs j`, naming its index. */
  readonly sql: string
  readonly args: readonly SQLInputValue[]
}

/**
 * The rows of a selection with one of `statuses` (all views' statuses when undefined).
 * `by` is the order in which they are wanted: by submission (n), or by their place in one status (sort).
 */
export function source(
  db: DatabaseSync,
  selection: JobSelection,
  statuses: readonly JobStatus[] | undefined,
  by: { readonly order: 'n'; readonly wanted: number } | { readonly order: 'sort' } | { readonly order: 'none' },
): Source {
  const conditions: string[] = []
  const args: SQLInputValue[] = []
  if (selection.narrow !== undefined) {
    conditions.push(selection.narrow.where)
    args.push(selection.narrow.arg)
  }
  if (selection.name !== undefined) conditions.push(`j.name = ${selection.name}`)
  conditions.push(statuses === undefined ? `j.status < ${HIDDEN}` : `j.status ${oneOf(statuses)}`)
  if (selection.where !== '') {
    conditions.push(selection.where)
    args.push(...selection.args)
  }
  return { sql: `FROM ${JOBS} j ${hint(db, selection, statuses, by)} WHERE ${conditions.join(' AND ')}`, args }
}

function hint(
  db: DatabaseSync,
  selection: JobSelection,
  statuses: readonly JobStatus[] | undefined,
  by: Parameters<typeof source>[3],
): string {
  if (selection.narrow !== undefined) return `INDEXED BY ${selection.narrow.index}`
  // What free text searches is a range of rows already.
  if (selection.where.includes('max(n)')) return 'NOT INDEXED'
  if (selection.name === undefined && statuses === undefined) return 'NOT INDEXED'
  const index = `INDEXED BY ${selection.name === undefined ? JOB_INDEX.status : JOB_INDEX.name}`
  if (by.order !== 'n') return index
  // Either walk the table in its order until enough match, or read all that match and sort them.
  const matching = tally(db, selection.name, statuses)
  const walked = (by.wanted * tally(db, undefined, undefined)) / Math.max(matching, 1)
  return matching <= walked * 4 ? index : 'NOT INDEXED'
}

function oneOf(statuses: readonly JobStatus[]): string {
  const codes = statuses.map((status) => STATUS_CODE[status])
  return codes.length === 1 ? `= ${codes[0]}` : `IN (${codes.join(',')})`
}
