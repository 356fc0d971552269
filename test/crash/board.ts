/** Holds what the server shows against what its log says: every job of the API against a fold of the job's stream. */
import type { Job } from '../../src/http/wire.ts'
import type { JobRecord } from '../../src/projections/index.ts'
import type { History } from './history.ts'
import type { Answer, Answering } from './server.ts'

const PAGE = 500

/** Where the API's jobs or the board's counts differ from the fold; the log must be at rest. */
export async function boardDifferences(server: Answering, { events, jobs }: History): Promise<string[]> {
  const head = events.at(-1)?.position ?? 0n
  const shown = new Map<string, Job>()
  for (let path: string | undefined = `/api/v1/jobs?limit=${PAGE}&at_least=${head}`; path !== undefined; ) {
    const page: Answer<Job[]> = await server.ask('GET', path)
    for (const job of page.body) shown.set(job.id, job)
    path = /<([^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1]
  }
  const differences: string[] = []
  for (const record of jobs.values()) {
    const job = shown.get(record.id)
    const [is, should] = [JSON.stringify(job && facts(job)), JSON.stringify(expected(record))]
    if (is !== should) differences.push(`job ${record.id} is shown as ${is}, its stream says ${should}`)
  }
  if (shown.size !== jobs.size) differences.push(`${shown.size} jobs are shown, the log has ${jobs.size}`)
  const board = await server.ask<{ total: number; columns: { statuses: string[]; count: number }[] }>(
    'GET',
    '/api/v1/board',
  )
  for (const { statuses, count } of board.body.columns) {
    const should = [...jobs.values()].filter(({ status }) => statuses.includes(status)).length
    if (count !== should) differences.push(`the board counts ${count} jobs as ${statuses}, the log ${should}`)
  }
  return differences
}

function facts(job: Job) {
  const { task_name, status, params, result, attempt, failures, lock_key, node, position } = job
  const { submitted_at, run_at, started_at, finished_at, deadline, cancel_requested } = job
  const error = job.error?.message ?? null
  return [
    { task_name, status, params, result, error, attempt, failures, lock_key, node, position, cancel_requested },
    { submitted_at, run_at, started_at, finished_at, deadline },
  ]
}

function expected(job: JobRecord): ReturnType<typeof facts> {
  const { status, attempt, failures } = job
  return [
    {
      task_name: job.name,
      status,
      params: JSON.parse(JSON.stringify(job.params)),
      result: JSON.parse(JSON.stringify(job.result)),
      error: job.error?.message ?? null,
      attempt,
      failures,
      lock_key: job.lockKey ?? null,
      node: job.node ?? null,
      position: String(job.position),
      cancel_requested: job.cancelRequested,
    },
    {
      submitted_at: new Date(job.submittedAt).toISOString(),
      run_at: instant(job.runAt),
      started_at: instant(job.startedAt),
      finished_at: instant(job.finishedAt),
      deadline: instant(job.deadline),
    },
  ]
}

function instant(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
