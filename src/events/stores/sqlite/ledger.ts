/**
 * The write side of the file: takes batches, decides each change against its stream, and commits all of them in one
 * transaction. It runs in the writer's thread and knows nothing of threads.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Fault } from './fault.ts'
import { LAST_POSITION, openForWriting } from './file.ts'
import { Place } from './place.ts'
import { ANY, APPENDED, type Batch, CAP, CONFLICT, DELETION, DONE, GONE, NO_STREAM, REPEATED } from './protocol.ts'

/** An append with `any` is known again within so many events from the end of its stream. */
const LOOK_BACK = 256
/** Streams whose last revision is remembered: between one and two times so many. */
const REMEMBERED = 50_000
/** In the place of a last revision: there is a tombstone. */
const TOMBSTONE = -3

export class Ledger {
  readonly #db: DatabaseSync
  readonly #place: Place
  readonly #fault: Fault | undefined
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #insert: StatementSync
  readonly #last: StatementSync
  readonly #range: StatementSync
  readonly #find: StatementSync
  readonly #remove: StatementSync
  readonly #removeTo: StatementSync
  readonly #bury: StatementSync
  readonly #cap: StatementSync
  readonly #uncap: StatementSync
  /** By stream: how many events it keeps. */
  readonly #caps = new Map<string, number>()
  #head: number
  /** After a failure, nothing remembered counts before the file was asked again. */
  #stale = false
  // Two generations instead of an LRU list: a touch costs nothing, and the older generation goes at once.
  #revisions = new Map<string, number>()
  #older = new Map<string, number>()

