/**
 * The read side of the file: a read-only connection that sees every committed event, in any thread. Reads are short, so
 * that they neither hold up the event loop nor keep the WAL from being reused.
 */
import { join } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { StoreClosed, StoreCorrupt, StoreError } from '../../errors.ts'
import { type Position, type RecordedEvent, START } from '../../event.ts'
import type { ReadAllOptions, ReadStreamOptions } from '../../store.ts'
import type { Page } from '../feed.ts'
import {
  EVENTS_FILE,
  firstAfter,
  hasTombstones,
  LAST_POSITION,
  openForReading,
  toFailure,
  toStoreError,
} from './file.ts'
import { Signal } from './signal.ts'

/** Events of one read; then the event loop has its turn. */
const PAGE = 500
/** Positions looked at in one read when a filter may pass over most of them. */
const SCAN = 5000
const DEFAULT_LIMIT = 1000
/** How often a reader without a signal looks for a new head, in milliseconds. */
const POLL = 25

const COLUMNS = 'position, stream, revision, recorded_at, id, type, metadata, data'

export interface SqliteReaderOptions {
  /** The store's data directory. */
  readonly directory: string
  /** Of the log in the directory. Default: that of the store. */
  readonly file?: string
  /** The store's `signal`: lets `waitForHead` wake at once instead of polling. */
  readonly signal?: SharedArrayBuffer | undefined
}

/** Follows a log from another thread, or reads one that no process has open. */
export interface SqliteReader {
  readStream(stream: string, options?: ReadStreamOptions): Promise<readonly RecordedEvent[]>
  readAll(options?: ReadAllOptions): Promise<readonly RecordedEvent[]>
  /**
   * Like `readAll`, at once and in one go: keep `limit` moderate. All events up to `scannedTo` that were asked for are in
   * this page or an earlier one; what was deleted left holes.
   */
  readAllSync(options?: ReadAllOptions): Page
  head(): Promise<Position>
  /**
   * Resolves with the head as soon as it is past `after`, or with the head as it is after `timeoutMs`.
   * @throws StoreClosed once the reader, or the store of the signal, is closed
   */
  waitForHead(after: Position, timeoutMs: number): Promise<Position>
  close(): void
}

/** @throws StoreUnavailable when there is no log in the directory, StoreCorrupt */
export function openSqliteReader(options: SqliteReaderOptions): SqliteReader {
  return new FileReader(options)
}

export class FileReader implements SqliteReader {
  readonly #db: DatabaseSync
  readonly #signal: Signal | undefined
  readonly #statements = new Map<string, StatementSync>()
  #hasTombstones = false
  #closed = false

  constructor(options: SqliteReaderOptions) {
    this.#db = rethrow(() => openForReading(join(options.directory, options.file ?? EVENTS_FILE)))
    this.#signal = options.signal && new Signal(options.signal)
  }

  async readStream(stream: string, options: ReadStreamOptions = {}): Promise<readonly RecordedEvent[]> {
    const { direction = 'forwards', limit = Number.POSITIVE_INFINITY } = options
    const forwards = direction === 'forwards'
    const sql = forwards
      ? `SELECT ${COLUMNS} FROM events WHERE stream = ? AND revision >= ? ORDER BY revision LIMIT ?`
      : `SELECT ${COLUMNS} FROM events WHERE stream = ? AND revision <= ? ORDER BY revision DESC LIMIT ?`
    let next = options.from === undefined ? (forwards ? 0 : Number.MAX_SAFE_INTEGER) : Number(options.from)
    const events: RecordedEvent[] = []
    while (events.length < limit) {
      const want = Math.min(PAGE, limit - events.length)
      const rows = this.#events(sql, stream, next, want)
      for (const row of rows) {
        const revision = row[2]
        // Backwards, the first one found is the end of the stream.
        if (revision !== next && (forwards || events.length > 0)) {
          if (!forwards || row !== rows[0] || !this.#isCapped(stream)) {
            throw new StoreCorrupt(`Stream ${stream} has revision ${revision} where ${next} belongs`)
          }
          // The stream has lost its beginning; between two pages, also what was read of it.
          events.length = 0
        }
        events.push(toEvent(row))
        next = forwards ? revision + 1 : revision - 1
      }
      if (rows.length < want) break
      await setImmediate()
    }
    // One of several pages may have come before the stream was deleted, and must not pass for the whole of it.
    return events.length >= PAGE && this.#isDeleted(stream) ? [] : events
  }

  async readAll(options: ReadAllOptions = {}): Promise<readonly RecordedEvent[]> {
    const { from = START, prefixes, limit = DEFAULT_LIMIT } = options
    const head = this.#readHead()
    const events: RecordedEvent[] = []
    let at = Number(from)
    while (events.length < limit && at < head) {
      const page = this.#page(at, head, prefixes, Math.min(PAGE, limit - events.length))
      for (const row of page.rows) events.push(toEvent(row))
      at = page.scannedTo
      if (at < head) await setImmediate()
    }
    return events
  }

