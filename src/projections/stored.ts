/** How far a read.db is that nobody has open: only looked at, never written. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { type Position, START } from '../events/index.ts'
import { int, maybeInt, maybeText } from './columns.ts'
import { isCorrupt, isDiskTrouble, openReadOnly, READ_FILE } from './database.ts'
import { READ_MODELS } from './models/all.ts'
import { unusable } from './opened.ts'
import type { ReadModelStatus } from './views.ts'

export interface StoredReadModels {
  /** Whose they are, undefined when there are none. */
  readonly app: string | undefined
  /** Those of this code; one that is not made yet stands at START. */
  readonly models: readonly ReadModelStatus[]
}

/** Of a data directory. A file that is not there, or that cannot be read, says that nothing is made yet. */
export function readStored(directory: string): StoredReadModels {
  const file = join(directory, READ_FILE)
  if (!existsSync(file)) return NOTHING
  try {
    const db = openReadOnly(file)
    try {
      return stored(db)
    } finally {
      db.close()
    }
  } catch (error) {
    // The next start makes it again.
    if (isCorrupt(error)) return NOTHING
    throw isDiskTrouble(error) ? unusable(file, error) : error
  }
}

const NOTHING: StoredReadModels = {
  app: undefined,
  models: READ_MODELS.map(({ name, version }) => ({
    name,
    version,
    position: START,
    rebuilding: false,
    rebuild: undefined,
    failed: undefined,
  })),
}

function stored(db: DatabaseSync): StoredReadModels {
  if (!hasTable(db, 'meta') || !hasTable(db, 'checkpoints')) return NOTHING
  const identity = maybeText(db.prepare(`SELECT value FROM meta WHERE key = 'identity'`).get()?.value)
  const checkpoint = db.prepare('SELECT position, rebuild_until FROM checkpoints WHERE name = ? AND version = ?')
  const generation = hasTable(db, 'generations')
    ? db.prepare('SELECT next_position, next_events, failed FROM generations WHERE name = ? AND version = ?')
    : undefined
  const models = READ_MODELS.map(({ name, version }): ReadModelStatus => {
    const at = checkpoint.get(name, version)
    const next = generation?.get(name, version)
    const position = toPosition(maybeInt(at?.position)) ?? START
    const until = toPosition(maybeInt(at?.rebuild_until))
    const beside = toPosition(maybeInt(next?.next_position))
    const rebuild =
      until !== undefined
        ? { position, until, events: 0 }
        : beside && { position: beside, until: position, events: int(next?.next_events) }
    return { name, version, position, rebuilding: rebuild !== undefined, rebuild, failed: maybeText(next?.failed) }
  })
  return { app: identity?.slice(identity.indexOf(' ') + 1), models }
}

function hasTable(db: DatabaseSync, name: string): boolean {
  return db.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?`).get(name) !== undefined
}

function toPosition(value: number | undefined): Position | undefined {
  return value === undefined ? undefined : (BigInt(value) as Position)
}
