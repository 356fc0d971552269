/**
 * What a read model is: tables in read.db, and how a batch of the log changes them. The engine owns transactions and
 * checkpoints, so a read model never commits, and can be rebuilt from the log whenever its version changes.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { RecordedEvent, StreamKind } from '../events/index.ts'

/** An event of this app that this code knows, with what every read model asks of it worked out once. */
export interface LogEvent {
  readonly event: RecordedEvent
  readonly kind: StreamKind
  /** The entity's id: the stream's key, decoded. */
  readonly key: string
  /** Milliseconds since the epoch, by the event's `at`. */
  readonly at: number
  readonly position: number
}

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
