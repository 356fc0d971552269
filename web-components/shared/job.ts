/**
 * What a job says of itself, in words: used by cards, the board and the detail alike, so that one state reads the
 * same everywhere. Pure functions of the job and the server's clock.
 */
import type { Job, JobAction, JobStatus } from '../../src/http/wire.ts'
import { actor, clockOrDay, countdown, duration, elapsed, instant, millis, plural, rough } from './format.ts'

export const STATUS_WORDS: { readonly [status in JobStatus]: string } = {
  pending: 'Pending',
  scheduled: 'Scheduled',
  running: 'Running',
  retry: 'Waiting to retry',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
  timeout: 'Timed out',
}

export const ACTION_WORDS: { readonly [action in JobAction]: string } = {
  cancel: 'Cancel',
  retry: 'Retry',
  refresh: 'Extend deadline',
  delete: 'Delete',
}

/** An occurrence of a schedule is named by when it was due: an instant, which one reads as all others. */
export function titleOf({ title }: Job, now: number): string {
  return /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(title) ? instant(title, now) : title
}

export function isTerminal(status: JobStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled' || status === 'timeout'
}

/** Whether its words change as time passes. */
export function isTicking(job: Job): boolean {
  return !isTerminal(job.status)
}

export function percent(job: Job): number | undefined {
  const fraction = job.progress?.fraction
  return job.status !== 'running' || fraction === null || fraction === undefined
    ? undefined
    : Math.round(fraction * 100)
}

/** The one fact of a card, in two parts: `lit` takes the hue of the status, `rest` is secondary and leaves first. */
export function headline(job: Job, now: number): { lit: string; rest: string } {
  switch (job.status) {
    case 'pending':
      return { lit: isAgain(job) ? 'Queued again' : `Queued ${elapsed(now - millis(job.submitted_at))}`, rest: '' }
    case 'scheduled':
      return { lit: due(job, now, 'Starts in', 'Starts now'), rest: '' }
    case 'running': {
      const done = percent(job)
      if (job.cancel_requested) return { lit: 'Cancelling', rest: '' }
      return { lit: done === undefined ? `Running ${runningFor(job, now)}` : `${done}%`, rest: '' }
    }
    case 'retry':
      return { lit: due(job, now, 'Retries in', 'Retries now'), rest: '' }
    case 'completed':
      return { lit: 'Completed', rest: took(job) === undefined ? '' : `in ${took(job)}` }
    case 'failed':
      return { lit: 'Failed', rest: job.attempt > 0 ? `after ${plural(job.attempt, 'attempt')}` : 'before it started' }
    case 'timeout':
      return { lit: 'Timed out', rest: job.attempt > 1 ? `after ${plural(job.attempt, 'attempt')}` : '' }
    case 'cancelled':
      return { lit: 'Cancelled', rest: '' }
  }
}

/** The same, as short as a board card needs it. */
export function shortFact(job: Job, now: number): string {
  switch (job.status) {
    case 'pending':
      return isAgain(job) ? 'queued again' : rough(now - millis(job.submitted_at))
    case 'scheduled':
      return isDue(job, now) ? 'due now' : `in ${rough(millis(job.run_at ?? '') - now)}`
    case 'running': {
      const done = percent(job)
      return done === undefined ? runningFor(job, now) : `${done}%`
    }
    case 'retry':
      return isDue(job, now) ? 'retries now' : `retries in ${countdown(millis(job.run_at ?? '') - now)}`
    case 'completed':
      return took(job) ?? clockOrDay(job.finished_at ?? job.submitted_at, now)
    default:
      return clockOrDay(job.finished_at ?? job.submitted_at, now)
  }
}

/** Why it is as it is, in a sentence; undefined when its status says all. */
export function why(job: Job): string | undefined {
  switch (job.status) {
    case 'pending':
    case 'scheduled':
      return job.waiting_for === null ? undefined : `Waits for ${job.waiting_for}`
    case 'running':
      return job.cancel_requested ? 'Cancel asked for, waiting for it to stop' : (job.progress?.message ?? undefined)
    case 'retry': {
      const reason = job.error
        ? errorLine(job)
        : job.waiting_for === null
          ? 'Interrupted'
          : `Waits for ${job.waiting_for}`
      return job.failures > 0 ? `Attempt ${job.failures} of ${job.retries + 1}. ${reason}` : reason
    }
    case 'failed':
    case 'timeout':
      return errorLine(job)
    case 'cancelled':
      return job.cancelled_by ? `Cancelled by ${actor(job.cancelled_by)}` : undefined
    case 'completed':
      return undefined
  }
}

export function errorLine(job: Job): string | undefined {
  if (!job.error) return undefined
  const { type, message } = job.error
  if (!message) return type
  const said = type === 'Error' || (job.status === 'timeout' && type === 'TimeoutError')
  return said || message.startsWith(type) ? message : `${type}: ${message}`
}

/** How long the attempt took that ended it; undefined when it ended while it waited, for that is no attempt's time. */
export function took(job: Job): string | undefined {
  // Waiting takes its node from a job, ending does not.
  const waited = job.status !== 'completed' && job.node === null
  if (!job.started_at || !job.finished_at || waited) return undefined
  return duration(millis(job.finished_at) - millis(job.started_at))
}

export function runningFor(job: Job, now: number): string {
  return elapsed(now - millis(job.started_at ?? job.submitted_at))
}

export function mayDo(job: Job, action: JobAction): boolean {
  return job.allowed_actions.includes(action)
}

/** Why an action is not offered: what the server says, else what its status implies. */
export function refusal(job: Job, action: JobAction): string {
  const said = job.refused_actions[action]
  // The server names the status by its code.
  if (said && !(action === 'cancel' && isTerminal(job.status))) return said
  if (action === 'retry' && !isTerminal(job.status)) return 'It has not ended yet.'
  if (action === 'retry' && job.status === 'completed') return 'It completed, there is nothing to retry.'
  return isTerminal(job.status) ? `It has ended: ${STATUS_WORDS[job.status].toLowerCase()}.` : 'Not allowed now.'
}

/** Whether it waits for another run: since when is not in the job, and when it was submitted says nothing of it. */
function isAgain(job: Job): boolean {
  return job.attempt > 0
}

function isDue(job: Job, now: number): boolean {
  return job.run_at === null || millis(job.run_at) <= now
}

function due(job: Job, now: number, before: string, at: string): string {
  return isDue(job, now) ? at : `${before} ${countdown(millis(job.run_at ?? '') - now)}`
}