  readAllSync(options: ReadAllOptions = {}): Page {
    const { from = START, prefixes, limit = DEFAULT_LIMIT } = options
    const head = Math.max(this.#readHead(), Number(from))
    const { rows, scannedTo } = this.#page(Number(from), head, prefixes, limit, Number.MAX_SAFE_INTEGER)
    return { events: rows.map(toEvent), scannedTo: BigInt(scannedTo) as Position }
  }

  /** One page for a subscription, with a turn of the event loop before it. */
  async readPage(after: Position, upTo: Position, prefixes: readonly string[] | undefined): Promise<Page> {
    await setImmediate()
    const page = this.#page(Number(after), Number(upTo), prefixes, PAGE)
    return { events: page.rows.map(toEvent), scannedTo: BigInt(page.scannedTo) as Position }
  }

  async head(): Promise<Position> {
    return BigInt(this.#readHead()) as Position
  }

  async waitForHead(after: Position, timeoutMs: number): Promise<Position> {
    if (this.#signal) return this.#signal.waitPast(after, timeoutMs)
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const head = await this.head()
      const left = deadline - performance.now()
      if (head > after || left <= 0) return head
      await new Promise((resolve) => setTimeout(resolve, Math.min(POLL, left)))
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#db.close()
  }

  #page(
    after: number,
    upTo: number,
    prefixes: readonly string[] | undefined,
    limit: number,
    scan = SCAN,
  ): { rows: readonly EventRow[]; scannedTo: number } {
    const end = prefixes ? Math.min(upTo, after + scan) : upTo
    // The unary plus keeps SQLite from walking the index by stream and sorting all of it by position.
    const filter = prefixes?.map(() => '(+stream >= ? AND +stream < ?)').join(' OR ')
    const rows = this.#events(
      `SELECT ${COLUMNS} FROM events WHERE position > ? AND position <= ?${filter === undefined ? '' : ` AND (${filter || 'FALSE'})`} ` +
        'ORDER BY position LIMIT ?',
      after,
      end,
      ...(prefixes ?? []).flatMap((prefix) => [prefix, firstAfter(prefix)]),
      limit,
    )
    const last = rows.at(-1)
    return { rows, scannedTo: rows.length === limit && last ? last[0] : end }
  }

  #readHead(): number {
    const sql = this.#knowsDeletions() ? LAST_POSITION : 'SELECT max(position) AS position FROM events'
    return (this.#rows(sql)[0]?.[0] as number | null | undefined) ?? -1
  }

  #isDeleted(stream: string): boolean {
    return this.#knowsDeletions() && this.#rows('SELECT 1 FROM tombstones WHERE stream = ?', [stream]).length > 0
  }

  #isCapped(stream: string): boolean {
    return this.#knowsDeletions() && this.#rows('SELECT 1 FROM caps WHERE stream = ?', [stream]).length > 0
  }

  /** A file of version 1 has none; somebody else may have opened it for writing since this reader opened it. */
  #knowsDeletions(): boolean {
    this.#hasTombstones ||= !this.#closed && rethrow(() => hasTombstones(this.#db))
    return this.#hasTombstones
  }

  #events(sql: string, ...parameters: Parameter[]): readonly EventRow[] {
    return this.#rows(sql, parameters) as unknown as readonly EventRow[]
  }

  #rows(sql: string, parameters: readonly Parameter[] = []): readonly (readonly unknown[])[] {
    if (this.#closed) throw new StoreClosed()
    return rethrow(() => {
      let statement = this.#statements.get(sql)
      if (!statement) {
        statement = this.#db.prepare(sql)
        // Half of what rows with names cost: those are hash tables.
        statement.setReturnArrays(true)
        this.#statements.set(sql, statement)
      }
      return statement.all(...parameters) as unknown as unknown[][]
    })
  }
}

type Parameter = string | number | Uint8Array

/** In the order of COLUMNS. */
type EventRow = readonly [
  position: number,
  stream: string,
  revision: number,
  recordedAt: number,
  id: string,
  type: string,
  metadata: string,
  data: string,
]

function toEvent(row: EventRow): RecordedEvent {
  const [position, stream, revision, recordedAt, id, type, metadata, data] = row
  return {
    id,
    type,
    data: parse(row, data),
    metadata: parse(row, metadata),
    stream,
    revision: BigInt(revision),
    position: BigInt(position) as Position,
    recordedAt,
  }
}

function parse<T>([, stream, revision]: EventRow, text: string): T {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new StoreCorrupt(`Revision ${revision} of ${stream} is not JSON any more`, { cause })
  }
}

function rethrow<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof StoreError ? error : toStoreError(toFailure(error), error)
  }
}
