/**
 * Feeds read models from the log: each batch and the checkpoints commit in one transaction of read.db, so that what a
 * view says is always exactly the log up to its position. Synchronous; a host decides on which thread it runs.
 *
 * Everything here can be made again from the log. So when in doubt (another log, a read model of another version, an
 * event type that older code passed over) tables are dropped and rebuilt rather than repaired.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { definition, isKnown, type Position, parseStream, type RecordedEvent, START } from '../events/index.ts'
import { int, maybeInt, maybeText, text } from './columns.ts'
import { PoisonEvent } from './errors.ts'
import type { LogEvent, Projection, ReadModel, Touched } from './read-model.ts'

/** The last event taken in: if the log has another one there, read.db was made from another log. */
export interface LogMark {
  readonly stream: string
  readonly revision: bigint
  readonly id: string
  readonly position: Position
}

export interface ReadModelStatus {
  readonly name: string
  readonly version: number
  readonly position: Position
  readonly rebuilding: boolean
}

export interface Engine {
  /** Everything up to here is in every read model; follow the log from here. */
  readonly position: Position
  /** Where the log must still say what it said, or undefined when nothing was taken in. */
  readonly mark: LogMark | undefined
  /** Events passed over because newer code wrote them. */
  readonly skipped: number
  /**
   * Takes in events that follow {@link position} in the log, all or none, and adds what they changed to `touched`.
   * @throws PoisonEvent when one cannot be taken in; those before it have been, and it may be tried again
   */
  apply(events: readonly RecordedEvent[], touched: Touched): void
  /** There is nothing for us in the log up to here. */
  advance(to: Position): void
  /** Forgets everything: the log is another one. */
  reset(): void
  status(): readonly ReadModelStatus[]
}

interface Running {
  readonly model: ReadModel
  readonly projection: Projection
  position: number
  /** Where a rebuild began to count as caught up: undefined when it is not one. */
  rebuildUntil: number | undefined
}

const FORMAT = '1'

/** Opens or creates the tables of `models` in `db`. */
export function openEngine(options: {
  readonly db: DatabaseSync
  readonly app: string
  readonly models: readonly ReadModel[]
}): Engine {
  const { db, app, models } = options
  db.exec(`
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS checkpoints (
      name TEXT NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL, rebuild_until INTEGER, PRIMARY KEY (name, version)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS skipped (
      kind TEXT NOT NULL, type TEXT NOT NULL, v INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (kind, type, v)
    ) WITHOUT ROWID;
  `)
  const getMeta = db.prepare('SELECT value FROM meta WHERE key = ?')
  const meta = (key: string) => maybeText(getMeta.get(key)?.value)
  const identity = `${FORMAT} ${app}`
  if (meta('identity') !== identity || nowKnown(db)) dropEverything(db)
  const setMeta = db.prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
  setMeta.run('identity', identity)
  return new SqliteEngine(db, app, models, setMeta, meta('mark'))
}

class SqliteEngine implements Engine {
  readonly #db: DatabaseSync
  readonly #app: string
  readonly #models: readonly ReadModel[]
  #running: Running[]
  #mark: LogMark | undefined
  #skipped: number
  readonly #setMeta: StatementSync
  readonly #setCheckpoint: StatementSync
  readonly #skip: StatementSync

