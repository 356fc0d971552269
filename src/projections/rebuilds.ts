/**
 * Read models that are made again beside those in use, which go on answering and following the log meanwhile.
 *
 *   (none) ──begin──▶ behind ──takes in the log, page by page──▶ where the one in use is ──▶ takes its place
 *                       └──an event that it cannot take in, a full disk──▶ given up: dropped, with the reason kept
 *
 * Each page commits with how far it came, so a process that dies goes on from there.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type Position, type RecordedEvent, START, StoreUnavailable } from '../events/index.ts'
import { int, maybeInt, maybeText } from './columns.ts'
import { inTransaction, isDiskFull } from './database.ts'
import { PoisonEvent } from './errors.ts'
import { sortByKind } from './log-events.ts'
import { applyTo, nothingTouched, type Projection, type ReadModel } from './read-model.ts'
import { createTables, dropTables, isSame, Names, type TableSet, withNames } from './tables.ts'
import type { RebuildStatus } from './views.ts'

export const NO_ROOM = 'The disk is full. Make room for a second copy of what read.db holds, and rebuild again.'

export interface LogPage {
  readonly from: Position
  /** All that follow `from` in the log, up to the last of these. */
  readonly events: readonly RecordedEvent[]
  /** They are all that there are, at least up to where those in use are. */
  readonly isLast: boolean
}

/** A read model and the tables that answer for it. */
export interface InUse {
  readonly model: ReadModel
  tables: TableSet
  projection: Projection
  position: number
}

interface Rebuild {
  readonly model: ReadModel
  readonly tables: TableSet
  readonly projection: Projection
  position: number
  events: number
}

export class Rebuilds {
  readonly #db: DatabaseSync
  readonly #app: string
  readonly #goOn: StatementSync
  readonly #replace: StatementSync
  #all: Rebuild[] = []

