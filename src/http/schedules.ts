/** /api/v1/schedules: what recurs, when it ran or was skipped and why, and running, pausing or resuming it. */
import { z } from 'zod'
import { NotFound } from '../actors/index.ts'
import type { Caller, RunningApp } from '../app/index.ts'
import type { Position } from '../events/index.ts'
import { fresh } from './fresh.ts'
import { acknowledge, pagingBy, type Route, route } from './route.ts'
import * as schemas from './schemas/index.ts'
import { toOccurrence, toSchedule } from './serialise.ts'
import { jobPath } from './tasks.ts'
import type { Schedule } from './wire.ts'

const resource = 'Schedules'

const SWITCHES = {
  pause: {
    summary: 'Pauses a schedule: its occurrences are skipped',
    run: (app: RunningApp, name: string, caller: Caller) => app.pauseSchedule(name, caller),
  },
  resume: {
    summary: 'Resumes a paused schedule',
    run: (app: RunningApp, name: string, caller: Caller) => app.resumeSchedule(name, caller),
  },
}

export const scheduleRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/schedules',
    resource,
    summary: 'All schedules',
    answers: { 200: { description: 'The schedules', schema: z.array(schemas.schedule) } },
    handle: async ({ app }) => (await app.reads.schedules()).map((view) => toSchedule(view, app)),
  }),

  route({
    method: 'GET',
    path: '/api/v1/schedules/:name',
    resource,
    summary: 'One schedule',
    query: z.strictObject({
      next: schemas.wholeNumber(0, 100).exactOptional().meta({ description: 'So many `upcoming` due times' }),
    }),
    answers: { 200: { description: 'The schedule', schema: schemas.schedule } },
    errors: ['not-found', 'invalid-input'],
    async handle({ app, param, query: { next } }) {
      const schedule = await findSchedule(app, param('name'))
      if (next === undefined) return schedule
      return { ...schedule, upcoming: schedule.paused ? [] : [...app.upcoming(schedule.name, next)] }
    },
  }),

  route({
    method: 'GET',
    path: '/api/v1/schedules/:name/$occurrences',
    resource,
    summary: 'What became of each due time, newest first',
    query: z.strictObject({ limit: schemas.pageSize.default(50), cursor: schemas.cursor.exactOptional() }),
    answers: { 200: { description: 'One page; `Link` leads to the next', schema: z.array(schemas.occurrence) } },
    errors: ['not-found', 'bad-cursor', 'invalid-input'],
    async handle({ app, query, param, request, reply }) {
      await findSchedule(app, param('name'))
      const page = await app.reads.occurrences(param('name'), query)
      pagingBy({ request, reply }, page)
      return page.items.map(toOccurrence)
    },
  }),

  route({
    method: 'POST',
    path: '/api/v1/schedules/:name/$trigger',
    resource,
    needs: 'admin',
    summary: 'Runs it now, outside its cron',
    answers: { 202: { description: 'Its job; also in `Location`', schema: z.object({ job_id: z.string() }) } },
    errors: ['not-found', 'command-refused', 'idempotency-conflict', 'not-running', 'store-unavailable'],
    async handle({ app, caller, param, reply }) {
      const { taskId, position } = await app.triggerSchedule(param('name'), caller)
      acknowledge(reply, position)
      reply.code(202).header('location', jobPath(taskId))
      return { job_id: taskId }
    },
  }),

  ...(['pause', 'resume'] as const).map((name) =>
    route({
      method: 'POST',
      path: `/api/v1/schedules/:name/$${name}`,
      resource,
      needs: 'admin',
      summary: SWITCHES[name].summary,
      answers: { 200: { description: 'The schedule as it is then', schema: schemas.schedule } },
      errors: ['not-found', 'command-refused', 'idempotency-conflict', 'not-running', 'store-unavailable'],
      async handle({ app, caller, param, reply }) {
        const position = await SWITCHES[name].run(app, param('name'), caller)
        acknowledge(reply, position)
        return scheduleAt(app, param('name'), position)
      },
    }),
  ),
]

/** @throws NotFound */
export async function findSchedule(app: RunningApp, name: string): Promise<Schedule> {
  await fresh(app, 'schedule', name)
  const view = await app.reads.schedule(name)
  if (!view) throw new NotFound('schedule', name)
  return toSchedule(view, app)
}

/** The schedule as of a position at least. @throws NotFound, ReadModelBehind */
export async function scheduleAt(app: RunningApp, name: string, position: Position): Promise<Schedule> {
  await app.reads.waitFor(position)
  return findSchedule(app, name)
}
