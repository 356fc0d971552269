import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  CommandIdTaken,
  IdempotencyConflict,
  InvalidInput,
  NotFound,
  NotRunning,
  UnknownTask,
} from '../../src/actors/index.ts'
import { createApp, TaskFailed, type TaskOptions } from '../../src/app/index.ts'
import type { JsonObject } from '../../src/events/index.ts'
import { TimeoutError } from '../../src/execution/index.ts'
import { type TestApp, testApp } from '../../src/testing/index.ts'

const noop = () => {}
const LOCAL = { by: 'user:local', ownerId: 'local' } as const

/** An app with a task of two inputs, and how to use it. */
async function reports(handler: (t: () => TestApp) => unknown = noop) {
  const app = createApp({ name: 'demo' })
  let t: TestApp | undefined
  const input = z.object({ report_id: z.string().default('daily'), size: z.number().int().optional() })
  const report = app.task('report', { input }, () => handler(() => t as TestApp))
  app.task('other', noop)
  app.message(noop)
  t = await testApp(app)
  return { t, report }
}

describe('input', () => {
  // A promise: see docs/promises.md.
  test('is checked before anything is recorded; each field that does not fit is named', async () => {
    const { t } = await reports()
    const refused = t.client.submit('report', { report_id: 7, size: 1.5 })
    await expect(refused).rejects.toThrow(InvalidInput)
    await expect(refused).rejects.toMatchObject({
      message: expect.stringMatching(/^The input of task report is not valid: report_id: .*; size: /),
      issues: [{ path: 'report_id' }, { path: 'size' }],
    })
    expect(await t.running.reads.countJobs({})).toBe(0)
    await t.stop()
  })

  test('with a key that the schema does not know is refused: a misspelt one is an error, not silence', async () => {
    const { t } = await reports()
    await expect(t.client.submit('report', { reportid: 'x' })).rejects.toThrow(/reportid/)
    expect(await t.client.submit('other', { whatever: true })).toBeTypeOf('string')
    await t.stop()
  })

  test('that nests deeper than all who read it can follow is refused', async () => {
    const { t } = await reports()
    const nested = (levels: number): JsonObject => ({ in: levels === 1 ? 'x' : nested(levels - 1) })
    await expect(t.client.submit('other', nested(501))).rejects.toMatchObject({
      code: 'invalid-input',
      issues: [{ path: '', message: 'lists and objects may nest 500 deep' }],
    })
    const id = await t.client.submit('other', nested(500))
    await t.settle()
    expect((await t.client.job(id)).params).toEqual(nested(500))
    expect((await t.running.reads.jobs({ params: { in: 'y' } })).items).toEqual([])
    await t.stop()
  })

  test('is recorded with the defaults of what was left out', async () => {
    const { t } = await reports()
    const id = await t.client.submit('report', { size: 3 })
    expect((await t.client.job(id)).params).toEqual({ report_id: 'daily', size: 3 })
    await t.stop()
  })

  test.each<[string, z.ZodType, JsonObject, unknown, JsonObject]>([
    ['a default', z.object({ n: z.string().default('5').transform(Number) }), {}, { n: 5 }, {}],
    [
      'a default twice',
      z.object({
        n: z
          .string()
          .default('5')
          .transform((n) => `${n}!`),
      }),
      {},
      { n: '5!' },
      {},
    ],
    [
      'what was left out',
      z.strictObject({ a: z.string() }).transform((all) => ({ ...all, b: 1 })),
      { a: 'x' },
      { a: 'x', b: 1 },
      { a: 'x' },
    ],
    [
      'one of two',
      z.object({ a: z.string().default('x'), n: z.string().default('5').transform(Number) }),
      {},
      { a: 'x', n: 5 },
      { a: 'x' },
    ],
    ['what JSON cannot hold', z.object({ n: z.coerce.bigint().default(5n) }), {}, { n: 5n }, {}],
  ])('whose schema makes something else of %s is recorded without', async (_, input, given, made, recorded) => {
    const app = createApp({ name: 'demo' })
    let seen: unknown
    app.task('t', { input }, (parsed) => {
      seen = parsed
    })
    await using t = await testApp(app)
    const id = await t.client.submit('t', given)
    await t.settle()
    expect(await t.client.job(id)).toMatchObject({ status: 'completed', params: recorded })
    expect((await t.client.job(id)).params).toEqual(recorded)
    expect(seen).toEqual(made)
  })

  test('reaches the handler as the schema makes it; so does the lock', async () => {
    const app = createApp({ name: 'demo' })
    let seen: unknown
    const day = app.task(
      'day',
      { input: z.object({ at: z.coerce.date() }), lock: ({ at }) => `day:${at.getUTCDate()}` },
      ({ at }) => {
        seen = at
      },
    )
    const t = await testApp(app)
    const { taskId } = await day.submit({ at: '2026-03-04T00:00:00Z' })
    await t.settle()
    expect(seen).toEqual(new Date('2026-03-04T00:00:00Z'))
    expect(await t.client.job(taskId)).toMatchObject({ lockKey: 'day:4', params: { at: '2026-03-04T00:00:00Z' } })
    await t.stop()
  })

  test('makes a key of a number, as a template does; of nothing, the error says what is missing', async () => {
    const app = createApp({ name: 'demo' })
    const lock = (({ user }: { user: unknown }) => user) as () => string
    const task = app.task('t', { lock }, async () => null)
    const t = await testApp(app)
    const { taskId } = await task.submit({ user: 7 })
    expect(await t.client.job(taskId)).toMatchObject({ lockKey: '7' })
    await expect(task.submit({})).rejects.toThrow(/The lock of task t comes to undefined: let its function return text/)
    await t.stop()
  })

  test.each<[string, TaskOptions<JsonObject>]>([
    ['a lock that is filled in', { lock: 'of:{text}' }],
    ['a lock that is made', { lock: (input) => `of:${input.text}` }],
    ['a key of a limit', { concurrencyKey: { key: '{text}', limit: 1 } }],
  ])('is refused where half a character would come into %s', async (_, options) => {
    const app = createApp({ name: 'demo' })
    const task = app.task('t', options, async () => null)
    const t = await testApp(app)
    await expect(task.submit({ text: 'ab\ud83d' })).rejects.toThrow(InvalidInput)
    expect(await task.count()).toBe(0)
    await task.submit({ text: 'ab\u{1f600}' })
    await t.settle()
    expect(await task.count({ status: ['completed'] })).toBe(1)
    await t.stop()
  })

  test('of a schema with a rule of its own keeps the rule', async () => {
    const app = createApp({ name: 'demo' })
    app.task(
      't',
      { input: z.object({ a: z.number(), b: z.number() }).refine(({ a, b }) => a < b, 'a must be less than b') },
      noop,
    )
    const t = await testApp(app)
    await expect(t.client.submit('t', { a: 2, b: 1 })).rejects.toThrow('a must be less than b')
    await t.stop()
  })

  test.each([
    [{ delay: 5, runAt: '2026-01-01T00:00:00Z' }, /give either delay or run_at/],
    [{ delay: 'soon' }, /delay: write seconds/],
    [{ delay: 3e11 }, /ends after the year 9999/],
    [{ runAt: 'tomorrow' }, /write ISO 8601/],
    [{ runAt: '12' }, /"12" is not an instant/],
    [{ runAt: '2026-02-31' }, /"2026-02-31" is not an instant/],
    [{ runAt: '2026-02-29T09:00:00Z' }, /is not an instant/],
    [{ runAt: '+010000-01-01T00:00:00.000Z' }, /is not an instant/],
    [{ runAt: '9999-12-31T23:59:59-12:00' }, /is not an instant/],
  ])('%j is no time to start', async (options, message) => {
    const { t } = await reports()
    await expect(t.client.submit('report', {}, options)).rejects.toThrow(message)
    await t.stop()
  })

  test.each(['2028-02-29', '2028-02-29T09:00', '2028-02-29T09:00Z', '2028-02-29T09:00:00.25+0100'])(
    '%s is a time to start',
    async (runAt) => {
      const { t, report } = await reports()
      const handle = await report.schedule({}, { runAt })
      expect((await handle.job()).runAt).toBe(Date.parse(runAt))
      await t.stop()
    },
  )

  test.each<[unknown, RegExp]>([
    [new Date(Number.NaN), /"Invalid Date" is not an instant/],
    [new Date(8.64e15), /"\+275760-09-13T00:00:00.000Z" is not an instant/],
    [1_790_000_000_000, /"1790000000000" is not an instant: run_at: write ISO 8601/],
  ])('%s is no time to start of a descriptor', async (runAt, message) => {
    const { t, report } = await reports()
    const refused = report.schedule({}, { runAt: runAt as Date })
    await expect(refused).rejects.toThrow(InvalidInput)
    await expect(refused).rejects.toThrow(message)
    await t.stop()
  })

  test('with a schema that takes time says where to check instead', async () => {
    const app = createApp({ name: 'demo' })
    const input = z.object({ id: z.string().refine(async (id) => id !== '') })
    const task = app.task('t', { input }, noop)
    await using t = await testApp(app)
    await expect(task.submit({ id: 'a' })).rejects.toThrow(
      /The input schema of task t is asynchronous.* Check what takes time in the handler/,
    )
    expect(await t.events()).not.toContainEqual(expect.objectContaining({ type: 'TaskSubmitted' }))
  })

  test('is the same for each attempt and for its record, whatever is done to it meanwhile', async () => {
    const app = createApp({ name: 'demo' })
    const seen: unknown[] = []
    const lock = ({ ids }: { ids: string[] }) => ids.sort().join()
    const work = app.task('work', { retries: 1, lock }, ({ ids }) => {
      seen.push([...ids])
      ids.pop()
      throw new Error('again')
    })
    await using t = await testApp(app)
    const input = { ids: ['b', 'a'] }
    const { taskId } = await work.submit(input)
    input.ids.push('c')
    await t.advance(60)
    expect(seen).toEqual([
      ['b', 'a'],
      ['b', 'a'],
    ])
    expect((await t.client.job(taskId)).params).toEqual({ ids: ['b', 'a'] })
    expect((await t.events(`task-${taskId}`))[0]?.data.params).toEqual({ ids: ['b', 'a'] })
  })

  test('with an option that there is not is refused: a key by another name would make two tasks of one', async () => {
    const { t, report } = await reports()
    const misspelt = { idempotency_key: 'a' } as object
    await expect(report.submit({}, misspelt)).rejects.toThrow(
      /a submit of report: there is no option "idempotency_key"/,
    )
    await expect(report.schedule({}, misspelt)).rejects.toThrow(TypeError)
    await expect(report.submitMany([{}], misspelt)).rejects.toThrow(TypeError)
    await expect(report.schedule({}, undefined as never)).rejects.toThrow(
      'a submit of report: its options are undefined. Give an object of session, delay, runAt,',
    )
    await expect(report.submitMany({} as never)).rejects.toThrow(/give a list/)
    expect(await report.count()).toBe(0)
    await t.stop()
  })

  test('is what JSON makes of it, for the first attempt as for one after a restart', async () => {
    const app = createApp({ name: 'demo' })
    const seen: unknown[] = []
    const work = app.task('work', (input: { at: Date }) => void seen.push(input))
    const dated = app.task('dated', { input: z.object({ at: z.date() }) }, noop)
    await using t = await testApp(app)
    await work.submit({ at: new Date(0) })
    await t.settle()
    expect(seen).toEqual([{ at: '1970-01-01T00:00:00.000Z' }])
    // It could be recorded, and then never be started again.
    await expect(dated.submit({ at: new Date(0) })).rejects.toThrow(InvalidInput)
    await expect(work.submit({ at: 1n } as never)).rejects.toThrow(/not JSON: .*BigInt/)
    await expect(work.submit([] as never)).rejects.toThrow(/give an object/)
    expect(await t.running.verify()).toMatchObject({ broken: undefined })
  })

  // What was recorded of it stopped the read models, and every start after that.
  test.each([Number.NaN, Number.POSITIVE_INFINITY, 1.5, '5' as unknown as number])(
    'with the priority %s is refused',
    async (priority) => {
      const { t, report } = await reports()
      await expect(report.submit({}, { priority })).rejects.toThrow(/priority: give a whole number/)
      await report.submit({}, { priority: -5 })
      expect(await report.count()).toBe(1)
      await t.stop()
    },
  )

  test('for a task or a conversation that there is not', async () => {
    const { t } = await reports()
    await expect(t.client.submit('unknown')).rejects.toThrow(UnknownTask)
    await expect(t.client.submit('unknown')).rejects.toThrow('Known tasks: report, other.')
    await expect(t.client.submit('report', {}, { sessionId: 'nowhere' })).rejects.toThrow(NotFound)
    await t.stop()
  })
})

