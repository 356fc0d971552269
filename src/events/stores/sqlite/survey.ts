/** A look into the file of a log without taking the directory: whose events it has, and of what types, newest first. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../../errors.ts'
import type { Position } from '../../event.ts'
import { EVENTS_FILE, firstAfter, openForReading, toFailure, toStoreError } from './file.ts'

/** Where in its stream something happened, without what. */
export interface Header {
  readonly stream: string
  readonly type: string
}

export class LogSurvey {
  readonly #db: DatabaseSync

  private constructor(db: DatabaseSync) {
    this.#db = db
  }

  /** Looks into the log of a directory; undefined when it has none. @throws StoreUnavailable, StoreCorrupt */
  static of<T>(directory: string, look: (survey: LogSurvey) => T): T | undefined {
    const file = join(directory, EVENTS_FILE)
    if (!existsSync(file)) return undefined
    try {
      const db = openForReading(file)
      try {
        return look(new LogSurvey(db))
      } finally {
        db.close()
      }
    } catch (error) {
      throw error instanceof StoreError ? error : toStoreError(toFailure(error), error)
    }
  }

  /** The apps that have events here, each found in one step of the index. */
  apps(): readonly string[] {
    const next = this.#db.prepare('SELECT stream FROM events WHERE stream >= ? ORDER BY stream LIMIT 1')
    const apps: string[] = []
    let after: string | Uint8Array = ''
    for (let row = next.get(after); row; row = next.get(after)) {
      const [app = ''] = String(row.stream).split('.', 1)
      apps.push(app)
      after = firstAfter(`${app}.`)
    }
    return apps
  }

  /** Whether any stream that begins so has an event after the position, other than those that begin like `except`. */
  hasAfter(position: Position, prefix: string, except: string): boolean {
    const row = this.#db
      .prepare(
        'SELECT 1 FROM events WHERE position > ? AND +stream >= ? AND +stream < ? ' +
          'AND NOT (+stream >= ? AND +stream < ?) LIMIT 1',
      )
      .get(position, prefix, firstAfter(prefix), except, firstAfter(except))
    return row !== undefined
  }

  /** Events of these types in streams that begin so, from the end of the log on. */
  *newestFirst(prefix: string, types: readonly string[]): Generator<Header, void, undefined> {
    const rows = this.#db
      .prepare(
        'SELECT stream, type FROM events WHERE +stream >= ? AND +stream < ? ' +
          `AND type IN (${types.map(() => '?').join(', ')}) ORDER BY position DESC`,
      )
      .iterate(prefix, firstAfter(prefix), ...types)
    for (const { stream, type } of rows) yield { stream: String(stream), type: String(type) }
  }
}