  constructor(
    db: DatabaseSync,
    app: string,
    models: readonly ReadModel[],
    setMeta: StatementSync,
    mark: string | undefined,
  ) {
    this.#db = db
    this.#app = app
    this.#models = models
    this.#setMeta = setMeta
    this.#mark = mark === undefined ? undefined : parseMark(mark)
    this.#setCheckpoint = db.prepare(
      'UPDATE checkpoints SET position = ?, rebuild_until = ? WHERE name = ? AND version = ?',
    )
    this.#skip = db.prepare(
      'INSERT INTO skipped VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + excluded.count',
    )
    this.#skipped = int(db.prepare('SELECT total(count) AS n FROM skipped').get()?.n)
    this.#running = this.#open()
  }

  get position(): Position {
    return BigInt(Math.min(...this.#running.map((running) => running.position))) as Position
  }

  get mark(): LogMark | undefined {
    return this.#mark
  }

  get skipped(): number {
    return this.#skipped
  }

  status(): readonly ReadModelStatus[] {
    return this.#running.map(({ model, position, rebuildUntil }) => ({
      name: model.name,
      version: model.version,
      position: BigInt(position) as Position,
      rebuilding: rebuildUntil !== undefined && position < rebuildUntil,
    }))
  }

  apply(events: readonly RecordedEvent[], touched: Touched): void {
    try {
      this.#applyAll(events, touched)
    } catch (cause) {
      if (!(cause instanceof PoisonEvent)) throw cause
      // One of them cannot be taken in: take in those before it, so that the error names it and no other waits for it.
      for (const event of events) this.#applyAll([event], touched)
    }
  }

  #applyAll(events: readonly RecordedEvent[], touched: Touched): void {
    const last = events.at(-1)
    if (last === undefined) return
    this.#transaction(() => {
      const byKind = this.#sort(events)
      for (const running of this.#running) {
        const mine: LogEvent[] = []
        for (const kind of running.model.kinds) {
          for (const event of byKind.get(kind) ?? []) if (event.position > running.position) mine.push(event)
        }
        if (running.model.kinds.length > 1) mine.sort((a, b) => a.position - b.position)
        if (mine.length > 0) applyTo(running, mine, touched)
      }
      // A node's events are capped: an old one may be gone although the log is the same.
      const mark = events.findLast((event) => parseStream(this.#app, event.stream)?.kind !== 'node')
      this.#checkpoint(last.position, mark ?? this.#mark)
    })
  }

  advance(to: Position): void {
    if (to <= this.position) return
    this.#transaction(() => this.#checkpoint(to, this.#mark))
  }

  reset(): void {
    dropEverything(this.#db)
    this.#setMeta.run('identity', `${FORMAT} ${this.#app}`)
    this.#mark = undefined
    this.#skipped = 0
    this.#running = this.#open()
  }

  #transaction(write: () => void): void {
    const before = {
      positions: this.#running.map((running) => running.position),
      skipped: this.#skipped,
      mark: this.#mark,
    }
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      write()
      this.#db.exec('COMMIT')
    } catch (error) {
      // SQLite may have rolled back by itself, as when the disk is full.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      for (const [i, running] of this.#running.entries()) {
        running.position = before.positions[i] ?? running.position
        running.projection.forget()
      }
      this.#skipped = before.skipped
      this.#mark = before.mark
      throw error
    }
  }

  #sort(events: readonly RecordedEvent[]): Map<string, LogEvent[]> {
    const byKind = new Map<string, LogEvent[]>()
    const from = Number(this.position)
    for (const event of events) {
      const position = Number(event.position)
      const stream = position > from ? parseStream(this.#app, event.stream) : undefined
      if (stream === undefined) continue
      if (!isKnown(stream.kind, event)) {
        // Nothing is lost: when this code learns the type, the read models are rebuilt.
        this.#skip.run(stream.kind, event.type, event.metadata.v)
        this.#skipped++
        continue
      }
      const known = {
        event,
        kind: stream.kind,
        key: decodeKey(stream.key),
        at: Date.parse(event.metadata.at),
        position,
      }
      const same = byKind.get(stream.kind)
      if (same === undefined) byKind.set(stream.kind, [known])
      else same.push(known)
    }
    return byKind
  }

  #checkpoint(to: Position, mark: LogMark | undefined): void {
    const position = Number(to)
    for (const running of this.#running) {
      if (position <= running.position) continue
      running.position = position
      const caughtUp = running.rebuildUntil !== undefined && position >= running.rebuildUntil
      if (caughtUp) {
        dropTables(this.#db, running.model, 'older')
        running.rebuildUntil = undefined
      }
      this.#setCheckpoint.run(position, running.rebuildUntil ?? null, running.model.name, running.model.version)
    }
    if (mark !== undefined && mark !== this.#mark) {
      this.#mark = { stream: mark.stream, revision: mark.revision, id: mark.id, position: mark.position }
      this.#setMeta.run('mark', JSON.stringify([mark.stream, `${mark.revision}`, mark.id, `${mark.position}`]))
    }
  }

  #open(): Running[] {
    const checkpoint = this.#db.prepare(
      'SELECT position, rebuild_until FROM checkpoints WHERE name = ? AND version = ?',
    )
    const previous = this.#db.prepare('SELECT max(position) AS position FROM checkpoints WHERE name = ?')
    const insert = this.#db.prepare('INSERT INTO checkpoints VALUES (?, ?, ?, ?)')
    return this.#models.map((model) => {
      const found = checkpoint.get(model.name, model.version)
      if (found !== undefined) {
        const rebuildUntil = maybeInt(found.rebuild_until)
        return { model, projection: model.open(this.#db), position: int(found.position), rebuildUntil }
      }
      const rebuildUntil = maybeInt(previous.get(model.name)?.position)
      dropTables(this.#db, model, 'same')
      this.#db.exec(`BEGIN; ${model.tables} COMMIT;`)
      insert.run(model.name, model.version, Number(START), rebuildUntil ?? null)
      return { model, projection: model.open(this.#db), position: Number(START), rebuildUntil }
    })
  }
}

function applyTo(running: Running, events: readonly LogEvent[], touched: Touched): void {
  try {
    running.projection.apply(events, touched)
  } catch (cause) {
    // Of a batch it may be any; the caller then tries them one by one, and the one named is the one.
    const event = events[0]?.event
    if (event === undefined || isDiskTrouble(cause)) throw cause
    const { stream, type, position } = event
    throw new PoisonEvent({ readModel: running.model.name, stream, type, position, cause })
  }
}

/** SQLITE_FULL, SQLITE_IOERR, SQLITE_BUSY, SQLITE_READONLY…: no event's fault. */
function isDiskTrouble(cause: unknown): boolean {
  const code =
    cause instanceof Error && 'errcode' in cause && typeof cause.errcode === 'number' ? cause.errcode & 0xff : 0
  return [5, 6, 8, 10, 11, 13, 14, 26].includes(code)
}

function decodeKey(key: string): string {
  if (!key.includes('%')) return key
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}

function parseMark(value: string): LogMark | undefined {
  const [stream, revision, id, position] = JSON.parse(value) as string[]
  if (stream === undefined || revision === undefined || id === undefined || position === undefined) return undefined
  return { stream, revision: BigInt(revision), id, position: BigInt(position) as Position }
}

/** Whether this code knows an event type that older code passed over. */
function nowKnown(db: DatabaseSync): boolean {
  for (const { kind, type, v } of db.prepare('SELECT kind, type, v FROM skipped').iterate()) {
    const stream = parseStream('x', `x.${text(kind)}-`)
    const known = stream === undefined ? undefined : definition(stream.kind, text(type))
    if (known !== undefined && int(v) <= known.v) return true
  }
  return false
}

function dropEverything(db: DatabaseSync): void {
  const tables = db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB '*_v[0-9]*'`).all()
  db.exec(`BEGIN; ${tables.map(({ name }) => `DROP TABLE "${text(name)}";`).join(' ')}
    DELETE FROM meta; DELETE FROM checkpoints; DELETE FROM skipped; COMMIT;`)
}

/** Drops the tables of this version of a read model, or those of all others. */
function dropTables(db: DatabaseSync, model: ReadModel, which: 'same' | 'older'): void {
  const own = `${model.name}_v${model.version}_`
  for (const { name } of db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all()) {
    const table = text(name)
    if (!/^_v\d+_/.test(table.slice(model.name.length)) || !table.startsWith(model.name)) continue
    if (table.startsWith(own) === (which === 'same')) db.exec(`DROP TABLE "${table}"`)
  }
  db.prepare(`DELETE FROM checkpoints WHERE name = ? AND (version = ?) = ?`).run(
    model.name,
    model.version,
    which === 'same' ? 1 : 0,
  )
}
