/** submitMany: all or none by input, each for itself by the state of things; over the descriptor and over HTTP. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { InvalidInput, LockHeldError } from '../../src/actors/index.ts'
import { type App, createApp, type SubmitItem, type Task } from '../../src/app/index.ts'
import type { EventStore } from '../../src/events/index.ts'
import { createServer } from '../../src/http/index.ts'
import * as schemas from '../../src/http/schemas/index.ts'
import { type TestApp, type TestOptions, testApp } from '../../src/testing/index.ts'
import { gate } from '../execution/app.ts'

type Add = Task<{ readonly n: number }, unknown>

async function adding(declare?: (app: App) => Add, options?: TestOptions): Promise<{ t: TestApp; add: Add }> {
  const app = createApp({ name: 'demo' })
  const add =
    declare?.(app) ?? app.task('add', { input: z.object({ n: z.number() }) }, async ({ n }): Promise<unknown> => n + 1)
  const t = await testApp(app, options)
  onTestFinished(async () => {
    await t.stop(0)
  })
  return { t, add }
}

const caller = { by: 'user:local', ownerId: 'local' } as const
const ids = (outcomes: readonly PromiseSettledResult<{ readonly taskId: string }>[]) =>
  outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.taskId : undefined))

describe('submitMany', () => {
  // A promise: see docs/promises.md.
  test('answers with a handle for each, in order', async () => {
    const { t, add } = await adding()
    const inputs = Array.from({ length: 1000 }, (_, n) => ({ n }))
    const outcomes = await add.submitMany(inputs)
    await t.settle()
    const results = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.result() : undefined))
    expect(await Promise.all(results)).toEqual(inputs.map(({ n }) => n + 1))
    expect(new Set(ids(outcomes)).size).toBe(1000)
  })

  test('has all appends under way together', async () => {
    let underWay = 0
    let most = 0
    const wrapStore = (store: EventStore): EventStore => ({
      ...store,
      append: async (...args) => {
        most = Math.max(most, ++underWay)
        const appended = await store.append(...args)
        underWay--
        return appended
      },
      readStream: (...args) => store.readStream(...args),
      readAll: (...args) => store.readAll(...args),
      subscribe: (...args) => store.subscribe(...args),
      head: () => store.head(),
      deleteStream: (...args) => store.deleteStream(...args),
      capStream: (...args) => store.capStream(...args),
      close: () => store.close(),
    })
    const { add } = await adding(undefined, { wrapStore })
    most = 0
    await add.submitMany(
      Array.from({ length: 100 }, (_, n) => ({ n })),
      { delay: '1h' },
    )
    expect(most).toBe(100)
  })

  // A promise: see docs/promises.md.
  test('with one that does not fit submits none, and names every place', async () => {
    const { t } = await adding()
    const before = (await t.events()).length
    const items: SubmitItem[] = [
      { params: { n: 1 } },
      { params: { n: 'one' } },
      { params: { n: 2 }, delay: 'soon' },
      { params: { n: 3, m: 4 } },
      { params: { n: 4 }, callbackUrl: 'http://10.0.0.1/' },
      { params: { n: 5 }, runAt: 'tomorrow' },
    ]
    const error = await t.running.submitMany('add', items, caller).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(InvalidInput)
    expect(error.issues.map(({ path }: { path: string }) => path).sort()).toEqual([
      'items.1.params.n',
      'items.2.delay',
      'items.3.params',
      'items.4.callback_url',
      'items.5.run_at',
    ])
    expect(await t.events()).toHaveLength(before)
  })

  test('says of the input what makes no key', async () => {
    const { t } = await adding((app) =>
      app.task('add', { input: z.object({ n: z.number(), of: z.unknown() }), lock: 'add:{of}' }, async () => null),
    )
    const submitting = t.running.submitMany('add', [{ params: { n: 1, of: {} } }], caller)
    await expect(submitting).rejects.toMatchObject({ issues: [{ path: 'items.0.params.of' }] })
  })

  test('refuses more than a thousand', async () => {
    const { t, add } = await adding()
    const before = (await t.events()).length
    await expect(add.submitMany(Array.from({ length: 1001 }, (_, n) => ({ n })))).rejects.toBeInstanceOf(InvalidInput)
    expect(await t.events()).toHaveLength(before)
  })

  test('of none is nothing', async () => {
    const { add } = await adding()
    expect(await add.submitMany([])).toEqual([])
  })

  test('refuses in its place what only the state of things forbids', async () => {
    const held = gate()
    const { t, add } = await adding((app) =>
      app.task('add', { input: z.object({ n: z.number() }), lock: 'n:{n}', onLocked: 'reject' }, () => held.opened),
    )
    const outcomes = await add.submitMany([{ n: 1 }, { n: 1 }, { n: 2 }])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[1]).toMatchObject({ reason: expect.any(LockHeldError) })
    held.open()
    await t.settle()
  })

  test('with keys is the same tasks again', async () => {
    const { add } = await adding()
    const inputs = [{ n: 1 }, { n: 2 }]
    const idempotencyKey = (input: { n: number }, index: number) => `${index}-${input.n}`
    const first = await add.submitMany(inputs, { idempotencyKey })
    const again = await add.submitMany(inputs, { idempotencyKey })
    expect(ids(again)).toEqual(ids(first))
    expect(new Set(ids(first)).size).toBe(2)
  })

  test('repeated with the same id of the command is the same tasks again, also through a lock', async () => {
    const held = gate()
    const { t } = await adding((app) =>
      app.task('add', { input: z.object({ n: z.number() }), lock: 'one', onLocked: 'queue' }, () => held.opened),
    )
    const items = [{ params: { n: 1 } }, { params: { n: 2 } }]
    const first = await t.running.submitMany('add', items, { ...caller, commandId: 'c-1' })
    const again = await t.running.submitMany('add', items, { ...caller, commandId: 'c-1' })
    expect(ids(again)).toEqual(ids(first))
    expect(new Set(ids(first)).size).toBe(2)
    held.open()
    await t.settle()
  })
})

describe('over HTTP', () => {
  const served = async (declare?: (app: App) => Add) => (await servedApp(declare)).post

  async function servedApp(declare?: (app: App) => Add) {
    const { t } = await adding(declare)
    const server = await createServer(t.running, { port: 0, clock: t.clock })
    onTestFinished(() => server.close())
    const post = async (body: unknown, headers: Record<string, string> = {}) => {
      const response = await server.inject({
        method: 'POST',
        url: '/api/v1/tasks/add/$submit-many',
        headers: { host: 'localhost', 'content-type': 'application/json', ...headers },
        payload: JSON.stringify(body),
      })
      return { status: response.statusCode, headers: response.headers, body: response.json() }
    }
    return { t, post }
  }

  test('each job or error stands in its place, and X-Position shows them all', async () => {
    const held = gate()
    const post = await served((app) =>
      app.task('add', { input: z.object({ n: z.number() }), lock: 'n:{n}', onLocked: 'reject' }, () => held.opened),
    )
    const { status, headers, body } = await post({ items: [{ params: { n: 1 } }, { params: { n: 1 } }] })
    expect(status).toBe(202)
    expect(headers['x-position']).toMatch(/^\d+$/)
    expect(schemas.submittedMany.parse(body)).toMatchObject({
      items: [
        { job: { task_name: 'add', params: { n: 1 } }, error: null },
        { job: null, error: { type: 'urn:capsule:error:lock-held', status: 409 } },
      ],
    })
    held.open()
  })

  test('an item that does not fit refuses the call', async () => {
    const post = await served()
    expect(await post({ items: [{ params: { n: 1 } }, { params: { n: 'x' } }] })).toMatchObject({
      status: 422,
      body: { type: 'urn:capsule:error:invalid-input', errors: [{ path: 'items.1.params.n' }] },
    })
    expect(await post({ items: [{ params: { n: 1 }, priorty: 1 }] })).toMatchObject({ status: 422 })
    expect(await post({ items: Array.from({ length: 1001 }, () => ({ params: { n: 1 } })) })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'items' }] },
    })
  })

  test('a repeat after one of its jobs was deleted says so in its place', async () => {
    const { t, post } = await servedApp()
    const items = [{ params: { n: 1 } }, { params: { n: 2 } }]
    const { body } = await post({ items }, { 'idempotency-key': 'call-1' })
    await t.running.deleteJob(body.items[0].job.id, caller)
    expect(await post({ items }, { 'idempotency-key': 'call-1' })).toMatchObject({
      status: 202,
      body: {
        items: [
          { job: null, error: { status: 404 } },
          { job: { id: body.items[1].job.id }, error: null },
        ],
      },
    })
  })

  test('a repeat by header or by key is the same jobs; other input for a key is refused in its place', async () => {
    const post = await served()
    const jobs = ({ body }: { body: { items: { job: { id: string } | null }[] } }) =>
      body.items.map(({ job }) => job?.id)
    const items = [{ params: { n: 1 } }, { params: { n: 2 }, idempotency_key: 'two' }]
    const first = await post({ items }, { 'idempotency-key': 'call-1' })
    expect(jobs(await post({ items }, { 'idempotency-key': 'call-1' }))).toEqual(jobs(first))
    expect(jobs(await post({ items: [{ params: { n: 2 }, idempotency_key: 'two' }] }))).toEqual([jobs(first)[1]])
    expect(await post({ items: [{ params: { n: 3 }, idempotency_key: 'two' }] })).toMatchObject({
      status: 202,
      body: { items: [{ job: null, error: { type: 'urn:capsule:error:idempotency-conflict' } }] },
    })
  })
})
