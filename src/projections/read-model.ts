/**
 * What a read model is: tables in read.db, and how a batch of the log changes them. The engine owns transactions and
 * checkpoints, so a read model never commits, and can be rebuilt from the log whenever its version changes.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { StreamKind } from '../events/index.ts'
import { isDiskTrouble } from './database.ts'
import { PoisonEvent } from './errors.ts'
import type { LogEvent } from './log-events.ts'

/** What a batch changed, so that live queries know whether they may have to run again. */
export interface Touched {
  readonly jobs: Set<string>
  /** Of the jobs: their names, and the sessions that they belong to. */
  readonly jobNames: Set<string>
  readonly jobSessions: Set<string>
  readonly sessions: Set<string>
  readonly schedules: Set<string>
  /** Some lock's holder or queue. */
  locks: boolean
}

export function nothingTouched(): Touched {
  return {
    jobs: new Set(),
    jobNames: new Set(),
    jobSessions: new Set(),
    sessions: new Set(),
    schedules: new Set(),
    locks: false,
  }
}

export interface ReadModel {
  /** Its tables are named `<name>_v<version>_…`, so that two versions can live side by side. */
  readonly name: string
  /** To be raised whenever the tables or the fold change: the model is then rebuilt from the log. */
  readonly version: number
  /** The kinds of stream it is made from. */
  readonly kinds: readonly StreamKind[]
  /** SQL that creates the tables and indexes. */
  readonly tables: string
  open(db: DatabaseSync): Projection
}

export interface Projection {
  /** Writes what `events` change, inside the engine's transaction. Events are in log order and each comes once. */
  apply(events: readonly LogEvent[], touched: Touched): void
  /** The transaction was rolled back: what is remembered of the tables is void. */
  forget(): void
}

/** Lets a read model take in what is its own after a position, and up to one. @throws PoisonEvent naming the first of them */
export function applyTo(
  { model, projection }: { readonly model: ReadModel; readonly projection: Projection },
  byKind: ReadonlyMap<StreamKind, readonly LogEvent[]>,
  { after, until = Number.POSITIVE_INFINITY }: { readonly after: number; readonly until?: number },
  touched: Touched,
): void {
  const mine: LogEvent[] = []
  for (const kind of model.kinds) {
    for (const event of byKind.get(kind) ?? []) {
      if (event.position > after && event.position <= until) mine.push(event)
    }
  }
  if (mine.length === 0) return
  if (model.kinds.length > 1) mine.sort((a, b) => a.position - b.position)
  try {
    projection.apply(mine, touched)
  } catch (cause) {
    // Of a batch it may be any; the caller then tries them one by one, and the one named is the one.
    const event = mine[0]?.event
    if (event === undefined || isDiskTrouble(cause)) throw cause
    const { stream, type, position } = event
    throw new PoisonEvent({ readModel: model.name, stream, type, position, cause })
  }
}
