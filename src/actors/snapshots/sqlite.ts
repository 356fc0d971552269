/**
 * snapshots.db: this node's snapshots, in a file that may be deleted at any time. Nothing waits for the disk
 * (synchronous=OFF), so a power loss may leave it torn: what cannot be read is thrown away, and each row has a checksum.
 */
import { hash as digest } from 'node:crypto'
import { rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Report } from '../report.ts'
import type { Snapshot, SnapshotStore } from './port.ts'

export interface SqliteSnapshotsOptions {
  readonly file: string
  /** How many are kept; those saved longest ago go first. Default 10,000. */
  readonly most?: number
  /** Told when the file cannot be used, or written. The app goes on without. */
  readonly report: Report
}

/** What the file holds and how; another number is another file, which is begun again. */
const FORMAT = 0x63_61_70_01
const MOST = 10_000

/** Opens or begins the file. Never fails: without a file that can be used, nothing is kept. */
export function openSqliteSnapshots(options: SqliteSnapshotsOptions): SnapshotStore {
  return new SqliteSnapshots(options)
}

class SqliteSnapshots implements SnapshotStore {
  readonly #options: SqliteSnapshotsOptions
  /** Streams that have one, saved longest ago first: a load of any other asks no file. */
  readonly #streams = new Set<string>()
  #file: OpenFile | undefined
  #isReported = false

  constructor(options: SqliteSnapshotsOptions) {
    this.#options = options
    this.#open()
  }

  load(stream: string, version: string): Snapshot | undefined {
    if (!this.#streams.has(stream)) return undefined
    return this.#use('reading', ({ select }) => {
      const row = select.get(stream)
      if (row?.version !== version || !(row.state instanceof Uint8Array)) return undefined
      const snapshot = { revision: Number(row.revision), id: String(row.id), hash: String(row.hash), state: row.state }
      if (row.checksum === checksum(stream, version, snapshot)) return snapshot
      this.drop(stream)
      return undefined
    })
  }

  save(stream: string, version: string, snapshot: Snapshot): void {
    const { revision, id, hash, state } = snapshot
    this.#use('writing', ({ replace }) => {
      replace.run(stream, version, revision, id, hash, state, checksum(stream, version, snapshot))
      this.#streams.delete(stream)
      this.#streams.add(stream)
      this.#isReported = false
    })
    const { most = MOST } = this.#options
    const [oldest] = this.#streams
    if (this.#streams.size > most && oldest !== undefined) this.drop(oldest)
  }

  drop(stream: string): void {
    this.#streams.delete(stream)
    this.#use('writing', ({ remove }) => void remove.run(stream))
  }

  close(): void {
    const file = this.#file
    this.#file = undefined
    this.#streams.clear()
    file?.db.close()
  }

  #open(): void {
    const { file } = this.#options
    try {
      this.#file = openOrBegin(file)
      for (const stream of this.#file.streams) this.#streams.add(stream)
    } catch (error) {
      this.close()
      this.#tell(error, `opening ${file}: it goes on without snapshots`)
    }
  }

  #use<T>(doing: string, work: (file: OpenFile) => T): T | undefined {
    if (!this.#file) return undefined
    try {
      return work(this.#file)
    } catch (error) {
      if (isDamage(error)) this.#beginAgain()
      else this.#tell(error, `${doing} ${this.#options.file}`)
      return undefined
    }
  }

  #beginAgain(): void {
    this.close()
    try {
      remove(this.#options.file)
    } catch (error) {
      return this.#tell(error, `deleting ${this.#options.file}, which is damaged`)
    }
    this.#open()
  }

  /** Once until it works again: a full disk would tell it for every stream. */
  #tell(error: unknown, doing: string): void {
    if (!this.#isReported) this.#options.report(error, doing)
    this.#isReported = true
  }
}

interface OpenFile {
  readonly db: DatabaseSync
  /** Those that had a snapshot when it was opened, saved longest ago first. */
  readonly streams: readonly string[]
  readonly select: StatementSync
  readonly replace: StatementSync
  readonly remove: StatementSync
}

function openOrBegin(file: string): OpenFile {
  try {
    return open(file)
  } catch (error) {
    if (!isDamage(error)) throw error
    remove(file)
    return open(file)
  }
}

class Foreign extends Error {}

function open(file: string): OpenFile {
  const db = new DatabaseSync(file)
  try {
    // Exclusive: the data directory belongs to one process, so SQLite needs no shared memory beside the file.
    db.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
      PRAGMA journal_size_limit = 4194304`)
    const isNew = db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n === 0
    if (!isNew && db.prepare('PRAGMA user_version').get()?.user_version !== FORMAT) throw new Foreign()
    // n: the order of saving, since a replaced row gets the next one.
    db.exec(`CREATE TABLE IF NOT EXISTS snapshots (
      n INTEGER PRIMARY KEY, stream TEXT NOT NULL, version TEXT NOT NULL, revision INTEGER NOT NULL,
      id TEXT NOT NULL, hash TEXT NOT NULL, state BLOB NOT NULL, checksum TEXT NOT NULL);
      CREATE UNIQUE INDEX IF NOT EXISTS by_stream ON snapshots(stream); PRAGMA user_version = ${FORMAT}`)
    // From the index alone: the rows are large.
    const streams = db.prepare('SELECT stream FROM snapshots INDEXED BY by_stream ORDER BY n').all()
    return {
      db,
      streams: streams.map(({ stream }) => String(stream)),
      select: db.prepare('SELECT version, revision, id, hash, state, checksum FROM snapshots WHERE stream = ?'),
      replace: db.prepare(`INSERT OR REPLACE INTO snapshots (stream, version, revision, id, hash, state, checksum)
        VALUES (?, ?, ?, ?, ?, ?, ?)`),
      remove: db.prepare('DELETE FROM snapshots WHERE stream = ?'),
    }
  } catch (error) {
    db.close()
    throw error
  }
}

function remove(file: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(file + suffix, { force: true })
}

function checksum(stream: string, version: string, { revision, id, hash, state }: Snapshot): string {
  const about = JSON.stringify([stream, version, revision, id, hash, state.byteLength])
  return digest('sha256', `${digest('sha256', state, 'hex')}${about}`, 'hex')
}

const SQLITE_ERROR = 1
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/** The file is no database, a torn one, or one of somebody else's. */
function isDamage(error: unknown): boolean {
  if (error instanceof Foreign) return true
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return false
  return [SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_NOTADB].includes(error.errcode & 0xff)
}
