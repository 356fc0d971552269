/**
 * What a task's onFailure comes to: once a run has failed or timed out, a durable task of its own, whose id derives from
 * the run, so that whoever submits it, and however often, it is one. It owes nothing further itself.
 */
import { v5 as uuidv5 } from 'uuid'
import { TaskRetired } from '../actors/index.ts'
import type { JsonObject, Submission } from '../events/index.ts'
import type { EndedRun } from './ended-run.ts'
import type { Submitter } from './submitter.ts'

/** Namespace of the ids of these tasks. */
const ON_FAILURE = '2d0c6f0e-7c1b-5f3a-8a57-3f1f0b6f6c2e'
const RETRIES = 3
const GRACE_MS = 5000
const BACKOFF = { base: 1000, factor: 2, max: 300_000 }

/** The name of the task that runs a task's onFailure handler. No declared task has a dot in its name. */
export function onFailureTask(name: string): string {
  return `${name}.on_failure`
}

/** Submits the task about the run, if one is owed. Doing it again changes nothing. */
export async function submitOnFailure(
  { taskId, run, event, submission: failed, job }: EndedRun,
  { app, submitter, node }: { readonly app: string; readonly submitter: Submitter; readonly node: string },
): Promise<void> {
  if (!failed.onFailure || (job.status !== 'failed' && job.status !== 'timeout') || !job.error) return
  const { name, ownerId, sessionId, priority } = failed
  const submission: Submission = {
    name: onFailureTask(name),
    // The failed task's input is read from its stream when the handler runs: twice it might not fit into an event.
    params: { task_id: taskId, run, error: job.error satisfies JsonObject },
    ownerId,
    ...(sessionId === undefined ? {} : { sessionId }),
    priority,
    tags: ['on-failure'],
    retries: RETRIES,
    backoff: BACKOFF,
    graceMs: GRACE_MS,
    failureOf: { taskId, run },
  }
  try {
    await submitter.submit(uuidv5(JSON.stringify([app, taskId, run]), ON_FAILURE), submission, {
      by: `node:${node}`,
      causationId: event.id,
      correlationId: event.metadata.correlationId,
      mustLand: true,
    })
  } catch (error) {
    // It has been, and has ended.
    if (!(error instanceof TaskRetired)) throw error
  }
}