describe('an idempotency key', () => {
  test.each(['', 7, null])('that is none (%j) is refused: all that have it would be one task', async (none) => {
    const { t, report } = await reports()
    const idempotencyKey = none as string
    await expect(report.submit({}, { idempotencyKey })).rejects.toThrow(/idempotency_key: give text, or leave it out/)
    await expect(report.submitMany([{}, {}], { idempotencyKey: () => idempotencyKey })).rejects.toThrow(
      /items.1.idempotency_key: give text/,
    )
    expect(await report.count()).toBe(0)
    await t.stop()
  })

  // A promise: see docs/promises.md.
  test('is the same task for the same owner, task and key', async () => {
    const { t } = await reports()
    const key = { idempotencyKey: 'k' }
    const id = await t.client.submit('report', { size: 1 }, key)
    expect(await t.client.submit('report', { size: 1 }, key)).toBe(id)
    await t.settle()
    expect(await t.client.submit('report', { size: 1, report_id: 'daily' }, key)).toBe(id)
    expect(await t.client.submit('other', { size: 1 }, key)).not.toBe(id)
    expect(await t.client.submit('report', { size: 1 }, { ...key, owner: 'bob' })).not.toBe(id)
    await t.restart()
    expect(await t.client.submit('report', { size: 1 }, key)).toBe(id)
    expect((await t.events(`task-${id}`)).map(({ type }) => type)).toEqual([
      'TaskSubmitted',
      'TaskStarted',
      'TaskCompleted',
    ])
    await t.stop()
  })

  // A promise: see docs/promises.md.
  test('with other input is a conflict', async () => {
    const { t } = await reports()
    const id = await t.client.submit('report', { size: 1 }, { idempotencyKey: 'k' })
    const conflict = t.client.submit('report', { size: 2 }, { idempotencyKey: 'k' })
    await expect(conflict).rejects.toThrow(IdempotencyConflict)
    await expect(conflict).rejects.toMatchObject({ key: 'k', taskId: id })
    await t.stop()
  })

  test('knows what was given from what the schema filled in, which a deploy or a draw may change', async () => {
    const code = (input: z.ZodType<unknown, JsonObject>) => {
      const app = createApp({ name: 'demo' })
      app.task('report', { input }, () => 'done')
      return app
    }
    const drawn = z.string().default(() => String(Math.random()))
    const t = await testApp(code(z.object({ size: z.number().optional(), copies: z.number().default(1), drawn })))
    const key = { idempotencyKey: 'k' }
    const id = await t.client.submit('report', { size: 1 }, key)
    expect(await t.client.submit('report', { size: 1 }, key)).toBe(id)
    await t.restart(
      code(
        z.object({ size: z.number().optional(), copies: z.number().default(2), drawn, of: z.string().default('x') }),
      ),
    )
    expect(await t.client.submit('report', { size: 1 }, key)).toBe(id)
    for (const other of [{}, { size: 2 }, { size: 1, copies: 2 }]) {
      await expect(t.client.submit('report', other, key)).rejects.toThrow(IdempotencyConflict)
    }
    await t.stop()
  })

  test('takes input for the same that is recorded as the same, in what process ever', async () => {
    const { t } = await reports()
    const key = { idempotencyKey: 'k' }
    const id = await t.client.submit('other', { note: undefined, shift: -0, n: 1 }, key)
    expect(await t.client.submit('other', { n: 1, shift: 0 }, key)).toBe(id)
    await t.restart()
    expect(await t.client.submit('other', { note: undefined, shift: -0, n: 1 }, key)).toBe(id)
    await t.stop()
  })

  // A promise: see docs/promises.md.
  test('asked for many times at once is one task', async () => {
    const { t } = await reports()
    const ids = await Promise.all(
      Array.from({ length: 20 }, () => t.client.submit('report', {}, { idempotencyKey: 'k' })),
    )
    expect(new Set(ids).size).toBe(1)
    await t.settle()
    expect((await t.events(`task-${ids[0]}`)).filter(({ type }) => type === 'TaskStarted')).toHaveLength(1)
    await t.stop()
  })
})

