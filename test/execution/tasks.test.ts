import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { App, TaskOptions } from '../../src/app/index.ts'
import type { JsonValue } from '../../src/events/index.ts'
import { NonRetryableError, TimeoutError } from '../../src/execution/index.ts'
import { withAppend } from '../actors/stores.ts'
import { dataOf, declared, gate, running, storyOf } from './app.ts'

const noop = () => {}

describe('dispatch', () => {
  test('a submitted task is claimed in the same append when a slot is free', async () => {
    const t = await running((app) => app.task('work', async () => 42))
    const id = await t.client.submit('work')
    await t.settle()
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'Completed'])
    expect(await t.client.job(id)).toMatchObject({ status: 'completed', result: 42, attempt: 1 })
  })

  // A promise: see docs/promises.md.
  test('no more handlers run at once than the app allows; the rest follows as slots come free', async () => {
    let now = 0
    let most = 0
    const t = await running(
      (app, sleep) =>
        app.task('work', async () => {
          most = Math.max(most, ++now)
          await sleep(1)
          now--
        }),
      { concurrency: 3 },
    )
    const ids = await Promise.all(Array.from({ length: 10 }, () => t.client.submit('work')))
    await t.settle()
    expect(now).toBe(3)
    await t.advance(10)
    expect(most).toBe(3)
    for (const id of ids) expect((await t.client.job(id)).status).toBe('completed')
  })

  test('a slot is free while the end of a run is recorded, and the log has that end before the next start', async () => {
    const blocker = gate()
    const recorded = gate()
    const ran: string[] = []
    const t = await running(
      (app) => {
        app.task('first', () => blocker.opened)
        app.task('next', (input: { as: string }) => void ran.push(input.as))
      },
      {
        concurrency: 1,
        wrapStore: (store) =>
          withAppend(store, (append) => async (...of) => {
            const result = await append(...of)
            if (of[2][0]?.type === 'TaskCompleted') await recorded.opened
            return result
          }),
      },
    )
    const first = await t.client.submit('first')
    const waited = await t.client.submit('next', { as: 'waited' })
    blocker.open()
    await t.settle()
    await t.client.submit('next', { as: 'came later' })
    await t.settle()
    expect(ran).toEqual(['waited', 'came later'])
    recorded.open()
    await t.settle()
    const end = (await t.events(`task-${first}`)).find(({ type }) => type === 'TaskCompleted')
    const start = (await t.events(`task-${waited}`)).find(({ type }) => type === 'TaskStarted')
    expect(Number(start?.position)).toBeGreaterThan(Number(end?.position))
  })

  // A promise: see docs/promises.md.
  test('by priority, and fair between owners', async () => {
    const order: string[] = []
    const blocker = gate()
    const t = await running(
      (app) => {
        app.task('block', () => blocker.opened)
        app.task('work', (input: { as: string }) => void order.push(input.as))
        app.task('important', { priority: 5 }, () => void order.push('important'))
      },
      { concurrency: 1 },
    )
    await t.client.submit('block')
    for (const as of ['a1', 'a2', 'a3']) await t.client.submit('work', { as }, { owner: 'ada' })
    await t.client.submit('work', { as: 'b1' }, { owner: 'bob' })
    await t.client.submit('work', { as: 'urgent' }, { owner: 'bob', priority: 9 })
    await t.client.submit('important', {}, { owner: 'ada' })
    blocker.open()
    await t.settle()
    expect(order).toEqual(['urgent', 'important', 'a1', 'b1', 'a2', 'a3'])
  })

  // A promise: see docs/promises.md.
  test('a delayed task starts when it is due, however far away', async () => {
    const t = await running((app) => app.task('work', noop))
    const soon = await t.client.submit('work', {}, { delay: '10s' })
    const late = await t.client.submit('work', {}, { runAt: '2026-06-01T00:00:00Z' })
    await t.advance('9.999s')
    expect((await t.client.job(soon)).status).toBe('scheduled')
    await t.advance(0.001)
    expect(await storyOf(t, soon)).toEqual(['Scheduled', 'Started', 'Completed'])
    await t.advance('140d')
    expect((await t.client.job(late)).status).toBe('scheduled')
    await t.advance('11d')
    expect(await t.client.job(late)).toMatchObject({
      status: 'completed',
      startedAt: Date.parse('2026-06-01T00:00:00Z'),
    })
  })

  // A promise: see docs/promises.md.
  test('a task whose name the code does not know waits until code comes that does', async () => {
    const t = await running((app) => {
      app.task('old', noop)
      app.task('other', noop)
    })
    const id = await t.client.submit('old', {}, { delay: 5 })
    await t.restart(declared((app) => app.task('other', noop)))
    await t.advance('1h')
    const job = await t.client.job(id)
    expect(t.running.waitingFor(job)).toBe('handler old')
    expect(await storyOf(t, id)).toEqual(['Scheduled'])
    await t.restart(declared((app) => app.task('old', () => 'at last')))
    await t.settle()
    expect(await t.client.job(id)).toMatchObject({ status: 'completed', result: 'at last' })
  })

  // A promise: see docs/promises.md.
  test('input that no longer fits the running code fails with the reason, without retries', async () => {
    const t = await running((app) => app.task('work', { retries: 3 }, noop))
    const id = await t.client.submit('work', { n: 'one' }, { delay: 5 })
    await t.restart(declared((app) => app.task('work', { input: z.object({ n: z.number() }) }, noop)))
    await t.advance(5)
    const { status, error } = await t.client.job(id)
    expect(status).toBe('failed')
    expect(error?.message).toMatch(/no longer fits the running code.*n: .*expected number/)
    expect(await storyOf(t, id)).toEqual(['Scheduled', 'Started', 'Failed'])
  })

  // A promise: see docs/promises.md.
  test('a start records the version of the code', async () => {
    const t = await running((app) => app.task('work', noop), { version: '1.2.3+abc' })
    const id = await t.client.submit('work')
    const later = await t.client.submit('work', {}, { delay: 5 })
    await t.advance(5)
    for (const started of [id, later]) {
      expect(await dataOf(t, `task-${started}`, 'TaskStarted')).toMatchObject([{ version: '1.2.3+abc', attempt: 1 }])
    }
  })
})

