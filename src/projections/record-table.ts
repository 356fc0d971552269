/**
 * A table that holds records of one type. Each field of the record says once in which column it stands, as what, and
 * when that is written; the table's SQL, its statements and the way back from a row follow from this when the module is
 * loaded. A field that is left out does not compile, and no two places can differ in the order of the columns.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { JsonValue, Position } from '../events/index.ts'
import { int, json, maybeInt, maybeText, position, type Row, text, type Value } from './columns.ts'

/** How a value stands in a column. `By` is what writing needs beside it. */
export interface Format<T, By = unknown> {
  /** The column's type and constraints. */
  readonly sql: string
  read(value: Value): T
  write(value: T, by: By): SQLInputValue
}

export const TEXT: Format<string> = { sql: 'TEXT NOT NULL', read: text, write: (value) => value }
export const MAYBE_TEXT: Format<string | undefined> = { sql: 'TEXT', read: maybeText, write: orNull }
export const INT: Format<number> = { sql: 'INTEGER NOT NULL', read: int, write: (value) => value }
export const MAYBE_INT: Format<number | undefined> = { sql: 'INTEGER', read: maybeInt, write: orNull }
export const FLAG: Format<boolean> = { sql: 'INTEGER NOT NULL', read: (value) => value === 1, write: Number }
export const POSITION: Format<Position> = { sql: 'INTEGER NOT NULL', read: position, write: Number }
/** The value null takes no room. */
export const JSON_OR_NULL: Format<JsonValue> = {
  sql: 'TEXT',
  read: json,
  write: (value) => (value === null ? null : JSON.stringify(value)),
}

/** What only this column writes, and so comes back as the type that it was. */
export function asJson<T>(): Format<T> {
  return {
    sql: 'TEXT NOT NULL',
    read: (value) => JSON.parse(text(value)) as T,
    write: (value) => JSON.stringify(value),
  }
}

export function maybeJson<T>(): Format<T | undefined> {
  const { read } = asJson<T>()
  return {
    sql: 'TEXT',
    read: (value) => (value === null ? undefined : read(value)),
    write: (value) => (value === undefined ? null : JSON.stringify(value)),
  }
}

/** A list as JSON; the empty one takes no room. */
export function listOf<T>(): Format<readonly T[]> {
  const { read } = asJson<readonly T[]>()
  return {
    sql: 'TEXT',
    read: (value) => (value === null ? [] : read(value)),
    write: (value) => (value.length === 0 ? null : JSON.stringify(value)),
  }
}

function orNull<T extends SQLInputValue>(value: T | undefined): T | null {
  return value ?? null
}

/**
 * When a column is written: once, with the row; at each write of the row; or only at one that moves it. SQLite rewrites
 * the index entries of every column that an UPDATE names, changed or not, so an indexed column should not be in each.
 */
type Written = 'once' | 'always' | 'on a move'

interface Column<R, By> {
  readonly sql: string
  readonly written: Written
  write(record: R, by: By): SQLInputValue
}

/** A field with a column of its own, named like it unless `column` says otherwise. */
interface Plain<T, By> {
  readonly format: Format<T, By>
  readonly written: Written
  readonly column: string | undefined
}

/** A field with several columns, a share in another's, or none. */
interface Composed<R, T, By> {
  readonly columns: Readonly<Record<string, Column<R, By>>>
  read(row: Row): T
}

type Field<R, T, By> = Plain<T, By> | Composed<R, T, By>

/** By the name of the field, in the order of the columns. */
export type Fields<R, By = unknown> = { readonly [F in keyof R]: Field<R, R[F], By> }

export function once<T, By>(format: Format<T, By>, column?: string): Plain<T, By> {
  return { format, written: 'once', column }
}

export function always<T, By>(format: Format<T, By>, column?: string): Plain<T, By> {
  return { format, written: 'always', column }
}

export function composed<R, T, By = unknown>(
  columns: Readonly<Record<string, Column<R, By>>>,
  read: (row: Row) => T,
): Composed<R, T, By> {
  return { columns, read }
}

/** A column of a composed field. */
export function column<R, T, By = unknown>(
  written: Written,
  format: Format<T, By>,
  of: (record: R) => T,
): Column<R, By> {
  return { sql: format.sql, written, write: (record, by) => format.write(of(record), by) }
}

/** A field that the row has from elsewhere, by a join or from another field's column. */
export function readOnly<R, T>(read: (row: Row) => T): Composed<R, T, unknown> {
  return { columns: {}, read }
}

