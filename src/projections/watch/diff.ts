/** What a person who has one state of a board must be told to have the other. */
import type { BoardDelta, BoardView, JobView } from '../views.ts'

/** The columns that differ. Both boards have the same columns; their windows may differ. */
export function diffBoard(before: BoardView, after: BoardView): BoardDelta[] {
  const changes: BoardDelta[] = []
  for (const [column, now] of after.columns.entries()) {
    const was = before.columns[column]
    const known = new Map(was?.jobs.map((job) => [job.id, job]))
    const jobs = now.jobs.filter((job) => !sameJob(known.get(job.id), job))
    const sameIds = was?.jobs.length === now.jobs.length && was.jobs.every((job, i) => job.id === now.jobs[i]?.id)
    if (sameIds && jobs.length === 0 && was.count === now.count && was.after === now.after) continue
    const ids = sameIds ? undefined : now.jobs.map((job) => job.id)
    changes.push({ column, count: now.count, after: now.after, ids, jobs })
  }
  return changes
}

/** Of one job: its own events move its position, only its place in a lock's queue changes without one. */
export function sameJob(a: JobView | undefined, b: JobView): boolean {
  return (
    a?.position === b.position && a.lockWait?.holder === b.lockWait?.holder && a.lockWait?.place === b.lockWait?.place
  )
}
