/** Events of `task-<id>`: one run after another of one submitted task. The machine is src/actors/task. */
import { z } from 'zod'
import { count, event, type FactOf, id, instant, json, jsonObject, millis, taskError, text } from './define.ts'

export const backoff = z.object({ base: millis, factor: z.number().min(1), max: millis })
export type Backoff = z.infer<typeof backoff>

/** Everything a task needs to run, decided when it was submitted. */
export const submission = z.object({
  name: id,
  params: jsonObject,
  ownerId: id,
  /** The conversation it may reply to. */
  sessionId: id.optional(),
  priority: z.number().int(),
  tags: z.array(text),
  /** Attempts after the first one. */
  retries: count,
  backoff,
  /** Per attempt. */
  timeoutMs: millis.optional(),
  /** How long an aborted handler may take to stop. */
  graceMs: millis,
  retryOnTimeout: z.boolean().optional(),
  onInterrupt: z.enum(['retry', 'fail']).optional(),
  lockKey: id.optional(),
  onLocked: z.enum(['join', 'queue', 'reject', 'replace']).optional(),
  /** The earliest start of a delayed task. */
  runAt: instant.optional(),
  /** Not worth starting after this. */
  expiresAt: instant.optional(),
  idempotencyKey: text.optional(),
  /** Of a task with a key: params that the schema filled in, as it then did. */
  filledIn: z.array(text).optional(),
  /** Runs in its own OS process. */
  process: z.boolean().optional(),
  /** The occurrence this task is, when a schedule submitted it. */
  occurrence: z.object({ schedule: id, due: instant }).optional(),
  /** Told how each run ended. */
  callbackUrl: text.optional(),
  /** The task says what to do about a run that failed. */
  onFailure: z.boolean().optional(),
  /** The failed run that this task is about. */
  failureOf: z.object({ taskId: id, run: count }).optional(),
})
export type Submission = z.infer<typeof submission>

const claim = id

export const taskEvents = {
  TaskSubmitted: event(() => submission),
  TaskScheduled: event(() => submission.extend({ runAt: instant })),
  /** The id of this event is the claim that every later fact of the attempt carries. */
  TaskStarted: event(() =>
    z.object({
      attempt: count,
      node: id,
      deadline: instant.optional(),
      fence: text.optional(),
      version: text.optional(),
      /** Nothing else ran on the node meanwhile. */
      alone: z.boolean().optional(),
    }),
  ),
  TaskProgressed: event(() =>
    z.object({ claim, fraction: z.number().min(0).max(1).optional(), message: text.optional() }),
  ),
  TaskLogged: event(() =>
    z.object({ claim, level: z.enum(['debug', 'info', 'warn', 'error']), message: text, data: json.optional() }),
  ),
  TaskDeadlineExtended: event(() => z.object({ claim, deadline: instant })),
  TaskRetryScheduled: event(() =>
    z.object({ claim, cause: z.enum(['failure', 'timeout']), error: taskError, runAt: instant }),
  ),
  /** The attempt ended through no fault of the task: it runs again and no retry is used up. */
  TaskInterrupted: event(() =>
    z.object({
      claim,
      cause: z.enum(['crash', 'drain', 'lost']),
      runAt: instant,
      /** How the attempt's own process ended. */
      detail: text.optional(),
    }),
  ),
  TaskCancelRequested: event(() => z.object({ claim, reason: text.optional() })),
  TaskCompleted: event(() => z.object({ claim, result: json })),
  TaskFailed: event(() => z.object({ claim: id.optional(), error: taskError })),
  TaskTimedOut: event(() => z.object({ claim, error: taskError })),
  TaskCancelled: event(() => z.object({ claim: id.optional(), reason: text.optional() })),
  TaskRequeued: event(() => z.object({ run: count, reason: text.optional() })),
  /** Somebody who no longer holds the claim tried to write. */
  TaskWriteRefused: event(() =>
    z.object({ claim, attempt: count.optional(), node: text.optional(), tried: text, reason: text }),
  ),
  TaskDeleted: event(() => z.object({})),
  /** The receiver was told how the run ended. */
  CallbackDelivered: event(() => z.object({ run: count, url: text, status: count, tries: count })),
  /** The receiver could not be told, and will not be. */
  CallbackFailed: event(() => z.object({ run: count, url: text, tries: count, reason: text })),
}
export type TaskFact = FactOf<typeof taskEvents>
