/** A job as the commands tell of it, and following one to its end. */
import { setTimeout as pause } from 'node:timers/promises'
import type { z } from 'zod'
import { isEnded } from '../../events/index.ts'
import { job as jobSchema } from '../../http/index.ts'
import { type Client, ServerSilent } from '../client.ts'
import { CommandFailed } from '../errors.ts'
import type { Cell, Styled } from '../table.ts'

export type Job = z.output<typeof jobSchema>

export const JOB_HEADING = ['id', 'task', 'title', 'status', 'age', '']

export function jobRow(job: Job, now = Date.now()): readonly Cell[] {
  const title = job.title === job.task_name ? '' : job.title
  return [job.id, job.task_name, title, statusOf(job), time(now - Date.parse(job.submitted_at)), noteOf(job, now)]
}

const STYLES: Readonly<Record<Job['status'], Styled['style']>> = {
  scheduled: 'gray',
  pending: 'yellow',
  retry: 'yellow',
  running: 'cyan',
  completed: 'green',
  failed: 'red',
  timeout: 'red',
  cancelled: 'gray',
}

export function statusOf({ status }: Job): Styled {
  return { text: status, style: STYLES[status] }
}

/** What one wants to know of it as it stands. */
export function noteOf(job: Job, now = Date.now()): string {
  const { status, error, started_at: started, finished_at: finished } = job
  if (status === 'completed') return started && finished ? `in ${took(Date.parse(finished) - Date.parse(started))}` : ''
  if (status === 'cancelled') return job.cancelled_by === null ? '' : `by ${job.cancelled_by}`
  if (status === 'failed' || status === 'timeout') return error === null ? '' : `${error.type}: ${error.message}`
  if (status === 'running') return job.cancel_requested ? 'asked to stop' : progressOf(job)
  if (job.waiting_for !== null) return `waits for ${job.waiting_for}`
  return job.run_at === null ? '' : `due in ${time(Date.parse(job.run_at) - now)}`
}

function progressOf({ progress }: Job): string {
  if (progress === null) return ''
  const part = progress.fraction === null ? [] : [`${Math.floor(progress.fraction * 100)} %`]
  return [...part, ...(progress.message === null ? [] : [progress.message])].join(' ')
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
] as const

/** The largest unit of it: `42s`, `5m`, `3h`, `2d`. */
export function time(ms: number): string {
  const [unit, size] = UNITS.find(([, size]) => ms >= size) ?? ['s', 1000]
  return `${Math.max(0, Math.floor(ms / size))}${unit}`
}

/** How long something was: `35 ms`, `5.0 s`, `12m`. */
export function took(ms: number): string {
  if (ms < 1000) return `${ms} ms`
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : time(ms)
}

export function pathOf(id: string): string {
  return `/api/v1/jobs/${encodeURIComponent(id)}`
}

const LOOK_EVERY_MS = 250
/** A restart, a deploy. */
const SILENCE_MS = 60_000

/**
 * Asks until it has ended, also over a restart of the server; `seen` gets each answer.
 * @throws CommandFailed, also after a minute without an answer
 */
export async function follow(
  client: Pick<Client, 'get'>,
  id: string,
  seen: (job: Job) => Promise<void> | void,
): Promise<Job> {
  let answered = performance.now()
  for (;;) {
    try {
      const job = await client.get(pathOf(id), jobSchema)
      answered = performance.now()
      await seen(job)
      if (isEnded(job.status)) return job
    } catch (error) {
      if (!(error instanceof ServerSilent)) throw error
      if (performance.now() - answered > SILENCE_MS) {
        throw new CommandFailed(`${error.message} Job ${id} is recorded there: capsule jobs ${id}.`, { cause: error })
      }
    }
    await pause(LOOK_EVERY_MS)
  }
}