describe('a descriptor', () => {
  // A promise: see docs/promises.md.
  test('finds, counts and cancels by status, conversation and input', async () => {
    const { t, report } = await reports()
    for (let size = 0; size < 5; size++) await report.schedule({ size, report_id: size < 2 ? 'a' : 'b' }, { delay: 60 })
    const done = await report.submit({ report_id: 'b', size: 9 })
    await t.client.submit('other', { report_id: 'b' }, { delay: 60 })
    await t.settle()
    expect(await report.count()).toBe(6)
    expect(await report.count({ input: { report_id: 'b' } })).toBe(4)
    expect(await report.count({ status: 'completed' })).toBe(1)
    const { sessionId } = await t.running.createSession(LOCAL)
    await t.client.submit('report', { size: 7 }, { sessionId, delay: 60 })
    expect(await report.count({ sessionId })).toBe(1)
    expect((await report.find({ sessionId })).map(({ params }) => params.size)).toEqual([7])
    expect(await report.cancel({ sessionId })).toBe(1)
    expect(await report.count({ sessionId, status: 'cancelled' })).toBe(1)
    expect(
      (await report.find({ input: { report_id: 'b' }, status: ['scheduled'] })).map(({ params }) => params.size),
    ).toEqual([4, 3, 2])
    expect((await report.find({ limit: 2, offset: 1, status: 'scheduled' })).map(({ params }) => params.size)).toEqual([
      3, 2,
    ])
    expect(await report.cancel({ input: { report_id: 'b' } })).toBe(3)
    expect(await report.count({ status: 'cancelled' })).toBe(4)
    expect(await done.status()).toBe('completed')
    expect(await report.cancel({ status: 'completed' })).toBe(0)
    await t.stop()
  })

  test('finds as many as were asked for, newest first, also more than a page of the API', async () => {
    const { t, report } = await reports()
    const sizes = Array.from({ length: 1100 }, (_, size) => size)
    for (const from of [0, 1000]) {
      await report.submitMany(
        sizes.slice(from, from + 1000).map((size) => ({ size })),
        { delay: 60 },
      )
    }
    const newest = sizes.toReversed()
    const found = async (options: Parameters<typeof report.find>[0]) =>
      (await report.find(options)).map(({ params }) => params.size)
    expect(await found({})).toEqual(newest.slice(0, 100))
    expect(await found({ limit: 0 })).toEqual([])
    expect(await found({ limit: 600 })).toEqual(newest.slice(0, 600))
    expect(await found({ limit: 1000, offset: 99 })).toEqual(newest.slice(99, 1099))
    expect(await found({ limit: Number.POSITIVE_INFINITY })).toEqual(newest)
    await t.stop()
  })

  test.each<[object, RegExp]>([
    [{ limit: -1 }, /limit: is -1, it must be a whole number from 0/],
    [{ limit: 1.5 }, /limit: is 1.5/],
    [{ offset: -1 }, /offset: is -1/],
    [{ status: 'runing' }, /status: "runing" is none of pending, scheduled/],
    [{ input: { report_id: undefined } }, /input.report_id: is undefined/],
    [{ sesionId: 'a' }, /sesionId: use status, sessionId, ownerId, tag, q or input/],
  ])('is told what is wrong with %j', async (options, message) => {
    const { t, report } = await reports()
    await expect(report.find(options)).rejects.toThrow(message)
    await t.stop()
  })

  test('cancels nothing for a filter that it does not know: it would cancel all', async () => {
    const { t, report } = await reports()
    await report.schedule({}, { delay: 60 })
    for (const filter of [{ sesionId: 'a' }, { limit: 1 }, { status: 'wating' }]) {
      await expect(report.cancel(filter as object)).rejects.toThrow(InvalidInput)
      await expect(report.count(filter as object)).rejects.toThrow(InvalidInput)
    }
    expect(await report.count({ status: 'scheduled' })).toBe(1)
    await t.stop()
  })

  // A promise: see docs/promises.md.
  test('cancels waiting ones only', async () => {
    const { t, report } = await reports((app) => app().sleep(10))
    const running = await report.submit({})
    await report.schedule({}, { delay: 60 })
    await t.settle()
    expect(await report.cancel()).toBe(1)
    expect(await running.status()).toBe('running')
    await t.stop()
  })
})

