/**
 * Which tables a read model's names stand for. Models and queries write `<name>_v<version>_…`; tables that were made
 * again beside those are named `<name>_v<version>r<n>_…`. So both live side by side, indexes too, and the new ones take
 * the place of the old ones by a change of one number, not of a table.
 */
import type { DatabaseSync } from 'node:sqlite'
import { int, text } from './columns.ts'
import type { ReadModel } from './read-model.ts'

export interface TableSet {
  readonly name: string
  readonly version: number
  /** How many times they were made again, from 0. */
  readonly generation: number
}

/** The sets in use that are not the first of their version, and what is being made again. */
export const GENERATIONS = `CREATE TABLE IF NOT EXISTS generations (
  name TEXT NOT NULL, version INTEGER NOT NULL, current INTEGER NOT NULL DEFAULT 0,
  next_position INTEGER, next_events INTEGER NOT NULL DEFAULT 0, failed TEXT, PRIMARY KEY (name, version)
) WITHOUT ROWID;`

function prefixOf({ name, version, generation }: TableSet): string {
  return `${name}_v${version}${generation === 0 ? '' : `r${generation}`}_`
}

/** What names stand for in SQL. */
export class Names {
  readonly #prefixes = new Map<string, string>()
  #pattern: RegExp | undefined

  constructor(sets: Iterable<TableSet> = []) {
    for (const set of sets) this.use(set)
  }

  use(set: TableSet): void {
    const written = prefixOf({ ...set, generation: 0 })
    if (set.generation === 0) this.#prefixes.delete(written)
    else this.#prefixes.set(written, prefixOf(set))
    this.#pattern =
      this.#prefixes.size === 0 ? undefined : new RegExp(`\\b(${[...this.#prefixes.keys()].join('|')})`, 'g')
  }

  in(sql: string): string {
    return this.#pattern ? sql.replace(this.#pattern, (written) => this.#prefixes.get(written) ?? written) : sql
  }
}

/** The same database, where `prepare` and `exec` take SQL as models and queries write it. */
export function withNames(db: DatabaseSync, names: Names): DatabaseSync {
  const prepare: DatabaseSync['prepare'] = (sql, ...options) => db.prepare(names.in(sql), ...options)
  const exec: DatabaseSync['exec'] = (sql) => db.exec(names.in(sql))
  return new Proxy(db, {
    get(_, key) {
      if (key === 'prepare') return prepare
      if (key === 'exec') return exec
      const value: unknown = Reflect.get(db, key, db)
      return typeof value === 'function' ? value.bind(db) : value
    },
  })
}

/** For a connection of its own: what names stand for now, or in the transaction that is open. */
export function withNamesInUse(db: DatabaseSync): DatabaseSync {
  const rows = db.prepare('SELECT name, version, current FROM generations WHERE current > 0').all()
  if (rows.length === 0) return db
  const sets = rows.map((row) => ({ name: text(row.name), version: int(row.version), generation: int(row.current) }))
  return withNames(db, new Names(sets))
}

/** To be called in a transaction. */
export function createTables(db: DatabaseSync, model: ReadModel, generation: number): void {
  dropTables(db, (set) => isSame(set, { ...model, generation }))
  db.exec(new Names([{ ...model, generation }]).in(model.tables))
}

export function isSame(a: TableSet, b: TableSet): boolean {
  return a.name === b.name && a.version === b.version && a.generation === b.generation
}

export function dropTables(db: DatabaseSync, which: (set: TableSet) => boolean): void {
  for (const row of db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all()) {
    const table = text(row.name)
    const set = setOf(table)
    if (set !== undefined && which(set)) db.exec(`DROP TABLE "${table}"`)
  }
}

function setOf(table: string): TableSet | undefined {
  const [, name, version, generation = '0'] = /^(.+?)_v(\d+)(?:r(\d+))?_/.exec(table) ?? []
  if (name === undefined || version === undefined) return undefined
  return { name, version: Number(version), generation: Number(generation) }
}
