/** Opens read.db for one log: it goes on with what is there, and begins again where that is of no use. */
import type { DatabaseSync } from 'node:sqlite'
import { type EventStore, type StoreCorrupt, StoreUnavailable } from '../events/index.ts'
import type { ReadClock } from './clock.ts'
import { openReadCore, type ReadCore } from './core.ts'
import { deleteReadDatabase, isCorrupt, isDiskTrouble, openReadDatabase } from './database.ts'
import { goOnWith } from './same-log.ts'

export interface OpenOptions {
  readonly app: string
  /** Or ':memory:'. */
  readonly file: string
  readonly log: Pick<EventStore, 'readStream' | 'head'>
  readonly clock?: ReadClock
  /** Told of a log that has lost its end. */
  readonly onShorter?: (error: StoreCorrupt) => void
}

export interface OpenedReads {
  readonly db: DatabaseSync
  readonly core: ReadCore
}

/** @throws StoreUnavailable when the file cannot be used */
export async function openReads(options: OpenOptions): Promise<OpenedReads> {
  const { file } = options
  try {
    return await open(options).catch((error) => {
      if (!isCorrupt(error)) throw error
      // Damage where its tables are described shows only now.
      deleteReadDatabase(file)
      return open(options)
    })
  } catch (error) {
    throw isDiskTrouble(error) ? unusable(file, error) : error
  }
}

async function open({ app, file, log, clock, onShorter }: OpenOptions): Promise<OpenedReads> {
  const db = openReadDatabase(file)
  try {
    const core = openReadCore({ db, app, ...(clock && { clock }) })
    await goOnWith(log, core.engine, onShorter)
    return { db, core }
  } catch (error) {
    db.close()
    throw error
  }
}

/** SQLite names no file. */
export function unusable(file: string, cause: unknown): StoreUnavailable {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new StoreUnavailable(
    `${file} cannot be used (${reason}). Make room, or let this process write to it. It may be deleted while nobody uses it: it is made again from the log.`,
    { retryable: false, cause },
  )
}