describe('timeouts', () => {
  // A promise: see docs/promises.md.
  test('abort the signal; a handler that stops in time is recorded as timed out', async () => {
    let reason: unknown
    const t = await running((app, sleep) =>
      app.task('work', { timeout: 2 }, async (_, { signal }) => {
        await sleep('1h', { signal }).catch((error: unknown) => {
          reason = error
          throw error
        })
      }),
    )
    const id = await t.client.submit('work')
    await t.advance(2)
    expect(reason).toBeInstanceOf(TimeoutError)
    expect(await t.client.job(id)).toMatchObject({
      status: 'timeout',
      error: { type: 'TimeoutError', message: 'The attempt did not end within its timeout of 2 s.' },
    })
  })

  test('a handler that finishes within the grace period has timed out all the same', async () => {
    const t = await running((app, sleep) => app.task('work', { timeout: 2 }, () => sleep(4)))
    const id = await t.client.submit('work')
    await t.advance(2)
    expect((await t.client.job(id)).status).toBe('running')
    await t.advance(2)
    expect((await t.client.job(id)).status).toBe('timeout')
  })

  // A promise: see docs/promises.md.
  test('a handler that does not stop is abandoned after the grace period, and can do nothing more', async () => {
    const tried: unknown[] = []
    const t = await running((app, sleep) => {
      app.message(noop)
      const other = app.task('other', () => null)
      app.task('stubborn', { timeout: 2, grace: 3 }, async (_, { session, progress, heartbeat, log }) => {
        await sleep(60)
        for (const act of [
          async () => progress(0.9),
          heartbeat,
          () => log('still here'),
          async () => session?.reply('too late'),
          () => other.submit({}),
          () => other.schedule({}, { delay: 1 }),
          () => other.submitMany([{}]),
          () => other.cancel(),
        ]) {
          await act().catch((error: unknown) => tried.push(error))
        }
        return 'too late'
      })
    })
    await t.client.createSession('s')
    const id = await t.client.submit('stubborn', {}, { sessionId: 's' })
    await t.advance(4.999)
    expect((await t.client.job(id)).status).toBe('running')
    await t.advance(0.001)
    expect((await t.client.job(id)).status).toBe('timeout')
    await t.advance(120)
    expect(tried.map((error) => (error as { code: string }).code)).toEqual(Array(8).fill('attempt-fenced'))
    expect((await t.running.reads.jobs({})).items).toHaveLength(1)
    expect(await t.client.job(id)).toMatchObject({ status: 'timeout', result: null })
    expect(await t.client.replies('s')).toEqual([])
    expect((await storyOf(t, id)).slice(0, 3)).toEqual(['Submitted', 'Started', 'TimedOut'])
  })

  // A promise: see docs/promises.md.
  test('the late end of an abandoned handler is refused, and the refusal is recorded', async () => {
    const t = await running((app, sleep) => app.task('stubborn', { timeout: 2, grace: 1 }, () => sleep(60)))
    const id = await t.client.submit('stubborn')
    await t.advance(120)
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'TimedOut', 'WriteRefused'])
    expect(await dataOf(t, `task-${id}`, 'TaskWriteRefused')).toMatchObject([{ tried: 'complete' }])
  })

  // A promise: see docs/promises.md.
  test('with retryOnTimeout use up a retry', async () => {
    const t = await running((app, sleep) =>
      app.task('work', { timeout: 2, retries: 1, retryOnTimeout: true }, (_, { signal }) => sleep('1h', { signal })),
    )
    const id = await t.client.submit('work')
    await t.advance(60)
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'RetryScheduled', 'Started', 'TimedOut'])
  })

  // A promise: see docs/promises.md.
  test('are pushed out by a heartbeat and by a refresh', async () => {
    const t = await running((app, sleep) => {
      app.task('beats', { timeout: 10 }, async (_, { heartbeat }) => {
        for (let beat = 0; beat < 5; beat++) {
          await sleep(8)
          await heartbeat()
        }
        return 'done'
      })
      app.task('quiet', { timeout: 10 }, (_, { signal }) => sleep(15, { signal }))
      app.task('endless', { timeout: 10 }, (_, { signal }) => sleep('1h', { signal }))
    })
    const beats = await t.client.submit('beats')
    const quiet = await t.client.submit('quiet')
    const endless = await t.client.submit('endless')
    await t.advance(9)
    await t.client.refresh(quiet)
    await t.client.refresh(endless)
    await t.advance(9.999)
    expect((await t.client.job(endless)).status).toBe('running')
    await t.advance(0.001)
    expect((await t.client.job(endless)).status).toBe('timeout')
    await t.advance(60)
    expect(await t.client.job(beats)).toMatchObject({ status: 'completed', result: 'done' })
    expect((await t.client.job(quiet)).status).toBe('completed')
  })

  test('of a task without one, a heartbeat is nothing and a refresh is refused', async () => {
    const t = await running((app, sleep) =>
      app.task('work', async (_, { heartbeat }) => {
        await heartbeat()
        await sleep(5)
      }),
    )
    const id = await t.client.submit('work')
    await t.settle()
    await expect(t.client.refresh(id)).rejects.toThrow('no timeout')
    await t.advance(5)
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'Completed'])
  })
})

