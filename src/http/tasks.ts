/** /api/v1/tasks: what the app can do, doing it at once, and submitting it. The first three are Chapkit's routes. */
import { z } from 'zod'
import { NotFound, UnknownTask } from '../actors/index.ts'
import type { Caller, RunningApp, SubmitItem, SubmitRequest, TaskDefinition } from '../app/index.ts'
import { START } from '../events/index.ts'
import { submittedJob } from './jobs.ts'
import { assertOwnSession } from './own.ts'
import { toProblem } from './problems.ts'
import { acknowledge, preferredWait, type Route, route } from './route.ts'
import * as schemas from './schemas/index.ts'
import { toExecuteResult } from './serialise.ts'
import { taskInfo } from './task-info.ts'
import type { SubmitBody, TaskInfo } from './wire.ts'

const resource = 'Tasks'

export const taskRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/tasks',
    resource,
    summary: 'The declared tasks, sorted by name',
    query: z.strictObject({
      tags: schemas.many(z.string()).exactOptional().meta({ description: 'Only tasks that have all of these' }),
    }),
    answers: { 200: { description: 'The tasks', schema: z.array(schemas.taskInfo) } },
    errors: ['invalid-input'],
    handle({ app, query }) {
      const wanted = query.tags?.filter((tag) => tag !== '') ?? []
      return [...app.tasks.values()]
        .filter((task) => wanted.every((tag) => task.tags.includes(tag)))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map((task) => shown(app, task))
    },
  }),

  route({
    method: 'GET',
    path: '/api/v1/tasks/:name',
    resource,
    summary: 'One declared task',
    answers: { 200: { description: 'The task', schema: schemas.taskInfo } },
    errors: ['unknown-task'],
    handle: ({ app, param }) => shown(app, declared(app, param('name'))),
  }),

  route({
    method: 'POST',
    path: '/api/v1/tasks/:name/$execute',
    resource,
    summary: 'Runs a task and waits for its result',
    description:
      'One attempt, no retries, recorded like any other task. What the handler throws is the `error` of a 200. ' +
      'With `Prefer: wait=N` the answer is 202 when N seconds were not enough.',
    body: schemas.executeBody,
    answers: {
      200: { description: 'It ended: with `result`, or with `error`', schema: schemas.executeResult },
      202: { description: 'Still running; `Location` is its job', schema: schemas.executeResult },
    },
    errors: [
      'unknown-task',
      'invalid-input',
      'idempotency-conflict',
      'task-retired',
      'queue-full',
      'malformed-json',
      'payload-too-large',
      'unsupported-media-type',
    ],
    async handle({ app, body, caller, param, request, reply }) {
      const task = declared(app, param('name'))
      const wait = preferredWait(request)
      const executed = await app.execute(
        task.name,
        body.params ?? {},
        caller,
        wait === undefined ? undefined : wait * 1000,
      )
      if (wait !== undefined) reply.header('preference-applied', `wait=${wait}`)
      if (executed.taskId !== undefined) {
        acknowledge(reply, app.acknowledged('task', executed.taskId))
        if (executed.outcome.kind === 'pending') reply.code(202).header('location', jobPath(executed.taskId))
      }
      return toExecuteResult(task.name, executed)
    },
  }),

  route({
    method: 'POST',
    path: '/api/v1/tasks/:name/$submit',
    resource,
    summary: 'Submits a task to run in the background',
    description:
      'It is durable once answered. With `Idempotency-Key` a repeat answers with the same job; other params for the ' +
      'same key are refused.',
    body: schemas.submitBody,
    answers: { 202: { description: 'Its job; `Location` is where to find it again', schema: schemas.job } },
    errors: [
      'queue-full',
      'unknown-task',
      'invalid-input',
      'not-found',
      'lock-held',
      'idempotency-conflict',
      'task-retired',
      'mailbox-full',
      'not-running',
      'store-unavailable',
    ],
    async handle({ app, user, body, caller, param, reply }) {
      if (body.session_id !== undefined) await assertOwnSession(app, user, body.session_id)
      const submitted = await app.submit(toSubmitRequest(param('name'), body, caller), caller)
      const job = await submittedJob(app, submitted)
      acknowledge(reply, submitted.position)
      reply.code(202).header('location', jobPath(submitted.taskId))
      return job
    },
  }),

  route({
    method: 'POST',
    path: '/api/v1/tasks/:name/$submit-many',
    resource,
    summary: 'Submits up to 1000 tasks of a name at once',
    description:
      'Each answer stands in its item’s place: its job, or why that one was refused. An item that does not fit refuses ' +
      'the whole call, and none is submitted. With `Idempotency-Key` a repeat answers with the same jobs.',
    body: schemas.submitManyBody,
    answers: { 202: { description: 'A job or an error for each', schema: schemas.submittedMany } },
    errors: ['unknown-task', 'invalid-input', 'not-found', 'not-running', 'payload-too-large'],
    async handle({ app, user, body, caller, param, request, reply }) {
      const { commandId } = caller
      const sessions = new Set(body.items.flatMap(({ session_id }) => session_id ?? []))
      await Promise.all([...sessions].map((id) => assertOwnSession(app, user, id)))
      const items = body.items.map(({ idempotency_key: own, ...item }, index) => {
        const key = own ?? (commandId === undefined ? undefined : `${commandId}:${index}`)
        return toItem(item, key)
      })
      const outcomes = await app.submitMany(param('name'), items, caller)
      const positions = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.position : START))
      const last = positions.reduce((most, position) => (position > most ? position : most), START)
      if (last > START) acknowledge(reply, last)
      reply.code(202)
      const refused = (error: unknown) => ({ job: null, error: toProblem(error, request.url).problem })
      const answers = outcomes.map(async (outcome) => {
        if (outcome.status === 'rejected') return refused(outcome.reason)
        try {
          return { job: await submittedJob(app, outcome.value), error: null }
        } catch (error) {
          // Of a repeat, one may have been deleted since.
          if (error instanceof NotFound) return refused(error)
          throw error
        }
      })
      return { items: await Promise.all(answers) }
    },
  }),

  ...(['pause', 'resume'] as const).map((name) =>
    route({
      method: 'POST',
      path: `/api/v1/tasks/:name/$${name}`,
      resource,
      needs: 'admin',
      summary: name === 'pause' ? 'Starts no more of a task, on any node' : 'Starts a paused task again',
      description:
        name === 'pause' ? 'What runs goes on; what is submitted waits.' : 'What waited starts in its order.',
      answers: {
        200: { description: 'Whether it is paused now', schema: z.object({ name: z.string(), paused: z.boolean() }) },
      },
      errors: ['unknown-task', 'idempotency-conflict', 'not-running', 'store-unavailable'],
      async handle({ app, caller, param, reply }) {
        const task = declared(app, param('name'))
        acknowledge(
          reply,
          await (name === 'pause' ? app.pauseTask(task.name, caller) : app.resumeTask(task.name, caller)),
        )
        return { name: task.name, paused: name === 'pause' }
      },
    }),
  ),
]

