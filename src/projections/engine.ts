/**
 * Feeds read models from the log: each batch and the checkpoints commit in one transaction of read.db, so that what a
 * view says is always exactly the log up to its position. Synchronous; a host decides on which thread it runs.
 *
 * Everything here can be made again from the log. So when in doubt (another log, a read model of another version, an
 * event type that older code passed over) tables are dropped and rebuilt rather than repaired. The code of a new version
 * cannot read the tables of the old one: until its own have caught up the engine is behind, and the old ones are kept for
 * code that may come back. Made again on demand, a read model of the same version goes on answering (rebuilds.ts).
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { definition, type Position, parseStream, type RecordedEvent, START, type StreamKind } from '../events/index.ts'
import { int, maybeInt, maybeText, text } from './columns.ts'
import { inTransaction } from './database.ts'
import { PoisonEvent, UnknownReadModel } from './errors.ts'
import { sortByKind } from './log-events.ts'
import { applyTo, type ReadModel, type Touched } from './read-model.ts'
import { type InUse, type LogPage, Rebuilds } from './rebuilds.ts'
import { createTables, dropTables, GENERATIONS, Names, withNames } from './tables.ts'
import type { ReadModelStatus } from './views.ts'

/** The last event taken in: if the log has another one there, read.db was made from another log. */
export interface LogMark {
  readonly stream: string
  readonly revision: bigint
  readonly id: string
  readonly position: Position
}

export interface ProjectionEngine {
  /** The database as queries see it: the names of tables are those of the ones in use. */
  readonly db: DatabaseSync
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
  /**
   * Begins to make read models again beside those in use: one, or all. Those of which that is under way go on.
   * @throws UnknownReadModel
   */
  rebuild(name?: string): void
  /** From where in the log {@link takeIn} wants the next page; undefined when nothing is made again. */
  readonly rebuildPosition: Position | undefined
  /**
   * Takes in a page for those that are made again, all or none. No events may be applied between the reading of a page
   * and this.
   * @returns whether any has taken the place of the one in use: what it says may then be different
   * @throws PoisonEvent when an event cannot be taken in; those before it have been
   */
  takeIn(page: LogPage): boolean
  /** Drops what is made again, one or all, for a reason that the status tells from then on. */
  giveUpRebuild(reason: string, name?: string): void
  /** Goes on after {@link mark}: nothing behind it was of a read model, and it may not be there any more. */
  backToMark(): void
  /** Forgets everything: the log is another one. */
  reset(): void
  status(): readonly ReadModelStatus[]
}

interface Running extends InUse {
  /** Where a rebuild began to count as caught up: undefined when it is not one. */
  rebuildUntil: number | undefined
  /** Events taken in since it was opened. */
  events: number
}

const FORMAT = '2'
/** It had no generations, and is otherwise the same. */
const FORMAT_BEFORE = '1'

/** Opens or creates the tables of `models` in `db`. */
export function openProjectionEngine(options: {
  readonly db: DatabaseSync
  readonly app: string
  readonly models: readonly ReadModel[]
}): ProjectionEngine {
  const { db, app, models } = options
  db.exec(`
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS checkpoints (
      name TEXT NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL, rebuild_until INTEGER, PRIMARY KEY (name, version)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS skipped (
      kind TEXT NOT NULL, type TEXT NOT NULL, v INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (kind, type, v)
    ) WITHOUT ROWID;
    ${GENERATIONS}
  `)
  const getMeta = db.prepare('SELECT value FROM meta WHERE key = ?')
  const meta = (key: string) => maybeText(getMeta.get(key)?.value)
  const known = [FORMAT, FORMAT_BEFORE].map((format) => `${format} ${app}`)
  if (!known.includes(meta('identity') ?? '') || nowKnown(db)) dropEverything(db)
  const setMeta = db.prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
  setMeta.run('identity', `${FORMAT} ${app}`)
  return new SqliteEngine(db, app, models, setMeta, meta('mark'))
}