describe('cancel', () => {
  // A promise: see docs/promises.md.
  test('of a waiting task is immediate: it never starts', async () => {
    let ran = 0
    const t = await running((app) => app.task('work', () => void ran++))
    const id = await t.client.submit('work', {}, { delay: 10 })
    await t.client.cancel(id, 'changed my mind')
    await t.advance(60)
    expect(await storyOf(t, id)).toEqual(['Scheduled', 'Cancelled'])
    expect(await t.client.job(id)).toMatchObject({ status: 'cancelled', cancelledBy: 'user:local' })
    expect(ran).toBe(0)
  })

  // A promise: see docs/promises.md.
  test('of a running one aborts its signal and ends when the handler has stopped', async () => {
    const t = await running((app, sleep) =>
      app.task('work', async (_, { signal }) => {
        await sleep('1h', { signal }).catch(() => sleep(2))
        throw new Error('cleaned up')
      }),
    )
    const id = await t.client.submit('work')
    await t.settle()
    await t.client.cancel(id)
    await t.advance(1.9)
    expect(await t.client.job(id)).toMatchObject({ status: 'running', cancelRequested: true })
    await t.advance(0.1)
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'CancelRequested', 'Cancelled'])
  })

  // A promise: see docs/promises.md.
  test('of one that does not stop ends after the grace period', async () => {
    const t = await running((app, sleep) => app.task('work', { grace: 5 }, () => sleep('1h')))
    const id = await t.client.submit('work')
    await t.settle()
    await t.client.cancel(id)
    await t.advance(5)
    expect((await t.client.job(id)).status).toBe('cancelled')
  })

  test('of one that finishes all the same is completed', async () => {
    const t = await running((app, sleep) => app.task('work', () => sleep(3).then(() => 'done')))
    const id = await t.client.submit('work')
    await t.settle()
    await t.client.cancel(id)
    await t.advance(3)
    expect(await t.client.job(id)).toMatchObject({ status: 'completed', result: 'done' })
  })

  // A promise: see docs/promises.md.
  test('of one that waits for a retry is immediate', async () => {
    const t = await running((app) =>
      app.task('work', { retries: 3, backoff: { base: 60 } }, () => {
        throw new Error('no')
      }),
    )
    const id = await t.client.submit('work')
    await t.settle()
    expect((await t.client.job(id)).status).toBe('retry')
    await t.client.cancel(id)
    await t.advance('1h')
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'RetryScheduled', 'Cancelled'])
  })

  // A promise: see docs/promises.md.
  test('of one that has ended is refused and says so', async () => {
    const t = await running((app) => app.task('work', noop))
    const id = await t.client.submit('work')
    await t.settle()
    await expect(t.client.cancel(id)).rejects.toThrow('The task has ended already: it is completed.')
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'Completed'])
  })
})