  constructor(db: DatabaseSync, app: string, inUse: readonly InUse[]) {
    this.#db = db
    this.#app = app
    this.#goOn = db.prepare('UPDATE generations SET next_position = ?, next_events = ? WHERE name = ? AND version = ?')
    this.#replace = db.prepare(
      'UPDATE generations SET current = ?, next_position = NULL, next_events = 0 WHERE name = ? AND version = ?',
    )
    const next = db.prepare('SELECT next_position, next_events FROM generations WHERE name = ? AND version = ?')
    for (const { model, tables } of inUse) {
      const row = next.get(model.name, model.version)
      const position = maybeInt(row?.next_position)
      if (position !== undefined) this.#open(model, tables.generation + 1, position, int(row?.next_events))
    }
  }

  /** From where they need the log: the one that is furthest behind. Undefined when nothing is rebuilt. */
  get position(): Position | undefined {
    if (this.#all.length === 0) return undefined
    return BigInt(Math.min(...this.#all.map(({ position }) => position))) as Position
  }

  statusOf({ model, position: until }: InUse): RebuildStatus | undefined {
    const rebuild = this.#of(model)
    if (rebuild === undefined) return undefined
    const { position, events } = rebuild
    return { position: BigInt(position) as Position, until: BigInt(until) as Position, events }
  }

  /** Why the last one came to nothing. */
  failureOf({ name, version }: ReadModel): string | undefined {
    const row = this.#db.prepare('SELECT failed FROM generations WHERE name = ? AND version = ?').get(name, version)
    return maybeText(row?.failed)
  }

  /** Those that are under way go on. @throws StoreUnavailable when there is not even room to begin */
  begin(inUse: readonly InUse[]): void {
    const wanted = inUse.filter(({ model }) => this.#of(model) === undefined)
    const insert = this.#db.prepare(`INSERT INTO generations (name, version, next_position) VALUES (?, ?, ?)
      ON CONFLICT DO UPDATE SET next_position = excluded.next_position, next_events = 0, failed = NULL`)
    try {
      inTransaction(this.#db, () => {
        for (const { model, tables } of wanted) {
          createTables(this.#db, model, tables.generation + 1)
          insert.run(model.name, model.version, Number(START))
        }
      })
    } catch (cause) {
      throw isDiskFull(cause) ? new StoreUnavailable(NO_ROOM, { retryable: true, cause }) : cause
    }
    for (const { model, tables } of wanted) this.#open(model, tables.generation + 1, Number(START), 0)
  }

  /**
   * Takes in a page of the log, and puts those that have come to where the ones in use are into their place.
   * @returns whether any took its place
   * @throws PoisonEvent when one cannot be taken in; those before it have been
   */
  takeIn(page: LogPage, inUse: readonly InUse[]): boolean {
    try {
      return this.#takeInAll(page, inUse)
    } catch (cause) {
      if (!(cause instanceof PoisonEvent)) throw cause
      const one = (event: RecordedEvent) => this.#takeInAll({ ...page, events: [event], isLast: false }, inUse)
      return page.events.map(one).includes(true)
    }
  }

  /** Drops what was made so far. */
  giveUp(reason: string, name?: string): void {
    const failed = this.#all.filter(({ model }) => name === undefined || model.name === name)
    const forget = this.#db.prepare(
      'UPDATE generations SET next_position = NULL, next_events = 0, failed = ? WHERE name = ? AND version = ?',
    )
    inTransaction(this.#db, () => {
      for (const { model, tables } of failed) {
        dropTables(this.#db, (set) => isSame(set, tables))
        forget.run(reason, model.name, model.version)
      }
    })
    this.#all = this.#all.filter((rebuild) => !failed.includes(rebuild))
  }

  #takeInAll({ from, events, isLast }: LogPage, inUse: readonly InUse[]): boolean {
    const seen = events.at(-1)?.position ?? from
    // One that began since the page was read is not as far as where the page begins.
    const ready = this.#all.filter(({ position }) => position >= Number(from))
    const before = ready.map(({ position, events }) => ({ position, events }))
    // What newer code wrote was counted when it was followed.
    const byKind = sortByKind(this.#app, events, Number(from), () => {})
    const done: { rebuild: Rebuild; used: InUse }[] = []
    try {
      inTransaction(this.#db, () => {
        for (const rebuild of ready) {
          const used = inUse.find(({ model }) => model === rebuild.model)
          if (used === undefined) continue
          const until = isLast ? used.position : Math.min(Number(seen), used.position)
          applyTo(rebuild, byKind, { after: rebuild.position, until }, nothingTouched())
          rebuild.events += events.filter(({ position }) => position > rebuild.position && position <= until).length
          rebuild.position = Math.max(rebuild.position, until)
          this.#goOn.run(rebuild.position, rebuild.events, rebuild.model.name, rebuild.model.version)
          if (rebuild.position < used.position) continue
          this.#replace.run(rebuild.tables.generation, rebuild.model.name, rebuild.model.version)
          dropTables(this.#db, (set) => isSame(set, used.tables))
          done.push({ rebuild, used })
        }
      })
    } catch (error) {
      for (const [i, rebuild] of ready.entries()) {
        Object.assign(rebuild, before[i])
        rebuild.projection.forget()
      }
      throw error
    }
    for (const { rebuild, used } of done) {
      used.tables = rebuild.tables
      used.projection = rebuild.projection
    }
    this.#all = this.#all.filter((rebuild) => !done.some((other) => other.rebuild === rebuild))
    return done.length > 0
  }

  #of({ name }: ReadModel): Rebuild | undefined {
    return this.#all.find(({ model }) => model.name === name)
  }

  #open(model: ReadModel, generation: number, position: number, events: number): void {
    const tables: TableSet = { name: model.name, version: model.version, generation }
    const projection = model.open(withNames(this.#db, new Names([tables])))
    this.#all.push({ model, tables, projection, position, events })
  }
}
