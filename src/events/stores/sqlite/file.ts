/** The file of the embedded log: its schema, how it is opened, and what SQLite's errors mean to a caller of the store. */
import { DatabaseSync } from 'node:sqlite'
import { StoreCorrupt, type StoreError, StoreUnavailable } from '../../errors.ts'
import type { Failure } from './protocol.ts'

export const EVENTS_FILE = 'events.db'

/** "caps" in ASCII: marks the file as ours. */
const APPLICATION_ID = 0x63617073
const SCHEMA_VERSION = 2

/**
 * Since version 2: streams that were deleted, and such as keep only their last events. A tombstone's `head` is that of the
 * log when it was made, so that positions go on from there though the last events are gone. Tombstones stay, and their
 * numbers rise as their heads do.
 */
const TOMBSTONES = `
  CREATE TABLE tombstones (
    number     INTEGER PRIMARY KEY,
    stream     TEXT    NOT NULL UNIQUE,
    head       INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE caps (
    stream    TEXT    PRIMARY KEY,
    max_count INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/**
 * One table and one index. The stream's name is in the row and in the index: a filter by prefix needs no join, and a
 * commit of one event touches two pages instead of four.
 */
const SCHEMA = `
  CREATE TABLE events (
    position    INTEGER PRIMARY KEY,
    stream      TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    id          TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    metadata    TEXT    NOT NULL,
    data        TEXT    NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX events_by_stream ON events (stream, revision);
  PRAGMA application_id = ${APPLICATION_ID};
  ${TOMBSTONES}
`

/** The last position that was ever used, as `position`; -1 when there is none. */
export const LAST_POSITION = `
  SELECT max(
    ifnull((SELECT position FROM events ORDER BY position DESC LIMIT 1), -1),
    ifnull((SELECT head FROM tombstones ORDER BY number DESC LIMIT 1), -1)
  ) AS position
`

/** How long SQLite itself waits for a lock, in milliseconds; only recovery and the last close ever take one. */
const BUSY_TIMEOUT = 5000

/** Pages of 4 KiB in the WAL before the writer moves them to the file. */
const CHECKPOINT_PAGES = 1000

export function openForWriting(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT })
  try {
    const version = checkVersion(db, file)
    if (version === 'empty') db.exec('PRAGMA journal_mode = WAL')
    if (version !== SCHEMA_VERSION) db.exec(`BEGIN IMMEDIATE; ${version === 'empty' ? SCHEMA : TOMBSTONES} COMMIT`)
    db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
      PRAGMA cache_size = -32768;
    `)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** A file of an earlier version is read as it is: only who writes to it brings it up to date. */
export function openForReading(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT, readOnly: true })
  try {
    if (checkVersion(db, file) === 'empty') throw new StoreUnavailable(`${file} has no log yet`, { retryable: true })
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Whether deletions can be recorded in the file: not before somebody has opened it for writing. */
export function hasTombstones(db: DatabaseSync): boolean {
  return pragma(db, 'user_version') >= 2
}

/** @throws StoreUnavailable for a file that is not ours, or of a later version */
function checkVersion(db: DatabaseSync, file: string): number | 'empty' {
  const application = pragma(db, 'application_id')
  const version = pragma(db, 'user_version')
  if (application === 0 && version === 0 && pragma(db, 'schema_version') === 0) return 'empty'
  if (application !== APPLICATION_ID) {
    throw new StoreUnavailable(`${file} is a database of another program. Choose another data directory.`, {
      retryable: false,
    })
  }
  if (version < 1 || version > SCHEMA_VERSION) {
    throw new StoreUnavailable(
      `${file} was written by a newer version of capsule-actors (schema ${version}, this one knows ${SCHEMA_VERSION}). ` +
        'Run that version, or a later one.',
      { retryable: false },
    )
  }
  return version
}

function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])
}

/** The first text, in SQLite's order of bytes, after all that begin with the prefix. */
export function firstAfter(prefix: string): string | Uint8Array {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0)
  while (points.at(-1) === 0x10ffff) points.pop()
  const last = points.pop()
  // A blob comes after every text.
  if (last === undefined) return new Uint8Array()
  // The halves of surrogate pairs are not characters.
  return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1)
}

// Primary result codes, https://sqlite.org/rescode.html
const BUSY = 5
const LOCKED = 6
const NOMEM = 7
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const CONSTRAINT = 19
const NOTADB = 26

/** The primary result code of an error of node:sqlite, or undefined for any other error. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

export function isLocked(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === BUSY || code === LOCKED
}

export function isReadOnly(error: unknown): boolean {
  return sqliteCode(error) === READONLY
}

export function toFailure(error: unknown): Failure {
  if (error instanceof StoreCorrupt) return { kind: 'corrupt', retryable: false, message: error.message }
  if (error instanceof StoreUnavailable) {
    return { kind: 'unavailable', retryable: error.retryable, message: error.message }
  }
  const text = error instanceof Error ? error.message : String(error)
  switch (sqliteCode(error)) {
    case CORRUPT:
    case NOTADB:
    case CONSTRAINT:
      return {
        kind: 'corrupt',
        retryable: false,
        message: `The event log is damaged (${text}). Restore it from a backup.`,
      }
    case FULL:
      return { kind: 'unavailable', retryable: true, message: `The disk is full (${text}). Make room.` }
    case IOERR:
    case BUSY:
    case LOCKED:
    case NOMEM:
      return { kind: 'unavailable', retryable: true, message: `The event log cannot be used now (${text}).` }
    case CANTOPEN:
      return {
        kind: 'unavailable',
        retryable: false,
        message: `The event log cannot be opened (${text}). Check the directory and its permissions.`,
      }
    case READONLY:
      return {
        kind: 'unavailable',
        retryable: false,
        message:
          `The event log cannot be used (${text}). SQLite writes beside a log to read it, too: give the directory, with all that ` +
          'is in it, to the user that this process runs as, on a disk that may be written to; or copy it to such a place.',
      }
    default:
      return { kind: 'unavailable', retryable: false, message: `The event log cannot be used (${text}).` }
  }
}

export function toStoreError(failure: Failure, cause?: unknown): StoreError {
  return failure.kind === 'corrupt'
    ? new StoreCorrupt(failure.message, { cause })
    : new StoreUnavailable(failure.message, { retryable: failure.retryable, cause })
}
