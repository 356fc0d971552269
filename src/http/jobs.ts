/** /api/v1/jobs: every run of a task, what happened to it, and what can be done to it. */
import { z } from 'zod'
import { NotFound } from '../actors/index.ts'
import type { Caller, RunningApp, Submitted } from '../app/index.ts'
import { isEnded, type JsonObject, type JsonValue, type Position } from '../events/index.ts'
import { type JobFilter, type JobView, jobOfFirst } from '../projections/index.ts'
import { assertOwnJob, findJob } from './own.ts'
import { toProblem } from './problems.ts'
import { acknowledge, type Call, pagingBy, position, type Route, route, staysIn } from './route.ts'
import * as schemas from './schemas/index.ts'
import { toHistoryEvent, toJob, toLogLines } from './serialise.ts'
import { visibleTo } from './users.ts'
import type { Job } from './wire.ts'

const resource = 'Jobs'

interface JobCommand {
  readonly summary: string
  readonly description: string
  run(app: RunningApp, id: string, caller: Caller): Promise<Position>
}

const COMMANDS = {
  cancel: {
    summary: 'Cancels a job',
    description: 'At once while it waits; a running one is asked to stop, and has its grace period for it.',
    run: (app, id, caller) => app.cancelJob(id, caller),
  },
  retry: {
    summary: 'Runs an ended job again',
    description: 'A new run of the same job, with a fresh count of retries. Not for a completed one.',
    run: (app, id, caller) => app.retryJob(id, caller),
  },
  refresh: {
    summary: 'Pushes the deadline of a running job out by its timeout',
    description: 'For a job that is slow but well.',
    run: (app, id, caller) => app.refreshJob(id, caller),
  },
} as const satisfies Record<string, JobCommand>

export const jobRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/jobs',
    resource,
    summary: 'Jobs, newest first',
    query: schemas.jobsQuery,
    answers: { 200: { description: 'One page; `Link` leads to the next', schema: z.array(schemas.job) } },
    errors: ['bad-cursor', 'invalid-input'],
    async handle({ app, user, query, request, reply }) {
      const params = schemas.paramsOf(query)
      const page = await app.reads.jobs({
        ...visibleTo(user, schemas.toJobFilter(query)),
        ...(params === undefined ? {} : { params }),
        limit: query.limit,
        ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
        ...(query.offset === undefined ? {} : { offset: query.offset }),
      })
      pagingBy({ request, reply }, page)
      return page.items.map((view) => toJob(view, app))
    },
  }),

  route({
    method: 'GET',
    path: '/api/v1/jobs/$schema',
    resource,
    summary: 'JSON Schema of a job',
    answers: { 200: { description: 'JSON Schema, draft 2020-12', schema: z.record(z.string(), z.unknown()) } },
    // The bare object: under its id it would be a reference to a definition of itself.
    handle: () => z.toJSONSchema(z.object(schemas.job.shape), { unrepresentable: 'any' }),
  }),

  route({
    method: 'GET',
    path: '/api/v1/jobs/:id',
    resource,
    summary: 'One job',
    description: 'Includes whatever this server has acknowledged for it.',
    answers: { 200: { description: 'The job', schema: schemas.job } },
    errors: ['not-found'],
    handle: async ({ app, user, param }) => toJob(await findJob(app, param('id'), user), app),
  }),

  route({
    method: 'GET',
    path: '/api/v1/jobs/:id/$events',
    resource,
    summary: 'The history of a job: what happened, when, by whom',
    description: 'Oldest first. It stays after the job was deleted.',
    query: z.strictObject({
      after: schemas.wholeNumber(0).exactOptional().meta({ description: 'Only what follows this revision' }),
    }),
    answers: { 200: { description: 'Its events', schema: z.array(schemas.historyEvent) } },
    errors: ['not-found', 'invalid-input'],
    async handle({ app, user, param, query: { after } }) {
      await assertOwnJob(app, user, param('id'))
      const events = await app.history('task', param('id'), after === undefined ? {} : { from: BigInt(after) + 1n })
      // A job that waits for its lock may have no stream of its own yet.
      if (events.length === 0) await findJob(app, param('id'), user)
      return events.map(toHistoryEvent)
    },
  }),

  route({
    method: 'GET',
    path: '/api/v1/jobs/:id/$logs',
    resource,
    summary: 'What a job logged, oldest first',
    query: z.strictObject({
      attempt: schemas.wholeNumber(1).exactOptional().meta({ description: 'Only what this start of it said' }),
    }),
    answers: { 200: { description: 'Its lines', schema: z.array(schemas.logLine) } },
    errors: ['not-found', 'invalid-input'],
    async handle({ app, user, param, query: { attempt } }) {
      await assertOwnJob(app, user, param('id'))
      const events = await app.history('task', param('id'))
      if (events.length === 0) await findJob(app, param('id'), user)
      const lines = toLogLines(events)
      return attempt === undefined ? lines : lines.filter((line) => line.attempt === attempt)
    },
  }),

  route({
    method: 'GET',
    path: '/api/v1/jobs/:id/$stream',
    resource,
    summary: 'Follows a job until it ends (server-sent events)',
    description:
      'Each event is named `job`, its data is the job, its id a position. Ends after the job has ended. ' +
      '`Last-Event-ID` leaves out what was seen.',
    answers: { 200: { description: 'A stream of jobs', mediaType: 'text/event-stream' } },
    errors: ['not-found', 'overloaded'],
    handle: streamJob,
  }),

  ...(['cancel', 'retry', 'refresh'] as const).map((name) =>
    route({
      method: 'POST',
      path: `/api/v1/jobs/:id/$${name}`,
      resource,
      summary: COMMANDS[name].summary,
      description: COMMANDS[name].description,
      answers: { 200: { description: 'The job as it is then', schema: schemas.job } },
      errors: [
        'not-found',
        'command-refused',
        'idempotency-conflict',
        'mailbox-full',
        'not-running',
        'store-unavailable',
      ],
      async handle({ app, user, caller, param, reply }) {
        const id = param('id')
        await assertOwnJob(app, user, id)
        const done = await COMMANDS[name].run(app, id, caller)
        acknowledge(reply, done)
        return jobAt(app, id, done)
      },
    }),
  ),

  route({
    method: 'DELETE',
    path: '/api/v1/jobs/:id',
    resource,
    summary: 'Cancels a job if it lives, and removes it from view',
    description: 'Its history stays in the log.',
    answers: { 204: { description: 'It is gone from all views' } },
    errors: ['not-found', 'idempotency-conflict', 'mailbox-full', 'not-running', 'store-unavailable'],
    async handle({ app, user, caller, param, reply }) {
      await assertOwnJob(app, user, param('id'))
      acknowledge(reply, await app.deleteJob(param('id'), caller))
      reply.code(204)
      return undefined
    },
  }),

  route({
    method: 'POST',
    path: '/api/v1/jobs/$cancel',
    resource,
    summary: 'Cancels all waiting jobs of a filter',
    description: 'Running ones go on: cancel them one by one.',
    body: schemas.bulkFilter,
    answers: { 200: { description: 'How many', schema: z.object({ cancelled: z.int() }) } },
    errors: ['invalid-input', 'not-running', 'store-unavailable'],
    async handle({ app, user, body, caller, reply }) {
      const { count, position } = await app.cancelWaiting(visibleTo(user, bulkFilter(body)), caller)
      if (count > 0) acknowledge(reply, position)
      return { cancelled: count }
    },
  }),

  route({
    method: 'POST',
    path: '/api/v1/jobs/$retry',
    resource,
    summary: 'Runs all failed jobs of a filter again',
    description: 'Failed and timed-out ones; cancelled ones only if `status` names them.',
    body: schemas.bulkFilter,
    answers: { 200: { description: 'How many', schema: z.object({ retried: z.int() }) } },
    errors: ['invalid-input', 'not-running', 'store-unavailable'],
    async handle({ app, user, body, caller, reply }) {
      const { count, position } = await app.retryEnded(visibleTo(user, bulkFilter(body)), caller)
      if (count > 0) acknowledge(reply, position)
      return { retried: count }
    },
  }),
]