  constructor(file: string, fault?: Fault) {
    const db = openForWriting(file)
    this.#db = db
    this.#fault = fault
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
    this.#insert = db.prepare(
      'INSERT INTO events (position, stream, revision, recorded_at, id, type, metadata, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    )
    this.#last = db.prepare(
      'SELECT coalesce((SELECT revision FROM events WHERE stream = ? ORDER BY revision DESC LIMIT 1), ' +
        `(SELECT ${TOMBSTONE} FROM tombstones WHERE stream = ?), ${NO_STREAM}) AS revision`,
    )
    this.#range = db.prepare(
      'SELECT id, position FROM events WHERE stream = ? AND revision BETWEEN ? AND ? ORDER BY revision',
    )
    this.#find = db.prepare('SELECT revision FROM events WHERE stream = ? AND revision > ? AND id = ?')
    this.#remove = db.prepare('DELETE FROM events WHERE stream = ?')
    this.#removeTo = db.prepare('DELETE FROM events WHERE stream = ? AND revision <= ?')
    this.#bury = db.prepare('INSERT INTO tombstones (stream, head, deleted_at) VALUES (?, ?, ?)')
    this.#cap = db.prepare('INSERT OR REPLACE INTO caps (stream, max_count) VALUES (?, ?)')
    this.#uncap = db.prepare('DELETE FROM caps WHERE stream = ?')
    this.#head = this.#readHead()
    this.#readCaps()
    this.#place = new Place(file)
  }

  /** The last position that was ever used, -1 when there is none. */
  get head(): number {
    return this.#head
  }

  /** Commits all batches together and returns three numbers a change (see protocol.ts); throws when nothing was kept. */
  commit(batches: readonly Batch[]): readonly number[] {
    const results: number[] = []
    try {
      this.#place.assertKeptLately()
      if (this.#stale) this.#recall()
      this.#begin.run()
      for (const batch of batches) this.#apply(batch, results)
      this.#fault?.beforeCommit()
      this.#commit.run()
      this.#fault?.afterCommit()
      return results
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      this.#stale = true
      throw error
    }
  }

  /** Moves the WAL into the file first; without room for that, or beside a backup, the next open does it. */
  close(): void {
    try {
      // Whoever reads a moment of the log for long, as a backup does, must not hold up the end of this process.
      this.#db.exec('PRAGMA busy_timeout = 0')
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } finally {
      this.#db.close()
    }
  }

  #apply(batch: Batch, results: number[]): void {
    const { items, recordedAt } = batch
    let at = 0
    for (let i = 0; i < batch.changes; i++) {
      const stream = items[at] as string
      const expected = items[at + 1] as number
      const count = items[at + 2] as number
      at += 3
      const last = this.#lastRevision(stream)
      if (count === DELETION) {
        this.#delete(stream, expected, last, recordedAt, results)
        continue
      }
      if (count === CAP) {
        this.#setCap(stream, expected, last, results)
        continue
      }
      if (last === TOMBSTONE) results.push(GONE, 0, 0)
      else this.#decide(stream, expected, last, count, items, at, recordedAt, results)
      at += count * 4
    }
  }

  #decide(
    stream: string,
    expected: number,
    last: number,
    count: number,
    items: readonly (string | number)[],
    at: number,
    recordedAt: number,
    results: number[],
  ): void {
    const first = expected === ANY ? this.#findRepeated(stream, last, items[at] as string) : expected + 1
    if (first <= last) {
      const position = this.#repeated(stream, first, count, items, at)
      if (position !== undefined) {
        results.push(REPEATED, first + count - 1, position)
        return
      }
    }
    if (expected === ANY || first === last + 1) this.#append(stream, last, count, items, at, recordedAt, results)
    else results.push(CONFLICT, last, 0)
  }

  /** Where the newest events go, the tombstone keeps their positions from being used again. */
  #delete(stream: string, expected: number, last: number, deletedAt: number, results: number[]): void {
    if (last !== TOMBSTONE && last !== expected) {
      results.push(CONFLICT, last, 0)
      return
    }
    results.push(DONE, 0, 0)
    if (last === TOMBSTONE) return
    if (last !== NO_STREAM) this.#remove.run(stream)
    this.#bury.run(stream, this.#head, deletedAt)
    if (this.#caps.delete(stream)) this.#uncap.run(stream)
    this.#remember(stream, TOMBSTONE)
    this.#fault?.deleted()
  }

  #setCap(stream: string, maxCount: number, last: number, results: number[]): void {
    results.push(DONE, 0, 0)
    if (last === TOMBSTONE) return
    this.#cap.run(stream, maxCount)
    this.#caps.set(stream, maxCount)
    this.#trim(stream, last)
  }

  /** Lets go of what is beyond the stream's cap. The newest event stays, so the head of the log does, too. */
  #trim(stream: string, last: number): void {
    const maxCount = this.#caps.get(stream)
    if (maxCount !== undefined && last >= maxCount) this.#removeTo.run(stream, last - maxCount)
  }

  #append(
    stream: string,
    last: number,
    count: number,
    items: readonly (string | number)[],
    at: number,
    recordedAt: number,
    results: number[],
  ): void {
    for (let i = 0; i < count; i++) {
      const item = at + i * 4
      this.#insert.run(
        ++this.#head,
        stream,
        last + 1 + i,
        recordedAt,
        items[item] as string,
        items[item + 1] as string,
        items[item + 3] as string,
        items[item + 2] as string,
      )
    }
    this.#fault?.noticed(Array.from({ length: count }, (_, i) => items[at + i * 4 + 1] as string))
    this.#remember(stream, last + count)
    if (this.#caps.size > 0) this.#trim(stream, last + count)
    results.push(APPENDED, last + count, this.#head)
  }

  /** The position of the last of these events if they are exactly what the stream has from `first` on. */
  #repeated(
    stream: string,
    first: number,
    count: number,
    items: readonly (string | number)[],
    at: number,
  ): number | undefined {
    const rows = this.#range.all(stream, first, first + count - 1)
    const same = rows.length === count && rows.every((row, i) => row.id === items[at + i * 4])
    return same ? Number(rows[count - 1]?.position) : undefined
  }

  /** Where an append with `any` may have been recorded before, or the end of the stream. */
  #findRepeated(stream: string, last: number, id: string): number {
    if (last < 0) return 0
    const row = this.#find.get(stream, last - LOOK_BACK, id)
    return row ? Number(row.revision) : last + 1
  }

  #lastRevision(stream: string): number {
    const known = this.#revisions.get(stream)
    if (known !== undefined) return known
    const revision = this.#older.get(stream) ?? this.#readLast(stream)
    this.#remember(stream, revision)
    return revision
  }

  #remember(stream: string, revision: number): void {
    if (this.#revisions.size >= REMEMBERED) {
      this.#older = this.#revisions
      this.#revisions = new Map()
    }
    this.#revisions.set(stream, revision)
  }

  #readLast(stream: string): number {
    return Number(this.#last.get(stream, stream)?.revision)
  }

  #recall(): void {
    this.#revisions.clear()
    this.#older.clear()
    this.#head = this.#readHead()
    this.#readCaps()
    this.#stale = false
  }

  #readHead(): number {
    return Number(this.#db.prepare(LAST_POSITION).get()?.position)
  }

  #readCaps(): void {
    this.#caps.clear()
    for (const { stream, max_count: maxCount } of this.#db.prepare('SELECT stream, max_count FROM caps').iterate()) {
      this.#caps.set(String(stream), Number(maxCount))
    }
  }
}