export class RecordTable<R extends object, By = unknown> {
  readonly name: string
  readonly #columns: NamedColumn<R, By>[] = []
  readonly #readers: ((record: Partial<R>, row: Row) => void)[] = []
  /** All fields, of an object as JSON.parse makes it: one that gets twenty of them by name becomes a slow dictionary. */
  readonly #blank: Partial<R>

  constructor(name: string, fields: Fields<R, By>) {
    this.name = name
    for (const field in fields) {
      const how = fields[field]
      if (how !== undefined) this.#add(field, how)
    }
    this.#blank = JSON.parse(JSON.stringify(Object.fromEntries(Object.keys(fields).map((field) => [field, null]))))
  }

  #add<F extends keyof R & string>(field: F, how: Field<R, R[F], By>): void {
    if ('columns' in how) {
      for (const [name, of] of Object.entries(how.columns)) this.#columns.push({ ...of, name })
      this.#readers.push((record, row) => {
        record[field] = how.read(row)
      })
      return
    }
    const { format, written, column: name = snakeCase(field) } = how
    const write = (record: R, by: By): SQLInputValue => format.write(record[field], by)
    this.#columns.push({ name, sql: format.sql, written, write })
    this.#readers.push((record, row) => {
      record[field] = format.read(row[name])
    })
  }

  /** CREATE TABLE: the row's number `n`, then the columns. */
  get definition(): string {
    const columns = this.#columns.map(({ name, sql }) => `${name} ${sql}`)
    return `CREATE TABLE ${this.name} (
      ${['n INTEGER PRIMARY KEY', ...columns].join(',\n      ')}
    )`
  }

  /** What to select for {@link read}. `instead` has expressions for columns that stand elsewhere, or in another form. */
  select(alias: string, instead: Readonly<Record<string, string>> = {}): string {
    const own = this.#columns.filter(({ name }) => !(name in instead)).map(({ name }) => `${alias}.${name}`)
    return [`${alias}.n`, ...own, ...Object.entries(instead).map(([name, from]) => `${from} AS ${name}`)].join(', ')
  }

  read(row: Row): R {
    const record: Partial<R> = { ...this.#blank }
    for (const read of this.#readers) read(record, row)
    return record as R // Fields asks for each field of R.
  }

  /** @param by what writing a value needs beside it */
  open(db: DatabaseSync, by: By): RowWriter<R, By> {
    return new RowWriter(db, this.name, this.#columns, by)
  }
}

/** Writes the rows of a RecordTable. */
export class RowWriter<R, By = unknown> {
  readonly #insert: Statement<R, By>
  readonly #move: Statement<R, By>
  readonly #change: Statement<R, By>
  readonly #delete: StatementSync
  readonly #by: By

  constructor(db: DatabaseSync, table: string, columns: readonly NamedColumn<R, By>[], by: By) {
    this.#by = by
    const names = [...columns.map(({ name }) => name), 'n']
    const places = names.map(() => '?')
    const insert = `INSERT INTO ${table} (${names.join(', ')}) VALUES (${places.join(', ')})`
    const update = (some: typeof columns): Statement<R, By> => {
      const set = some.map(({ name }) => `${name} = ?`)
      return { prepared: db.prepare(`UPDATE ${table} SET ${set.join(', ')} WHERE n = ?`), columns: some }
    }
    this.#insert = { prepared: db.prepare(insert), columns }
    this.#move = update(columns.filter(({ written }) => written !== 'once'))
    this.#change = update(columns.filter(({ written }) => written === 'always'))
    this.#delete = db.prepare(`DELETE FROM ${table} WHERE n = ?`)
  }

  /** @param n undefined for the next free one. @returns the row's number */
  insert(n: number | undefined, record: R): number {
    return Number(this.#run(this.#insert, n ?? null, record).lastInsertRowid)
  }

  /** @param moved whether what is written on a move may have changed, too */
  update(n: number, record: R, moved = false): void {
    this.#run(moved ? this.#move : this.#change, n, record)
  }

  delete(n: number): void {
    this.#delete.run(n)
  }

  #run({ prepared, columns }: Statement<R, By>, n: number | null, record: R) {
    const values: SQLInputValue[] = []
    for (const column of columns) values.push(column.write(record, this.#by))
    values.push(n)
    return prepared.run(...values)
  }
}

interface NamedColumn<R, By> extends Column<R, By> {
  readonly name: string
}

/** Takes the values of the columns, in their order, then the row's number. */
interface Statement<R, By> {
  readonly prepared: StatementSync
  readonly columns: readonly NamedColumn<R, By>[]
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
