/** The locks read model: who holds each lock, and who waits for it in which order. A lock nobody wants has no row. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { factOf, type LockFact, type RecordedEvent } from '../../events/index.ts'
import type { LogEvent } from '../log-events.ts'
import type { Projection, ReadModel, Touched } from '../read-model.ts'

const VERSION = 2
const V = `locks_v${VERSION}`
/** One row for a holder (`place` 0) and for each waiter (`place` is the revision at which it queued, plus 1). */
export const PARTIES = `${V}_parties`

export const locksModel: ReadModel = {
  name: 'locks',
  version: VERSION,
  kinds: ['lock'],
  tables: `
    CREATE TABLE ${PARTIES} (
      lock TEXT NOT NULL,
      place INTEGER NOT NULL,
      task TEXT NOT NULL,
      key TEXT NOT NULL,
      name TEXT NOT NULL,
      owner TEXT NOT NULL,
      revision INTEGER NOT NULL,
      carries INTEGER NOT NULL,
      fence INTEGER NOT NULL,
      since INTEGER NOT NULL,
      PRIMARY KEY (lock, place)
    ) WITHOUT ROWID;
    CREATE INDEX ${V}_by_task ON ${PARTIES}(task);
  `,
  open: (db) => new LocksProjection(db),
}

class LocksProjection implements Projection {
  readonly #put: StatementSync
  readonly #leave: StatementSync
  readonly #unhold: StatementSync
  readonly #promote: StatementSync

  constructor(db: DatabaseSync) {
    this.#put = db.prepare(`INSERT INTO ${PARTIES}
      (lock, place, task, key, name, owner, revision, carries, fence, since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET task = excluded.task, key = excluded.key, name = excluded.name, owner = excluded.owner,
      revision = excluded.revision, carries = excluded.carries, fence = excluded.fence, since = excluded.since`)
    this.#leave = db.prepare(`DELETE FROM ${PARTIES} WHERE lock = ? AND task = ?`)
    this.#unhold = db.prepare(`DELETE FROM ${PARTIES} WHERE lock = ? AND place = 0`)
    this.#promote = db.prepare(`UPDATE ${PARTIES} SET place = 0, fence = ?, since = ? WHERE lock = ? AND task = ?`)
  }

  apply(events: readonly LogEvent[], touched: Touched): void {
    for (const { event, key, at } of events) this.#apply(event, key, at)
    if (events.length > 0) touched.locks = true
  }

  #apply(event: RecordedEvent, lock: string, at: number): void {
    const fact = factOf<LockFact>(event)
    const revision = Number(event.revision)
    switch (fact.type) {
      case 'LockAcquired':
      case 'LockQueued': {
        const { taskId, key, name, ownerId, submission } = fact.data
        const place = fact.type === 'LockAcquired' ? 0 : revision + 1
        this.#leave.run(lock, taskId)
        this.#put.run(lock, place, taskId, key, name, ownerId, revision, submission ? 1 : 0, revision, at)
        return
      }
      case 'LockReleased':
        this.#leave.run(lock, fact.data.taskId)
        return
      case 'LockTakenOver': {
        this.#unhold.run(lock)
        // The new holder keeps the revision at which it queued: its submission is there.
        const queued = Number(this.#promote.run(revision, at, lock, fact.data.to).changes)
        if (queued === 0) this.#put.run(lock, 0, fact.data.to, lock, '', '', revision, 0, revision, at)
        return
      }
      case 'LockJoined':
        return
    }
  }

  forget(): void {
    // Nothing is remembered.
  }
}