describe('retries', () => {
  const failing = (errors: readonly unknown[], options: TaskOptions = {}) => {
    let attempt = 0
    return (app: App) =>
      app.task('work', options, () => {
        if (attempt < errors.length) throw errors[attempt++]
        return `attempt ${attempt + 1}`
      })
  }

  // A promise: see docs/promises.md.
  test('run again after an exponential pause with jitter, as often as was declared', async () => {
    const t = await running(
      failing(Array(9).fill(new Error('no')), { retries: 4, backoff: { base: 2, factor: 3, max: 30 } }),
      { random: () => 0.5 },
    )
    const id = await t.client.submit('work')
    await t.advance('10m')
    const started = (await t.events(`task-${id}`)).filter(({ type }) => type === 'TaskStarted')
    const times = started.map(({ metadata }) => Date.parse(metadata.at) / 1000)
    // Half of 2, 6, 18 and, at most, 30 seconds.
    expect(times.slice(1).map((at, index) => at - (times[index] ?? 0))).toEqual([1, 3, 9, 15])
    expect(await t.client.job(id)).toMatchObject({ status: 'failed', attempt: 5, error: { message: 'no' } })
  })

  test('without a pause go on however often they have failed', async () => {
    const options = { retries: 4, backoff: { base: 0, factor: 1e200 } }
    const t = await running(failing(Array(9).fill(new Error('no')), options))
    const id = await t.client.submit('work')
    await t.advance(60)
    expect(await t.client.job(id)).toMatchObject({ status: 'failed', attempt: 5 })
  })

  test('end with the first success', async () => {
    const t = await running(failing([new Error('no')], { retries: 5 }))
    const id = await t.client.submit('work')
    await t.advance(60)
    expect(await t.client.job(id)).toMatchObject({ status: 'completed', result: 'attempt 2', error: undefined })
  })

  // A promise: see docs/promises.md.
  test('are none after a NonRetryableError', async () => {
    const t = await running(failing([new NonRetryableError('hopeless')], { retries: 5 }))
    const id = await t.client.submit('work')
    await t.advance(60)
    expect(await t.client.job(id)).toMatchObject({
      status: 'failed',
      error: { type: 'NonRetryableError', retryable: false },
    })
  })

  // A promise: see docs/promises.md.
  test('are only for the errors that retryFor names', async () => {
    class Flaky extends Error {}
    const retryFor = [Flaky, (error: unknown) => error instanceof Error && error.message === 'again']
    const t = await running(failing([new Flaky(), new Error('again'), new Error('other')], { retries: 5, retryFor }))
    const id = await t.client.submit('work')
    await t.advance('10m')
    expect(await t.client.job(id)).toMatchObject({ status: 'failed', attempt: 3, error: { message: 'other' } })
  })

  test('a retryFor that throws is reported, and the task fails for what its handler threw', async () => {
    const retryFor = [(error: unknown) => (error as { details: { code: number } }).details.code === 503]
    const t = await running(failing([new Error('the real reason')], { retries: 5, retryFor }))
    const id = await t.client.submit('work')
    await t.advance('10m')
    expect(await t.client.job(id)).toMatchObject({ status: 'failed', error: { message: 'the real reason' } })
    expect(t.problems.splice(0)).toMatchObject([{ doing: expect.stringContaining('retryFor') }])
  })

  // A promise: see docs/promises.md.
  test('by hand begin a new run', async () => {
    const t = await running(failing(Array(3).fill(new Error('no')), { retries: 1 }))
    const id = await t.client.submit('work')
    await t.advance(60)
    const first = ['Submitted', 'Started', 'RetryScheduled', 'Started', 'Failed']
    expect(await storyOf(t, id)).toEqual(first)
    await t.client.retry(id)
    await t.advance(60)
    // It has its retry again.
    expect(await storyOf(t, id)).toEqual([...first, 'Requeued', 'Started', 'RetryScheduled', 'Started', 'Completed'])
    expect(await dataOf(t, `task-${id}`, 'TaskRequeued')).toMatchObject([{ run: 2 }])
  })
})

