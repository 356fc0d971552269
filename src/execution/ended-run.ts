/** A run as its task's stream tells it up to its end: what is owed for it may be done much later, after a requeue too. */
import { type ActorSystem, taskKind } from '../actors/index.ts'
import { factOf, type RecordedEvent, type Submission, type TaskFact } from '../events/index.ts'
import { foldJob, type JobRecord } from '../projections/index.ts'

export interface EndedRun {
  readonly taskId: string
  /** Of the task, from 1. */
  readonly run: number
  /** The one that ended it. */
  readonly event: RecordedEvent
  readonly submission: Submission
  readonly job: JobRecord
  /** The receiver was told, or given up. */
  readonly callbackSettled: boolean
}

/** The run that an event ended; undefined if the task's stream has no such event. Asks until the store answers. */
export async function readEndedRun(
  system: ActorSystem,
  taskId: string,
  eventId: string,
): Promise<EndedRun | undefined> {
  const events = await system.history(taskKind, taskId)
  const index = events.findIndex(({ id }) => id === eventId)
  const event = events[index]
  if (!event) return undefined
  let job: JobRecord | undefined
  let submission: Submission | undefined
  let run = 1
  for (const past of events.slice(0, index + 1)) {
    const fact = factOf<TaskFact>(past)
    if (fact.type === 'TaskSubmitted' || fact.type === 'TaskScheduled') submission ??= fact.data
    else if (fact.type === 'TaskRequeued') run = fact.data.run
    job = foldJob(job, taskId, past)
  }
  if (!job || !submission) return undefined
  const callbackSettled = events.slice(index).some((later) => {
    const fact = factOf<TaskFact>(later)
    return (fact.type === 'CallbackDelivered' || fact.type === 'CallbackFailed') && fact.data.run === run
  })
  return { taskId, run, event, submission, job, callbackSettled }
}