describe('a handle', () => {
  // A promise: see docs/promises.md.
  test('waits for the result', async () => {
    const { t, report } = await reports(async (app) => {
      await app().sleep(5)
      return { ok: true }
    })
    const handle = await report.submit({})
    const result = handle.result()
    await t.advance(5)
    expect(await result).toEqual({ ok: true })
    expect(await report.handle(handle.taskId).result()).toEqual({ ok: true })
    expect(await handle.job()).toMatchObject({ id: handle.taskId, status: 'completed' })
    await t.stop()
  })

  // A promise: see docs/promises.md.
  test('throws what the task failed of, and a timeout when it takes too long', async () => {
    const { t, report } = await reports(async (app) => {
      await app().sleep(5)
      throw new Error('the reason')
    })
    const handle = await report.submit({})
    const slow = handle.result({ timeout: 1 })
    slow.catch(noop)
    const result = handle.result()
    result.catch(noop)
    await t.advance(5)
    await expect(slow).rejects.toThrow(TimeoutError)
    await expect(slow).rejects.toThrow('is still running')
    await expect(result).rejects.toThrow(TaskFailed)
    await expect(result).rejects.toMatchObject({ message: 'the reason', status: 'failed', taskId: handle.taskId })
    await expect(report.handle('nowhere').result()).rejects.toThrow(NotFound)
    await t.stop()
  })

  // A promise: see docs/promises.md.
  test('says that the app stopped before the end that is waited for, then and later', async () => {
    const { t, report } = await reports((app) => app().sleep('1h'))
    const running = await report.submit({})
    const later = await report.schedule({}, { delay: '1d' })
    const waiting = [running.result(), later.result({ timeout: '2d' })]
    for (const result of waiting) result.catch(noop)
    expect(await t.stop(1)).toEqual({ clean: false })
    for (const result of [...waiting, running.result(), later.result()]) {
      await expect(result).rejects.toThrow(NotRunning)
      await expect(result).rejects.toThrow(/stopped before task .* had ended, which goes on at the next start/)
    }
  })

  test('has the result of a task that ends while the app stops', async () => {
    const { t, report } = await reports(async (app) => {
      await app().sleep(5)
      return 'just in time'
    })
    const result = (await report.submit({})).result()
    await t.settle()
    expect(await t.stop(10)).toEqual({ clean: true })
    expect(await result).toBe('just in time')
  })

  test('cancels', async () => {
    const { t, report } = await reports()
    const handle = await report.schedule({}, { delay: 60 })
    await handle.cancel('enough')
    expect(await handle.status()).toBe('cancelled')
    await expect(handle.result()).rejects.toMatchObject({ status: 'cancelled' })
    await t.stop()
  })
})

