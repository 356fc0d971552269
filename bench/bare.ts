/**
 * The bare loop that the system is held against: one thread, one prepared INSERT into a table like the log's, as durable
 * (WAL, synchronous=FULL). No hash chain, no deciding, no read model, nobody told.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { monotonic } from './harness.ts'

export interface Row {
  readonly stream: string
  readonly revision: number
  readonly id: string
  readonly type: string
  readonly metadata: string
  readonly data: string
}

export const BARE_LOOP = 'bare SQLite loop'

/** @returns rows a second, `perCommit` rows in each transaction */
export function insertBare(directory: string, rows: readonly Row[], perCommit: number): number {
  const db = new DatabaseSync(join(directory, `bare-${perCommit}.db`))
  try {
    db.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, revision INTEGER NOT NULL,
        recorded_at INTEGER NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, metadata TEXT NOT NULL, data TEXT NOT NULL) STRICT;
      CREATE UNIQUE INDEX events_by_stream ON events (stream, revision);
    `)
    const insert = db.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
    const began = monotonic()
    for (let start = 0; start < rows.length; start += perCommit) {
      db.exec('BEGIN')
      for (const [i, { stream, revision, id, type, metadata, data }] of rows
        .slice(start, start + perCommit)
        .entries()) {
        insert.run(start + i, stream, revision, Date.now(), id, type, metadata, data)
      }
      db.exec('COMMIT')
    }
    return (rows.length / (monotonic() - began)) * 1000
  } finally {
    db.close()
  }
}
