/** What operators look at and do over HTTP: locks and their release, a job's log, the next due times; on the real app. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { type App, createApp } from '../../src/app/index.ts'
import { type EventStore, type LockFact, newId, type Submission, streamName } from '../../src/events/index.ts'
import { createServer } from '../../src/http/index.ts'
import * as schemas from '../../src/http/schemas/index.ts'
import type { Problem } from '../../src/http/wire.ts'
import { type TestOptions, testApp } from '../../src/testing/index.ts'
import { gate } from '../execution/app.ts'

async function served(declare: (app: App) => void, options?: TestOptions) {
  const app = createApp({ name: 'demo' })
  declare(app)
  const t = await testApp(app, options)
  const server = await createServer(t.running, { port: 0, clock: t.clock })
  onTestFinished(async () => {
    await server.close()
    await t.stop(0)
  })
  const ask = async (method: 'GET' | 'POST', url: string) => {
    const response = await server.inject({ method, url, headers: { host: 'localhost' } })
    return { status: response.statusCode, headers: response.headers, body: response.json<unknown>() }
  }
  return { t, ask }
}

const KEY = 'report:{a/b} ä'
const RELEASE = `/api/v1/locks/${encodeURIComponent(KEY)}/$release`

describe('locks', () => {
  const holding = async () => {
    const held = gate()
    const { t, ask } = await served((app) =>
      app.task('report', { lock: () => KEY, onLocked: 'queue' }, () => held.opened),
    )
    const first = await t.client.submit('report', {}, { owner: 'ada' })
    await t.advance(10)
    const second = await t.client.submit('report', {}, { owner: 'bob' })
    await t.advance(10)
    return { t, ask, held, first, second }
  }
  const list = z.array(schemas.lock)

  // A promise: see docs/promises.md.
  it('are listed with holder, fencing token and queue', async () => {
    const { t, ask, held, first, second } = await holding()
    expect(list.parse((await ask('GET', '/api/v1/locks')).body)).toEqual([
      {
        key: KEY,
        fence: '0',
        holder: {
          job_id: first,
          task_name: 'report',
          owner_id: 'ada',
          status: 'running',
          since: '2026-01-01T00:00:00.000Z',
        },
        queue: [
          {
            job_id: second,
            task_name: 'report',
            owner_id: 'bob',
            status: 'pending',
            since: '2026-01-01T00:00:10.000Z',
            place: 1,
          },
        ],
      },
    ])
    held.open()
    await t.settle()
    expect((await ask('GET', '/api/v1/locks')).body).toEqual([])
  })

  it('show a fencing token that is the same after a restart', async () => {
    const { t, held, first, second } = await holding()
    await t.client.cancel(first)
    await t.advance(10)
    const holder = async () => (await t.running.reads.locks())[0]?.holder
    const before = await holder()
    expect(before).toMatchObject({ taskId: second, since: t.clock.now() - 5000 })
    t.crash()
    await t.restart()
    expect(await holder()).toMatchObject({ taskId: second, fence: before?.fence })
    held.open()
    await t.settle()
    const starts = (await t.events(`task-${second}`)).filter(({ type }) => type === 'TaskStarted')
    expect(starts.map(({ data }) => data.fence)).toEqual([before?.fence, before?.fence])
  })

  // A promise: see docs/promises.md.
  it('of a live holder are not released: the answer names the job to cancel', async () => {
    const { t, ask, held, first } = await holding()
    const { status, body } = await ask('POST', RELEASE)
    expect(status).toBe(409)
    expect(body as Problem).toMatchObject({
      type: 'urn:capsule:error:command-refused',
      detail: `The lock ${KEY} is held by job ${first}, which is running. Cancel job ${first}: its end releases the lock.`,
    })
    held.open()
    await t.settle()
  })

  it('that nobody holds are not found', async () => {
    const { ask } = await served(() => {})
    expect(await ask('POST', RELEASE)).toMatchObject({
      status: 404,
      body: { type: 'urn:capsule:error:not-found', detail: expect.stringContaining('GET /api/v1/locks') },
    })
  })
})

describe('the release by hand', () => {
  const submission: Submission = {
    name: 'report',
    params: {},
    ownerId: 'ada',
    priority: 0,
    tags: [],
    retries: 0,
    backoff: { base: 0, factor: 1, max: 0 },
    graceMs: 0,
    lockKey: KEY,
  }
  const stream = streamName('demo', 'lock', KEY)

  /** An app whose log is written to behind its back: locks as a node would leave them that was cut off. */
  async function leftBehind() {
    let log: EventStore | undefined
    const wrapStore = (store: EventStore) => {
      log = store
      return store
    }
    const { t, ask } = await served((app) => app.task('report', async () => {}), { wrapStore })
    const write = async (...facts: LockFact[]): Promise<void> => {
      const events = facts.map(({ type, data }) => {
        const id = newId()
        const at = new Date(t.clock.now()).toISOString()
        const metadata = { at, by: 'node:gone', correlationId: id, causationId: id, v: 1 } as const
        return { id, type, data, metadata }
      })
      await log?.append(stream, 'no-stream', events)
      await t.settle()
    }
    const party = (taskId: string) => ({ key: KEY, taskId, name: 'report', ownerId: 'ada' })
    const holder = async () => (await t.running.reads.locks())[0]?.holder.taskId
    return { t, ask, write, party, holder }
  }

  it('lets the next in line take over from a holder that has ended, and says who asked', async () => {
    const { t, ask, write, party, holder } = await leftBehind()
    const ended = await t.client.submit('report')
    await t.settle()
    await write(
      { type: 'LockAcquired', data: party(ended) },
      { type: 'LockQueued', data: { ...party('next'), submission } },
    )
    expect(await holder()).toBe(ended)
    const { status, body, headers } = await ask('POST', RELEASE)
    expect([status, body]).toEqual([200, { key: KEY }])
    expect(headers['x-position']).toMatch(/^\d+$/)
    await t.settle()
    expect(await holder()).toBe('next')
    const events = await t.events(stream.slice('demo.'.length))
    expect(events.slice(-2).map(({ type, metadata }) => [type, metadata.by])).toEqual([
      ['LockReleased', 'user:local'],
      ['LockTakenOver', 'user:local'],
    ])
  })

  it('takes nothing from a submit that is on its way: the submit is completed', async () => {
    const { t, ask, write, party } = await leftBehind()
    await write({ type: 'LockAcquired', data: { ...party('lost'), submission } })
    expect(await ask('POST', RELEASE)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('Cancel job lost') },
    })
    await t.settle()
    expect(await t.client.job('lost')).toMatchObject({ status: 'completed' })
  })

  it('takes nothing from a requeue that is on its way: it is completed', async () => {
    const { t, ask, write, party } = await leftBehind()
    const id = await t.client.submit('report', {}, { delay: '1h' })
    await t.client.cancel(id)
    await write({ type: 'LockAcquired', data: { ...party(id), requeue: true, run: 2 } })
    expect(await ask('POST', RELEASE)).toMatchObject({ status: 409 })
    await t.settle()
    expect((await t.events(`task-${id}`)).map(({ type }) => type)).toContain('TaskRequeued')
  })

  it('frees a lock whose task never existed', async () => {
    const { t, ask, write, party, holder } = await leftBehind()
    await write({ type: 'LockAcquired', data: party('ghost') })
    expect((await ask('POST', RELEASE)).status).toBe(200)
    await t.settle()
    expect(await holder()).toBeUndefined()
  })
})