describe('running at once and waiting', () => {
  test('gives the result, with the input as it was recorded', async () => {
    const { t } = await reports(() => 7)
    expect(await t.running.execute('report', {}, LOCAL)).toMatchObject({
      params: { report_id: 'daily' },
      outcome: { kind: 'result', result: 7 },
    })
    await t.stop()
  })

  test('gives the error of one attempt, and of input that does not fit', async () => {
    const { t } = await reports(() => {
      throw new RangeError('no')
    })
    expect((await t.running.execute('report', {}, LOCAL)).outcome).toMatchObject({
      kind: 'error',
      error: { type: 'RangeError', message: 'no', stack: expect.stringContaining('RangeError') },
    })
    expect(await t.running.execute('report', { size: 'x' }, LOCAL)).toMatchObject({
      taskId: undefined,
      outcome: { kind: 'error', error: { type: 'ValidationError' } },
    })
    await expect(t.running.execute('unknown', {}, LOCAL)).rejects.toThrow(UnknownTask)
    await t.stop()
  })

  test('repeated with the same command id is the same run; with other input a conflict; and no submit', async () => {
    let runs = 0
    const { t } = await reports(() => ++runs)
    const again = { ...LOCAL, commandId: 'k' }
    const first = await t.running.execute('report', {}, again)
    expect(first.outcome).toEqual({ kind: 'result', result: 1 })
    expect(await t.running.execute('report', {}, again)).toEqual(first)
    await expect(t.running.execute('report', { size: 1 }, again)).rejects.toThrow(IdempotencyConflict)
    expect(await t.client.submit('report', {}, { commandId: 'k' })).not.toBe(first.taskId)
    await t.stop()
  })

  test('is pending when it takes longer than one wanted to wait', async () => {
    const { t } = await reports((app) => app().sleep(10))
    const executed = t.running.execute('report', {}, LOCAL, 2000)
    await t.advance(2)
    const { taskId, outcome } = await executed
    expect(outcome).toEqual({ kind: 'pending' })
    await t.advance(8)
    expect((await t.client.job(taskId ?? '')).status).toBe('completed')
    await t.stop()
  })
})

