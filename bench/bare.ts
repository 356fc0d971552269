/**
 * The bare loop that the system is held against: one thread, one prepared INSERT into a table like the log's, as durable
 * (WAL, synchronous=FULL). No hash chain, no deciding, no read model, nobody told.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
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
  const { db, insert } = openBare(join(directory, `bare-${perCommit}.db`))
  try {
    const began = monotonic()
    for (let start = 0; start < rows.length; start += perCommit) {
      db.exec('BEGIN')
      for (const [i, row] of rows.slice(start, start + perCommit).entries()) insert(start + i, row)
      db.exec('COMMIT')
    }
    return (rows.length / (monotonic() - began)) * 1000
  } finally {
    db.close()
  }
}

/**
 * Commits `perCommit` rows `rate` times a second in a thread of its own, as a log must that may not hold up who appends.
 * A disk and a processor that rest between two commits answer later than ones that are kept busy.
 * @returns milliseconds from asking the thread to hearing from it, one for each commit
 */
export async function commitAtPace(
  directory: string,
  rows: readonly Row[],
  perCommit: number,
  rate: number,
): Promise<readonly number[]> {
  const thread = new Worker(new URL('./bare-thread.ts', import.meta.url), { workerData: join(directory, 'paced.db') })
  const waits: number[] = []
  const began = monotonic()
  for (let i = 0; i < rows.length / perCommit; i++) {
    const wait = began + (i * 1000) / rate - monotonic()
    if (wait > 0) await sleep(wait)
    const asked = monotonic()
    const answered = once(thread, 'message')
    thread.postMessage(rows.slice(i * perCommit, (i + 1) * perCommit))
    await answered
    waits.push(monotonic() - asked)
  }
  thread.postMessage('close')
  await once(thread, 'exit')
  return waits
}

/** A new file with the log's table, and how a row gets into it. */
export function openBare(file: string): { db: DatabaseSync; insert: (position: number, row: Row) => void } {
  const db = new DatabaseSync(file)
  db.exec(`
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, revision INTEGER NOT NULL,
      recorded_at INTEGER NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, metadata TEXT NOT NULL, data TEXT NOT NULL) STRICT;
    CREATE UNIQUE INDEX events_by_stream ON events (stream, revision);
  `)
  const statement = db.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
  return {
    db,
    insert: (position, { stream, revision, id, type, metadata, data }) =>
      statement.run(position, stream, revision, Date.now(), id, type, metadata, data),
  }
}