class SqliteEngine implements ProjectionEngine {
  readonly db: DatabaseSync
  readonly #db: DatabaseSync
  readonly #names = new Names()
  readonly #app: string
  readonly #models: readonly ReadModel[]
  #running: Running[]
  #rebuilds: Rebuilds
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
    this.db = withNames(db, this.#names)
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
    this.#rebuilds = new Rebuilds(db, app, this.#running)
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
    return this.#running.map((running) => {
      const { model, position: at, rebuildUntil, events } = running
      const position = BigInt(at) as Position
      const isBehind = rebuildUntil !== undefined && at < rebuildUntil
      const rebuild = isBehind
        ? { position, until: BigInt(rebuildUntil) as Position, events }
        : this.#rebuilds.statusOf(running)
      const failed = this.#rebuilds.failureOf(model)
      return { name: model.name, version: model.version, position, rebuilding: rebuild !== undefined, rebuild, failed }
    })
  }

  rebuild(name?: string): void {
    const wanted = this.#running.filter(({ model }) => name === undefined || model.name === name)
    if (name !== undefined && wanted.length === 0) {
      throw new UnknownReadModel({ name, known: this.#models.map((model) => model.name) })
    }
    // One of a new version is being made already.
    this.#rebuilds.begin(wanted.filter(({ rebuildUntil }) => rebuildUntil === undefined))
  }

  get rebuildPosition(): Position | undefined {
    return this.#rebuilds.position
  }

  takeIn(page: LogPage): boolean {
    const tookPlace = this.#rebuilds.takeIn(page, this.#running)
    for (const { tables } of this.#running) this.#names.use(tables)
    return tookPlace
  }

  giveUpRebuild(reason: string, name?: string): void {
    this.#rebuilds.giveUp(reason, name)
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
      const byKind = sortByKind(this.#app, events, Number(this.position), (kind, { type, metadata }) => {
        // Nothing is lost: when this code learns the type, the read models are rebuilt.
        this.#skip.run(kind, type, metadata.v)
        this.#skipped++
      })
      for (const running of this.#running) applyTo(running, byKind, { after: running.position }, touched)
      // A node's events are capped: an old one may be gone although the log is the same.
      const mark = events.findLast((event) => parseStream(this.#app, event.stream)?.kind !== 'node')
      this.#checkpoint(last.position, mark ?? this.#mark)
    })
    for (const running of this.#running) running.events += events.length
  }

  advance(to: Position): void {
    if (to <= this.position) return
    this.#transaction(() => this.#checkpoint(to, this.#mark))
  }

  backToMark(): void {
    const to = Number(this.#mark?.position ?? START)
    inTransaction(this.#db, () => {
      this.#db.prepare('UPDATE checkpoints SET position = ? WHERE position > ?').run(to, to)
      this.#db.prepare('UPDATE generations SET next_position = ? WHERE next_position > ?').run(to, to)
    })
    this.#running = this.#open()
    this.#rebuilds = new Rebuilds(this.#db, this.#app, this.#running)
  }

  reset(): void {
    dropEverything(this.#db)
    this.#setMeta.run('identity', `${FORMAT} ${this.#app}`)
    this.#mark = undefined
    this.#skipped = 0
    this.#running = this.#open()
    this.#rebuilds = new Rebuilds(this.#db, this.#app, this.#running)
  }

  #transaction(write: () => void): void {
    const before = {
      positions: this.#running.map((running) => running.position),
      skipped: this.#skipped,
      mark: this.#mark,
    }
    try {
      inTransaction(this.#db, write)
    } catch (error) {
      for (const [i, running] of this.#running.entries()) {
        running.position = before.positions[i] ?? running.position
        running.projection.forget()
      }
      this.#skipped = before.skipped
      this.#mark = before.mark
      throw error
    }
  }

  #checkpoint(to: Position, mark: LogMark | undefined): void {
    const position = Number(to)
    for (const running of this.#running) {
      if (position <= running.position) continue
      running.position = position
      const caughtUp = running.rebuildUntil !== undefined && position >= running.rebuildUntil
      if (caughtUp) {
        forgetOtherVersions(this.#db, running.model)
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
    const generation = this.#db.prepare('SELECT current FROM generations WHERE name = ? AND version = ?')
    const forget = this.#db.prepare('DELETE FROM generations WHERE name = ? AND version = ?')
    return this.#models.map((model) => {
      const { name, version } = model
      const found = checkpoint.get(name, version)
      const rebuildUntil = maybeInt(found ? found.rebuild_until : previous.get(name)?.position)
      if (found === undefined) {
        inTransaction(this.#db, () => {
          createTables(this.#db, model, 0)
          forget.run(name, version)
          insert.run(name, version, Number(START), rebuildUntil ?? null)
        })
      }
      const tables = { name, version, generation: maybeInt(generation.get(name, version)?.current) ?? 0 }
      this.#names.use(tables)
      const projection = model.open(withNames(this.#db, new Names([tables])))
      const position = found === undefined ? Number(START) : int(found.position)
      return { model, tables, projection, position, rebuildUntil, events: 0 }
    })
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
    // One of a kind that this code has not got has no definition either.
    const known = definition(text(kind) as StreamKind, text(type))
    if (known !== undefined && int(v) <= known.v) return true
  }
  return false
}

function dropEverything(db: DatabaseSync): void {
  inTransaction(db, () => {
    dropTables(db, () => true)
    db.exec('DELETE FROM meta; DELETE FROM checkpoints; DELETE FROM skipped; DELETE FROM generations')
  })
}

function forgetOtherVersions(db: DatabaseSync, { name, version }: ReadModel): void {
  dropTables(db, (set) => set.name === name && set.version !== version)
  for (const table of ['checkpoints', 'generations']) {
    db.prepare(`DELETE FROM ${table} WHERE name = ? AND version <> ?`).run(name, version)
  }
}