describe('what handlers throw and return', () => {
  const ended = async (handler: () => unknown) => {
    const t = await running((app) => app.task('work', handler))
    const id = await t.client.submit('work')
    await t.settle()
    return t.client.job(id)
  }
  const strange = Object.assign(new Error('x'), { name: 7, message: { deep: true }, stack: null })
  const refuse = () => {
    throw new Error('not yours to read')
  }
  const unreadable = Object.defineProperties(new Error('x'), {
    message: { get: refuse },
    stack: { get: refuse },
    cause: { get: refuse },
  })
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()

  test.each([
    ['text', 'oops', { type: 'NonError', message: 'Not an Error was thrown: oops' }],
    ['nothing', undefined, { message: 'Not an Error was thrown: undefined' }],
    ['an object', { a: 1 }, { message: 'Not an Error was thrown: {"a":1}' }],
    ['a bigint', 1n, { message: 'Not an Error was thrown: 1' }],
    [
      'an error with a cause',
      new TypeError('a', { cause: new RangeError('b') }),
      { type: 'TypeError', cause: { type: 'RangeError', message: 'b' } },
    ],
    ['an error without a message', new RangeError(), { type: 'RangeError', message: 'RangeError' }],
    ['an error whose fields are no text', strange, { type: '7', message: '{"deep":true}' }],
    ['an error whose fields cannot be read', unreadable, { type: 'Error', message: 'cannot be read' }],
    ['what refuses to say what it is', revoked.proxy, { message: expect.stringContaining('cannot be printed') }],
  ])('%s', async (_, thrown, error) => {
    const job = await ended(() => {
      throw thrown
    })
    expect(job).toMatchObject({ status: 'failed', error })
  })

  const circular: Record<string, unknown> = {}
  circular.self = circular

  test.each([
    ['nothing', undefined, null],
    ['a date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['NaN', Number.NaN, null],
    ['a function', noop, null],
    ['undefined members', { a: undefined, b: [undefined] }, { b: [null] }],
    ['an error', new RangeError('too far'), { type: 'RangeError', message: 'too far' }],
    [
      'an error inside',
      [{ reason: Object.assign(new Error('no', { cause: new Error('why') }), { code: 'E1' }) }],
      [{ reason: { type: 'Error', message: 'no', cause: { type: 'Error', message: 'why' }, code: 'E1' } }],
    ],
  ])('%s is recorded as JSON has it', async (_, returned, result) => {
    expect(await ended(() => returned)).toMatchObject({ status: 'completed', result })
  })

  test.each([
    ['a bigint', 1n],
    ['a circle', circular],
    ['a Map', new Map([['a', 1]])],
    ['a Set inside', { seen: new Set([1]) }],
    ['a promise inside', [Promise.resolve(1)]],
  ])('%s is not JSON: the task fails and says so', async (_, returned) => {
    expect(await ended(() => returned)).toMatchObject({
      status: 'failed',
      error: { type: 'NonRetryableError', message: expect.stringContaining('is not JSON') },
    })
  })

  test('a result that nests deeper than all who read it can follow fails and says so', async () => {
    const nested = (levels: number): unknown => (levels === 0 ? 'x' : [nested(levels - 1)])
    expect(await ended(() => nested(500))).toMatchObject({ status: 'completed', result: nested(500) })
    expect(await ended(() => nested(501))).toMatchObject({
      status: 'failed',
      error: { type: 'NonRetryableError', message: 'The result nests too deep: lists and objects may nest 500 deep.' },
    })
  })

  test('a result over 256 KiB fails with its size', async () => {
    const job = await ended(() => 'x'.repeat(300_000))
    expect(job.status).toBe('failed')
    expect(job.error?.message).toMatch(/The result has 300\d{3} bytes of JSON, the limit is 262144/)
  })

  // Too long to be recorded, the end of the attempt never came.
  test('a long name is cut, and that of a cause', async () => {
    const named = (cause?: unknown) => Object.assign(new Error('x', { cause }), { name: 'n'.repeat(300_000) })
    const job = await ended(() => {
      throw named(named())
    })
    expect(job.status).toBe('failed')
    expect(job.error?.type.length).toBeLessThan(300)
  })

  test('a long message is cut', async () => {
    const job = await ended(() => {
      throw new Error('x'.repeat(100_000))
    })
    expect(job.error?.message.length).toBeLessThan(9000)
  })

  test('a long message is not cut within a character', async () => {
    const job = await ended(() => {
      throw new Error(`x${'😀'.repeat(10_000)}`)
    })
    expect(job.error?.message.isWellFormed()).toBe(true)
    expect(job.error?.message).toMatch(/^x😀+… \(\d+ more characters\)$/u)
  })
})

describe('progress', () => {
  // A promise: see docs/promises.md.
  test('is conflated to four a second; the last is always recorded', async () => {
    const t = await running((app, sleep) =>
      app.task('work', async (_, { progress }) => {
        for (let n = 1; n <= 100; n++) {
          progress(n / 100, `${n} of 100`)
          if (n < 100) await sleep(0.01)
        }
      }),
    )
    const id = await t.client.submit('work')
    await t.advance(2)
    const recorded = await dataOf(t, `task-${id}`, 'TaskProgressed')
    expect(recorded.length).toBeGreaterThanOrEqual(4)
    expect(recorded.length).toBeLessThanOrEqual(6)
    expect(recorded.at(-1)).toMatchObject({ fraction: 1, message: '100 of 100' })
  })

  test('outside of 0 to 1 is an error of the handler', async () => {
    const t = await running((app) => app.task('work', (_, { progress }) => progress(50)))
    const id = await t.client.submit('work')
    await t.settle()
    expect((await t.client.job(id)).error?.message).toBe('progress(50): the fraction done is a number from 0 to 1.')
  })

  // A promise: see docs/promises.md.
  test('and log lines are recorded in order, before the end', async () => {
    const t = await running((app) =>
      app.task('work', async (_, { progress, log }) => {
        progress(0.5)
        await log('half', { n: 1 })
        await log('more')
        progress(0.75)
      }),
    )
    const id = await t.client.submit('work')
    await t.settle()
    const reported = ['Progressed', 'Logged', 'Logged', 'Progressed']
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', ...reported, 'Completed'])
    expect(await dataOf(t, `task-${id}`, 'TaskLogged')).toMatchObject([
      { message: 'half', data: { n: 1 } },
      { message: 'more' },
    ])
  })

  test('and log lines are text, whatever they are made of', async () => {
    const t = await running((app) =>
      app.task('work', async (_, { progress, log }) => {
        await log(new RangeError('too far') as unknown as string)
        await log({ a: 1 } as unknown as string)
        progress(0.5, 7 as unknown as string)
      }),
    )
    const id = await t.client.submit('work')
    await t.settle()
    const said = (type: string) => dataOf(t, `task-${id}`, type).then((all) => all.map(({ message }) => message))
    expect(await said('TaskLogged')).toEqual(['RangeError: too far', '{"a":1}'])
    expect(await said('TaskProgressed')).toEqual(['7'])
  })

  test('and what is logged beside a line is kept, though it be no JSON', async () => {
    const odd: unknown[] = [{ error: new RangeError('too far') }, new Map([['a', 1n]])]
    const t = await running((app) =>
      app.task('work', async (_, { log }) => {
        for (const data of odd) await log('odd', data as JsonValue)
      }),
    )
    const id = await t.client.submit('work')
    await t.settle()
    expect((await dataOf(t, `task-${id}`, 'TaskLogged')).map(({ data }) => data)).toEqual([
      { error: { type: 'RangeError', message: 'too far' } },
      "Map(1) { 'a' => 1n }",
    ])
  })
})

describe('a stop', () => {
  test('waits for what runs, and leaves nothing on the clock', async () => {
    const t = await running((app, sleep) => app.task('work', () => sleep(5)))
    const id = await t.client.submit('work')
    await t.settle()
    expect(await t.stop(10)).toEqual({ clean: true })
    expect(t.clock.next).toBeUndefined()
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'Completed'])
  })

  // A promise: see docs/promises.md.
  test('interrupts what does not end in time; it runs again at the next start and uses up no retry', async () => {
    let starts = 0
    const t = await running((app, sleep) =>
      app.task('work', { retries: 1 }, async (_, { signal }) => {
        if (++starts === 1) await sleep('1h', { signal })
        if (starts === 2) throw new Error('no')
        return 'done'
      }),
    )
    const id = await t.client.submit('work')
    await t.settle()
    expect(await t.stop(10)).toEqual({ clean: false })
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'Interrupted'])
    await t.restart()
    await t.advance(60)
    // Its only retry was left for the failure.
    expect(await t.client.job(id)).toMatchObject({ status: 'completed', result: 'done', failures: 1, crashes: 0 })
  })

  test('begins nothing new', async () => {
    const blocker = gate()
    const t = await running((app) => app.task('work', () => blocker.opened), { concurrency: 1 })
    await t.client.submit('work')
    const waiting = await t.client.submit('work')
    const stopping = t.stop(10)
    blocker.open()
    await stopping
    expect(await storyOf(t, waiting)).toEqual(['Submitted'])
    await t.restart()
    expect((await t.client.job(waiting)).status).toBe('completed')
  })

  describe('while a start is on its way to the log', () => {
    async function stopping() {
      const blocker = gate()
      const recorded = gate()
      let began = false
      const t = await running(
        (app, sleep) => {
          app.task('first', () => blocker.opened)
          app.task('next', () => {
            began = true
            return sleep(5)
          })
        },
        {
          concurrency: 1,
          wrapStore: (store) =>
            withAppend(store, (append) => async (...of) => {
              const result = await append(...of)
              if (of[2][0]?.type === 'TaskStarted') await recorded.opened
              return result
            }),
        },
      )
      await t.client.submit('first')
      const next = await t.client.submit('next')
      blocker.open()
      await t.settle()
      return { t, next, recorded, began: () => began }
    }

    test('waits for what it starts', async () => {
      const { t, next, recorded } = await stopping()
      const stopped = t.stop(10)
      recorded.open()
      expect(await stopped).toEqual({ clean: true })
      expect(await storyOf(t, next)).toEqual(['Submitted', 'Started', 'Completed'])
    })

    test('in a hurry gives it back without beginning it, and it counts as no crash', async () => {
      const { t, next, recorded, began } = await stopping()
      const stopped = t.running.stop({ drainMs: 0 })
      await t.advance(0)
      recorded.open()
      expect(await stopped).toEqual({ clean: false })
      expect(began()).toBe(false)
      expect(await dataOf(t, `task-${next}`, 'TaskInterrupted')).toMatchObject([{ cause: 'drain' }])
      expect(await storyOf(t, next)).toEqual(['Submitted', 'Started', 'Interrupted'])
      t.crash()
    })
  })
})
