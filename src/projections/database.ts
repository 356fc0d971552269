/** read.db: a file that may be deleted at any time, since all of it can be made again from the log. */
import { rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

/** In a data directory. */
export const READ_FILE = 'read.db'

const CACHE_KIB = 32 * 1024

/** Opens `file` (or ':memory:') for writing; one that SQLite cannot read is deleted and begun again. */
export function openReadDatabase(file: string): DatabaseSync {
  try {
    return open(file)
  } catch (error) {
    if (!isCorrupt(error)) throw error
    deleteReadDatabase(file)
    return open(file)
  }
}

export function deleteReadDatabase(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
}

/** A second connection that only reads. */
export function openReadOnly(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { readOnly: true })
  db.exec('PRAGMA busy_timeout = 5000; PRAGMA mmap_size = 268435456')
  return db
}

function open(file: string): DatabaseSync {
  const db = new DatabaseSync(file)
  try {
    // NORMAL: after a power loss the last batches may be missing, and the log still has them.
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;
      PRAGMA cache_size = -${CACHE_KIB}; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000;
      PRAGMA journal_size_limit = 67108864`)
    db.prepare('SELECT count(*) FROM sqlite_schema').get()
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** All that `write` writes, or nothing of it. @throws what it throws */
export function inTransaction(db: DatabaseSync, write: () => void): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    write()
    db.exec('COMMIT')
  } catch (error) {
    // SQLite may have rolled back by itself, as when the disk is full.
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26

export function isCorrupt(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB
}

export function isDiskFull(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_FULL
}

/** SQLITE_FULL, SQLITE_IOERR, SQLITE_BUSY, SQLITE_READONLY…: the fault of nothing that was to be written. */
export function isDiskTrouble(error: unknown): boolean {
  return [5, 6, 8, 10, SQLITE_CORRUPT, SQLITE_FULL, 14, SQLITE_NOTADB].includes(sqliteCode(error))
}

/** The primary result code, 0 for another error. */
function sqliteCode(error: unknown): number {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : 0
}