describe('the log of a job', () => {
  it('has each line with its attempt, oldest first', async () => {
    const { t, ask } = await served((app) =>
      app.task('work', { retries: 1, backoff: { base: 2 } }, async (_input, { attempt, log }) => {
        await log(`try ${attempt}`, { attempt })
        if (attempt === 1) throw new Error('again')
        await log('done')
      }),
    )
    const id = await t.client.submit('work')
    await t.advance(2)
    const lines = z.array(schemas.logLine).parse((await ask('GET', `/api/v1/jobs/${id}/$logs`)).body)
    expect(lines).toEqual([
      { at: '2026-01-01T00:00:00.000Z', level: 'info', message: 'try 1', data: { attempt: 1 }, attempt: 1 },
      { at: '2026-01-01T00:00:01.000Z', level: 'info', message: 'try 2', data: { attempt: 2 }, attempt: 2 },
      { at: '2026-01-01T00:00:01.000Z', level: 'info', message: 'done', data: null, attempt: 2 },
    ])
    const second = (await ask('GET', `/api/v1/jobs/${id}/$logs?attempt=2`)).body
    expect(second).toEqual(lines.slice(1))
    expect(await ask('GET', `/api/v1/jobs/${id}/$logs?attempt=x`)).toMatchObject({ status: 422 })
    expect(await ask('GET', '/api/v1/jobs/nothing/$logs')).toMatchObject({ status: 404 })
  })
})

describe('the next due times of a schedule', () => {
  const digest = (app: App) => app.schedule('digest', '30 2 * * *', { timezone: 'Europe/Berlin' }, () => {})

  it('follow the clocks when they change', async () => {
    const { ask } = await served(digest, { now: '2026-10-23T12:00:00Z' })
    const { body } = await ask('GET', '/api/v1/schedules/digest?next=3')
    expect(schemas.schedule.parse(body)).toMatchObject({
      next_at: '2026-10-24T00:30:00.000Z',
      upcoming: ['2026-10-24T00:30:00.000Z', '2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'],
    })
  })

  // A promise: see docs/promises.md.
  it('are there when asked for, up to a hundred, and not while it is paused', async () => {
    const { t, ask } = await served(digest)
    const get = (query: string) => ask('GET', `/api/v1/schedules/digest${query}`)
    const upcoming = async (query: string) => schemas.schedule.parse((await get(query)).body).upcoming
    expect(await upcoming('')).toBeUndefined()
    expect(await upcoming('?next=0')).toEqual([])
    expect(new Set(await upcoming('?next=100')).size).toBe(100)
    expect((await get('?next=101')).status).toBe(422)
    await t.running.pauseSchedule('digest', { by: 'user:local', ownerId: 'local' })
    expect(await upcoming('?next=5')).toEqual([])
  })
})