describe("a client's id of its command", () => {
  const AGAIN = { ...LOCAL, commandId: 'K' } as const
  const said = (t: TestApp, text: string) => t.running.sendMessage('s', { text, create: true }, AGAIN)
  const TAKEN = { code: 'idempotency-conflict', message: expect.stringMatching(/"K" was used before, for another/) }

  async function everything() {
    const app = createApp({ name: 'demo' })
    app.task('work', noop)
    app.schedule('yearly', '@yearly', noop)
    app.message((session, { text }) => session.reply(`re: ${text}`))
    return testApp(app)
  }

  // A promise: see docs/promises.md.
  test.each<[string, (t: TestApp, id: string) => Promise<unknown>, (t: TestApp, id: string) => Promise<unknown>]>([
    ['submitted a task', async () => {}, (t, id) => t.running.cancelJob(id, AGAIN)],
    [
      'paused a schedule',
      (t) => t.running.pauseSchedule('yearly', AGAIN),
      (t) => t.running.triggerSchedule('yearly', AGAIN),
    ],
    [
      'triggered one',
      (t) => t.running.triggerSchedule('yearly', AGAIN),
      (t) => t.running.pauseSchedule('yearly', AGAIN),
    ],
    ['paused a task', (t) => t.running.pauseTask('work', AGAIN), (t) => t.running.resumeTask('work', AGAIN)],
    ['said something', (t) => said(t, 'one'), (t) => said(t, 'two')],
    ['said it', (t) => said(t, 'one'), (t) => t.running.stopTurn('s', AGAIN)],
  ])('that has %s is refused for another command on it, and taken for a repeat', async (_, first, other) => {
    const t = await everything()
    const id = await t.client.submit('work', {}, { delay: 60, commandId: 'K' })
    await first(t, id)
    await t.settle()
    const recorded = async () => (await t.events()).filter(({ metadata }) => metadata.commandId === 'K').length
    const before = await recorded()
    await expect(other(t, id)).rejects.toMatchObject(TAKEN)
    await t.restart()
    await expect(other(t, id)).rejects.toMatchObject(TAKEN)
    await first(t, id)
    expect(await recorded()).toBe(before)
    await t.stop()
  })

  test('that is repeated after others came still has its first answer', async () => {
    const t = await everything()
    const id = await t.client.submit('work', {}, { delay: 60, commandId: 'submit' })
    await t.running.cancelJob(id, AGAIN)
    await t.client.retry(id, { commandId: 'retry' })
    await t.settle()
    expect((await t.client.job(id)).status).toBe('completed')
    await t.running.cancelJob(id, AGAIN)
    await t.client.retry(id, { commandId: 'retry' })
    expect((await t.client.job(id)).status).toBe('completed')
    await t.stop()
  })
})

