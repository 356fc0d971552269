/** What the jobs of each session are doing: how many of them run, wait, have completed, have failed. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { JobStatus } from '../views.ts'
import type { JobRecord } from './job-fold.ts'

type Phase = 'running' | 'waiting' | 'completed' | 'failed'

/** What a session's jobs are doing, in the words of SessionView. A cancelled job is none of them. */
const PHASE: Readonly<Record<JobStatus, Phase | undefined>> = {
  pending: 'waiting',
  scheduled: 'waiting',
  retry: 'waiting',
  running: 'running',
  completed: 'completed',
  failed: 'failed',
  timeout: 'failed',
  cancelled: undefined,
}

export function phaseOf(job: JobRecord | undefined): Phase | undefined {
  return job === undefined || job.hidden ? undefined : PHASE[job.status]
}

/** Kept in a table of the jobs read model. */
export class SessionTally {
  readonly #changes = new Map<string, Record<Phase, number> & { position: number }>()
  readonly #retired = new Set<string>()
  readonly #add: StatementSync
  readonly #drop: StatementSync

  constructor(db: DatabaseSync, table: string) {
    this.#add = db.prepare(`INSERT INTO ${table} (session, running, waiting, completed, failed, position)
      VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET running = running + excluded.running,
      waiting = waiting + excluded.waiting, completed = completed + excluded.completed,
      failed = failed + excluded.failed, position = max(position, excluded.position)`)
    this.#drop = db.prepare(`DELETE FROM ${table}
      WHERE session = ? AND running = 0 AND waiting = 0 AND completed = 0 AND failed = 0`)
  }

  move(before: JobRecord | undefined, after: JobRecord | undefined, position: number): void {
    const sessionId = after?.sessionId ?? before?.sessionId
    if (sessionId === undefined) return
    const from = phaseOf(before)
    const to = phaseOf(after)
    const change = this.#change(sessionId)
    if (from !== undefined) change[from]--
    if (to !== undefined) change[to]++
    change.position = Math.max(change.position, position)
  }

  /** Something about the session's jobs changed at this position, if not their number. */
  note(sessionId: string, position: number): void {
    const change = this.#change(sessionId)
    change.position = Math.max(change.position, position)
  }

  /** The session is gone, after its jobs. */
  retire(sessionId: string): void {
    this.#retired.add(sessionId)
  }

  #change(sessionId: string): Record<Phase, number> & { position: number } {
    let change = this.#changes.get(sessionId)
    if (change === undefined) {
      change = { running: 0, waiting: 0, completed: 0, failed: 0, position: 0 }
      this.#changes.set(sessionId, change)
    }
    return change
  }

  flush(): void {
    for (const [session, { running, waiting, completed, failed, position }] of this.#changes) {
      this.#add.run(session, running, waiting, completed, failed, position)
    }
    for (const session of this.#retired) this.#drop.run(session)
    this.forget()
  }

  forget(): void {
    this.#changes.clear()
    this.#retired.clear()
  }
}
