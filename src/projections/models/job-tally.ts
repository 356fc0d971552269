/** How many jobs of each name, and of each owner's, are in each status, so that a board's counts cost nothing. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { JobRecord } from './job-fold.ts'
import { COUNTS, HIDDEN, OWNER_COUNTS, STATUS_CODE } from './jobs-table.ts'
import type { Words } from './words.ts'

/** Kept in two tables of the jobs read model. A hidden job counts nowhere. */
export class JobTally {
  /** By owner, name and status code. */
  readonly #changes = new Map<string, { owner: number; name: number; status: number; by: number }>()
  readonly #words: Words
  readonly #add: StatementSync
  readonly #addOfOwner: StatementSync

  constructor(db: DatabaseSync, words: Words) {
    this.#words = words
    this.#add = db.prepare(`INSERT INTO ${COUNTS} (name, status, count) VALUES (?, ?, ?)
      ON CONFLICT DO UPDATE SET count = count + excluded.count`)
    this.#addOfOwner = db.prepare(`INSERT INTO ${OWNER_COUNTS} (owner, name, status, count) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET count = count + excluded.count`)
  }

  move(before: JobRecord | undefined, after: JobRecord | undefined): void {
    if (before?.status === after?.status && before?.hidden === after?.hidden) return
    this.#count(before, -1)
    this.#count(after, 1)
  }

  #count(job: JobRecord | undefined, by: number): void {
    if (job === undefined || job.hidden) return
    const owner = this.#words.numberOf(job.ownerId)
    const name = this.#words.numberOf(job.name)
    const key = `${owner}.${name}.${job.status}`
    const change = this.#changes.get(key)
    if (change === undefined) this.#changes.set(key, { owner, name, status: STATUS_CODE[job.status], by })
    else change.by += by
  }

  flush(): void {
    const byName = new Map<number, number>()
    for (const { owner, name, status, by } of this.#changes.values()) {
      if (by === 0) continue
      this.#addOfOwner.run(owner, name, status, by)
      const key = name * HIDDEN + status
      byName.set(key, (byName.get(key) ?? 0) + by)
    }
    for (const [key, by] of byName) if (by !== 0) this.#add.run(Math.floor(key / HIDDEN), key % HIDDEN, by)
    this.#changes.clear()
  }

  forget(): void {
    this.#changes.clear()
  }
}
