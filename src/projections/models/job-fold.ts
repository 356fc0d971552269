/**
 * What a task's stream says of its job: a pure fold, one event at a time. The jobs table is this fold, kept; tests and
 * audits hold the table against it.
 */
import {
  factOf,
  type JsonObject,
  type Position,
  type RecordedEvent,
  type Submission,
  type TaskFact,
} from '../../events/index.ts'
import type { JobStatus, JobView } from '../views.ts'
import { shortened } from './shortened.ts'

/** A job, and what the table keeps of it beside the view. `lockWait` is always undefined: the lock's stream tells it. */
export interface JobRecord extends JobView {
  /** TaskDeleted: it is in no view, but it still runs, holds its lock, and is recovered. */
  readonly hidden: boolean
  readonly expiresAt: number | undefined
}

/** What of an event the fold goes by. */
type JobEvent = Pick<RecordedEvent, 'id' | 'type' | 'data' | 'metadata' | 'position'>

/**
 * The job that its first events make, before any read model has them. Its place in a lock's queue is not among them.
 * @param position of the last of them
 */
export function jobOfFirst(
  id: string,
  events: readonly Omit<JobEvent, 'position'>[],
  position: Position,
): JobView | undefined {
  const record = events.reduce<JobRecord | undefined>(
    (job, event) => foldJob(job, id, { ...event, position }),
    undefined,
  )
  return record && viewOf(record)
}

/** What a reader gets of a job. */
export function viewOf({ hidden: _hidden, expiresAt: _expiresAt, ...job }: JobRecord): JobView {
  return job
}

/**
 * The job after one more event of its stream; the same object if the event changes nothing that a view shows.
 * @returns undefined while the stream has no submission
 */
export function foldJob(job: JobRecord | undefined, id: string, event: JobEvent): JobRecord | undefined {
  const fact = factOf<TaskFact, JobEvent>(event)
  if (fact.type === 'TaskSubmitted' || fact.type === 'TaskScheduled')
    return job ?? submitted(id, fact, fact.data, event)
  if (job === undefined) return undefined
  const position = event.position
  switch (fact.type) {
    case 'TaskStarted':
      return {
        ...job,
        status: 'running',
        attempt: fact.data.attempt,
        node: fact.data.node,
        claim: event.id,
        deadline: epochMs(fact.data.deadline),
        startedAt: Date.parse(event.metadata.at),
        finishedAt: undefined,
        runAt: undefined,
        progress: undefined,
        error: undefined,
        position,
      }
    case 'TaskProgressed': {
      const { fraction, message } = fact.data
      const progress = {
        ...job.progress,
        ...(fraction === undefined ? {} : { fraction }),
        ...(message === undefined ? {} : { message }),
      }
      return { ...job, progress, position }
    }
    case 'TaskDeadlineExtended':
      return { ...job, deadline: epochMs(fact.data.deadline), position }
    case 'TaskRetryScheduled':
      return { ...waitingAgain(job, fact.data.runAt), error: fact.data.error, failures: job.failures + 1, position }
    case 'TaskInterrupted':
      return {
        ...waitingAgain(job, fact.data.runAt),
        crashes: job.crashes + (fact.data.cause === 'crash' ? 1 : 0),
        position,
      }
    case 'TaskCancelRequested':
      return { ...job, cancelRequested: true, cancelledBy: event.metadata.by, position }
    case 'TaskCompleted':
      return {
        ...ended(job, 'completed', event),
        result: fact.data.result,
        error: undefined,
        // It finished before it heard of the cancel.
        cancelRequested: false,
        cancelledBy: undefined,
      }
    case 'TaskFailed':
      // Without a claim no attempt failed: the task expired, or its input no longer fits.
      return {
        ...ended(job, 'failed', event),
        error: fact.data.error,
        failures: job.failures + (fact.data.claim === undefined ? 0 : 1),
      }
    case 'TaskTimedOut':
      return { ...ended(job, 'timeout', event), error: fact.data.error, failures: job.failures + 1 }
    case 'TaskCancelled':
      // Who asked for it, rather than the node that carried it out.
      return { ...ended(job, 'cancelled', event), cancelledBy: job.cancelledBy ?? event.metadata.by }
    case 'TaskRequeued':
      return {
        ...job,
        run: fact.data.run,
        status: 'pending',
        result: null,
        error: undefined,
        failures: 0,
        crashes: 0,
        progress: undefined,
        runAt: undefined,
        startedAt: undefined,
        finishedAt: undefined,
        deadline: undefined,
        node: undefined,
        claim: undefined,
        cancelRequested: false,
        cancelledBy: undefined,
        position,
      }
    case 'TaskDeleted':
      return { ...job, hidden: true, position }
    default:
      return job
  }
}

function submitted(id: string, fact: TaskFact, submission: Submission, event: JobEvent): JobRecord {
  return {
    id,
    name: submission.name,
    title: titleOf(submission.name, submission.params),
    status: fact.type === 'TaskScheduled' ? 'scheduled' : 'pending',
    params: submission.params,
    result: null,
    error: undefined,
    attempt: 0,
    retries: submission.retries,
    failures: 0,
    crashes: 0,
    progress: undefined,
    lockKey: submission.lockKey,
    lockWait: undefined,
    sessionId: submission.sessionId,
    ownerId: submission.ownerId,
    tags: submission.tags,
    priority: submission.priority,
    submittedAt: Date.parse(event.metadata.at),
    runAt: epochMs(submission.runAt),
    startedAt: undefined,
    finishedAt: undefined,
    deadline: undefined,
    node: undefined,
    claim: undefined,
    cancelRequested: false,
    cancelledBy: undefined,
    occurrence: submission.occurrence,
    position: event.position,
    hidden: false,
    expiresAt: epochMs(submission.expiresAt),
    run: 1,
  }
}

function waitingAgain(job: JobRecord, runAt: string): JobRecord {
  return {
    ...job,
    status: 'retry',
    runAt: Date.parse(runAt),
    progress: undefined,
    deadline: undefined,
    node: undefined,
    claim: undefined,
  }
}

function ended(job: JobRecord, status: JobStatus, event: JobEvent): JobRecord {
  return {
    ...job,
    status,
    finishedAt: Date.parse(event.metadata.at),
    runAt: undefined,
    deadline: undefined,
    progress: undefined,
    position: event.position,
  }
}

function epochMs(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text)
}

const TELLING = /(^|[_-])(id|name|title|subject|key)$|[a-z](Id|Name|Title)$/
const LONGEST_TITLE = 120

/** The most telling input: a string, rather one that is named like an id, a name or a title; else the task's name. */
export function titleOf(name: string, params: JsonObject): string {
  let first: string | undefined
  for (const key in params) {
    const value = params[key]
    if (typeof value !== 'string' || value.trim() === '') continue
    if (TELLING.test(key)) return onOneLine(value)
    first ??= value
  }
  return first === undefined ? name : onOneLine(first)
}

function onOneLine(value: string): string {
  return shortened(value, LONGEST_TITLE).replace(/\s+/g, ' ').trim()
}

/** Where a job stands in its status: the instant that the board's columns are ordered by. */
export function sortTime(job: JobView): number {
  switch (job.status) {
    case 'pending':
      return job.submittedAt
    case 'scheduled':
    case 'retry':
      return job.runAt ?? job.submittedAt
    case 'running':
      return job.startedAt ?? job.submittedAt
    default:
      return job.finishedAt ?? job.submittedAt
  }
}