describe('retrying many', () => {
  // A promise: see docs/promises.md.
  test('takes failed and timed-out ones, cancelled ones only by name', async () => {
    const app = createApp({ name: 'demo' })
    app.task('fails', () => {
      throw new Error('no')
    })
    app.task('hangs', { timeout: 1, grace: 0 }, () => new Promise(() => {}))
    app.task('well', noop)
    const t = await testApp(app)
    const ids: string[] = []
    for (const name of ['fails', 'hangs', 'well']) ids.push(await t.client.submit(name))
    const cancelled = await t.client.submit('well', {}, { delay: 60 })
    await t.client.cancel(cancelled)
    await t.advance(2)
    const requeued = async () =>
      (await t.events()).flatMap(({ type, stream }) => (type === 'TaskRequeued' ? [stream.split('task-')[1]] : []))
    expect((await t.running.retryEnded({}, LOCAL)).count).toBe(2)
    expect((await requeued()).toSorted()).toEqual(ids.slice(0, 2).toSorted())
    expect((await t.running.retryEnded({ status: ['cancelled', 'completed'] }, LOCAL)).count).toBe(1)
    expect((await requeued()).at(-1)).toBe(cancelled)
    await t.stop(0)
  })

  test('asks each once, also a thousand and more, also when it is repeated and they fail again', async () => {
    const { t, report } = await reports(() => {
      throw new Error('no')
    })
    for (let n = 0; n < 3; n++) await report.submitMany(Array.from({ length: 400 }, () => ({})))
    await t.settle()
    const bulk = { ...LOCAL, commandId: 'bulk' }
    expect((await t.running.retryEnded({ name: 'report' }, bulk)).count).toBe(1200)
    await t.settle()
    expect((await t.running.retryEnded({ name: 'report' }, bulk)).count).toBe(1200)
    await t.settle()
    const requeued = (await t.events()).filter(({ type }) => type === 'TaskRequeued')
    expect(requeued).toHaveLength(1200)
    await t.stop()
  })

  test('repeated for one with a lock is answered as the first time', async () => {
    const app = createApp({ name: 'demo' })
    app.task('locked', { lock: 'the one' }, () => {
      throw new Error('no')
    })
    const t = await testApp(app)
    const id = await t.client.submit('locked')
    await t.settle()
    await t.client.retry(id, { commandId: 'k' })
    await t.client.retry(id, { commandId: 'k' })
    await t.settle()
    await t.client.retry(id, { commandId: 'k' })
    expect((await t.events(`task-${id}`)).filter(({ type }) => type === 'TaskRequeued')).toHaveLength(1)
    await t.stop()
  })
})