/** The command's id is the key by which a repeat is the same task. */
export function toSubmitRequest(name: string, input: SubmitBody, { commandId }: Caller): SubmitRequest {
  return { name, ...toItem(input, commandId) }
}

/** A field that is not taken over here stays among the `others`, where the compiler refuses it. */
function toItem(
  { params = {}, session_id, delay, run_at, priority, callback_url, ...others }: SubmitBody,
  idempotencyKey: string | undefined,
): SubmitItem {
  return {
    ...(others satisfies Record<string, never>),
    params,
    ...(session_id === undefined ? {} : { sessionId: session_id }),
    ...(delay === undefined ? {} : { delay }),
    ...(run_at === undefined ? {} : { runAt: run_at }),
    ...(priority === undefined ? {} : { priority }),
    ...(callback_url === undefined ? {} : { callbackUrl: callback_url }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  }
}

export function jobPath(id: string): string {
  return `/api/v1/jobs/${encodeURIComponent(id)}`
}

function shown(app: RunningApp, task: TaskDefinition): TaskInfo {
  return { ...taskInfo(task), paused: app.isPaused(task.name) }
}

function declared(app: RunningApp, name: string): TaskDefinition {
  const task = app.tasks.get(name)
  if (!task) throw new UnknownTask(name, [...app.tasks.keys()].sort())
  return task
}