/**
 * The job that was submitted: from what was recorded, unless it was there before or waits in a lock's queue; then as the
 * read models have it. @throws NotFound, ReadModelBehind
 */
export async function submittedJob(app: RunningApp, submitted: Submitted): Promise<Job> {
  const { taskId, position, joined, facts } = submitted
  const view = jobOfFirst(taskId, facts, position)
  if (view && !(view.lockKey !== undefined && view.status === 'pending')) return toJob(view, app, joined)
  return jobAt(app, taskId, position, joined)
}

/** The job as of a position at least. @throws NotFound, ReadModelBehind */
export async function jobAt(app: RunningApp, id: string, position: Position, joined = false): Promise<Job> {
  if (position > app.reads.position) await app.reads.waitFor(position)
  const view = await app.reads.job(id)
  if (!view) throw new NotFound('job', id)
  return toJob(view, app, joined)
}

async function streamJob({
  app,
  access,
  user,
  streams,
  param,
  request,
  reply,
}: Call<undefined, undefined>): Promise<undefined> {
  const id = param('id')
  const seen = request.headers['last-event-id']
  const from = seen === undefined ? undefined : position('Last-Event-ID', seen)
  if (from !== undefined) await app.reads.waitFor(from)
  await findJob(app, id, user)

  const stream = streams.open(reply, () => watch.close(), staysIn(access, request))
  const tell = (at: Position, view: JobView) => {
    stream.send('job', toJob(view, app), String(at))
    if (isEnded(view.status)) stream.end()
  }
  const watch = app.reads.watch(
    'job',
    { id },
    {
      snapshot: (at, view) => {
        // What the client saw last is not told again, unless it is the end: only that lets it stop.
        if (from === undefined || view.position > from || isEnded(view.status)) tell(at, view)
      },
      delta: (_from, to, changes) => {
        for (const view of changes) tell(to, view)
      },
      failed: (error) => {
        stream.send('error', toProblem(error, request.url).problem)
        stream.end()
      },
    },
    from,
  )
  return undefined
}

function bulkFilter({ filter }: z.output<typeof schemas.bulkFilter>): JobFilter {
  return { ...schemas.toJobFilter(filter), ...(filter.params === undefined ? {} : { params: asFilter(filter.params) }) }
}

function asFilter(params: JsonObject): NonNullable<JobFilter['params']> {
  return Object.fromEntries(
    Object.entries(params).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined),
  )
}