describe('deleting', () => {
  test('cancels what is live, hides it, and leaves its history', async () => {
    const { t } = await reports()
    const id = await t.client.submit('report', {}, { delay: 60 })
    await t.running.deleteJob(id, LOCAL)
    await expect(t.client.job(id)).rejects.toThrow('There is no task')
    await expect(t.running.deleteJob(id, LOCAL)).rejects.toThrow(NotFound)
    await expect(t.client.retry(id)).rejects.toThrow(NotFound)
    expect((await t.running.history('task', id)).map(({ type }) => type)).toEqual([
      'TaskScheduled',
      'TaskCancelled',
      'TaskDeleted',
    ])
    await t.stop()
  })

  test.each([
    ['that waits', 60],
    ['that has ended', 0],
  ])('of a task %s, repeated under its id, is answered as the first time', async (_what, delay) => {
    const { t } = await reports()
    const id = await t.client.submit('report', {}, { delay })
    await t.settle()
    const position = await t.running.deleteJob(id, { ...LOCAL, commandId: 'k' })
    expect(await t.running.deleteJob(id, { ...LOCAL, commandId: 'k' })).toBe(position)
    await expect(t.running.deleteJob(id, { ...LOCAL, commandId: 'other' })).rejects.toThrow(NotFound)
    expect((await t.events(`task-${id}`)).filter(({ type }) => type === 'TaskDeleted')).toHaveLength(1)
    await t.stop()
  })

  test('under the id of another command of the task is refused, and cancels nothing', async () => {
    const { t } = await reports()
    const id = await t.client.submit('report', {}, { delay: 60, commandId: 'k' })
    await expect(t.running.deleteJob(id, { ...LOCAL, commandId: 'k' })).rejects.toThrow(CommandIdTaken)
    expect(await t.client.job(id)).toMatchObject({ status: 'scheduled' })
    await t.stop()
  })

  test('of a task with a lock hides it from a retry, too', async () => {
    const app = createApp({ name: 'demo' })
    app.task('t', { lock: 'k' }, noop)
    await using t = await testApp(app)
    const id = await t.client.submit('t', {}, { delay: 60 })
    await t.running.deleteJob(id, LOCAL)
    await expect(t.client.retry(id)).rejects.toThrow(NotFound)
    expect((await t.events('lock-k')).map(({ type }) => type)).toEqual([])
  })
})

// A promise: see docs/promises.md.
test('a reply of a task goes to the conversation it was submitted with, whose owner it gets', async () => {
  const app = createApp({ name: 'demo' })
  const work = app.task('work', async (_, { session }) => {
    await session?.reply(`done for ${session.user.ownerId}`)
  })
  app.message(async (session) => {
    const handle = await work.submit({}, { session })
    await session.showTask(handle, { message: 'Working…' })
  })
  await using t = await testApp(app)
  await t.client.say('s', 'go', { owner: 'ada' })
  await t.settle()
  expect(await t.client.replies('s')).toEqual(['done for ada'])
  const [job] = await work.find()
  expect(job).toMatchObject({ ownerId: 'ada', sessionId: 's' })
  expect((await t.client.transcript('s')).find(({ kind }) => kind === 'task')).toMatchObject({
    jobId: job?.id,
    message: 'Working…',
  })
})
