/** A job as everybody outside sees it, over HTTP and in callbacks: snake_case, ISO instants, null for absent facts. */
import { taskActions } from '../actors/index.ts'
import { instant } from '../events/index.ts'
import type { JobView } from '../projections/index.ts'
import { maybeInstant } from './instant.ts'

/** `waitingFor`: a sentence, for a job that waits for more than its turn. */
export function jobJson(view: JobView, waitingFor: string | null = null, joined = false) {
  const { error, progress, cancelRequested } = view
  const actions = taskActions(view.status, { cancelRequested, hasTimeout: view.deadline !== undefined })
  return {
    id: view.id,
    task_name: view.name,
    title: view.title,
    status: view.status,
    params: view.params,
    result: view.result,
    error: error ? { type: error.type, message: error.message, retryable: error.retryable } : null,
    error_traceback: error?.stack ?? null,
    attempt: view.attempt,
    retries: view.retries,
    failures: view.failures,
    progress: progress ? { fraction: progress.fraction ?? null, message: progress.message ?? null } : null,
    lock_key: view.lockKey ?? null,
    waiting_for: waitingFor,
    session_id: view.sessionId ?? null,
    owner_id: view.ownerId,
    tags: [...view.tags],
    priority: view.priority,
    joined,
    submitted_at: instant(view.submittedAt),
    run_at: maybeInstant(view.runAt),
    started_at: maybeInstant(view.startedAt),
    finished_at: maybeInstant(view.finishedAt),
    deadline: maybeInstant(view.deadline),
    node: view.node ?? null,
    cancelled_by: view.cancelledBy ?? null,
    cancel_requested: cancelRequested,
    allowed_actions: [...actions.allowed],
    refused_actions: actions.refused,
    position: String(view.position),
    abridged: view.abridged ?? false,
  }
}
