/** onFailure: after which ends it runs, with what, as what, and that no crash leaves it out. */
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { App, FailureContext } from '../../src/app/index.ts'
import type { TaskError } from '../../src/events/index.ts'
import { NonRetryableError } from '../../src/execution/index.ts'
import type { TestApp } from '../../src/testing/index.ts'
import { declared, running, storyOf } from './app.ts'

interface Seen {
  readonly input: unknown
  readonly error: TaskError
  readonly context: FailureContext
}

/** A task `work` that throws as often as told, and what its onFailure saw. */
function working(seen: Seen[], options: { readonly retries?: number; readonly throws?: () => boolean } = {}) {
  const { retries = 0, throws = () => true } = options
  const input = z.object({ order: z.string(), copies: z.number().default(1) })
  return (app: App) =>
    app.task(
      'work',
      {
        input,
        retries,
        priority: 7,
        onFailure: (given, error, context) => void seen.push({ input: given, error, context }),
      },
      async () => {
        if (throws()) throw new RangeError('too far')
      },
    )
}

/** The tasks that were submitted about failed runs. */
async function aftermath(t: TestApp) {
  const events = await t.events()
  return events
    .filter(({ type, data }) => type === 'TaskSubmitted' && String(data.name).endsWith('.on_failure'))
    .map(({ stream, data, metadata }) => ({ id: stream.slice('demo.task-'.length), data, metadata }))
}

describe('onFailure', () => {
  // A promise: see docs/promises.md.
  test('runs once the retries are used up, with the input and the error, as a task of its own', async () => {
    const seen: Seen[] = []
    const t = await running(working(seen, { retries: 1 }))
    const id = await t.client.submit('work', { order: 'A-7' }, { owner: 'ada' })
    await t.settle()
    expect(seen).toEqual([])
    await t.advance(1)
    expect(seen).toMatchObject([
      {
        input: { order: 'A-7', copies: 1 },
        error: { type: 'RangeError', message: 'too far' },
        context: { failed: { taskId: id, run: 1 }, attempt: 1, session: undefined },
      },
    ])
    const [about] = await aftermath(t)
    expect(about?.data).toMatchObject({
      name: 'work.on_failure',
      ownerId: 'ada',
      tags: ['on-failure'],
      priority: 7,
      retries: 3,
      failureOf: { taskId: id, run: 1 },
    })
    const end = (await t.events(`task-${id}`)).at(-1)
    expect(about?.metadata).toMatchObject({ causationId: end?.id, correlationId: end?.metadata.correlationId })
    expect(await t.client.job(about?.id ?? '')).toMatchObject({ status: 'completed' })
  })

  test.each([
    ['a timeout', { timeout: 1, grace: 0 }, 1],
    ['a success', {}, 0],
  ] as const)('after %s', async (what, options, times) => {
    let ran = 0
    const t = await running((app) => {
      app.task('work', { ...options, onFailure: () => ran++ }, () =>
        what === 'a success' ? undefined : new Promise<void>(() => {}),
      )
    })
    await t.client.submit('work')
    await t.advance(2)
    expect(ran).toBe(times)
  })

  // A promise: see docs/promises.md.
  test('does not run after a cancel', async () => {
    const seen: Seen[] = []
    const t = await running(working(seen))
    const id = await t.client.submit('work', { order: 'x' }, { delay: '1h' })
    await t.client.cancel(id)
    await t.settle()
    expect(await aftermath(t)).toEqual([])
  })

  test('replies in the conversation of the task', async () => {
    const t = await running((app) => {
      const work = app.task(
        'work',
        { onFailure: (_input, error, { session }) => session?.reply(`It failed: ${error.message}`) },
        async () => {
          throw new NonRetryableError('no such customer')
        },
      )
      app.message(async (session) => void (await work.submit({}, { session })))
    })
    await t.client.say('s1', 'go')
    await t.settle()
    expect(await t.client.replies('s1')).toEqual(['It failed: no such customer'])
  })

  test('that fails is retried three times, and then triggers nothing further', async () => {
    let tries = 0
    const t = await running((app) =>
      app.task('work', { onFailure: () => Promise.reject(new Error(`no ${++tries}`)) }, async () => {
        throw new Error('broken')
      }),
    )
    await t.client.submit('work')
    await t.advance('1h')
    expect(tries).toBe(4)
    const about = await aftermath(t)
    expect(about).toHaveLength(1)
    expect((await t.client.job(about[0]?.id ?? '')).status).toBe('failed')
  })

  test('is one for each run that failed', async () => {
    const seen: Seen[] = []
    const t = await running(working(seen))
    const id = await t.client.submit('work', { order: 'x' })
    await t.settle()
    await t.client.retry(id)
    await t.settle()
    expect(seen.map(({ context }) => context.failed)).toEqual([
      { taskId: id, run: 1 },
      { taskId: id, run: 2 },
    ])
  })

  test('gets the input as it was recorded when it no longer fits the code', async () => {
    const seen: unknown[] = []
    const withInput = (input: z.ZodType) => (app: App) =>
      void app.task('work', { input, onFailure: (given) => void seen.push(given) }, async () => {})
    const t = await running(withInput(z.object({ n: z.number() })))
    await t.client.submit('work', { n: 1 }, { delay: 60 })
    await t.restart(declared(withInput(z.object({ text: z.string() }))))
    await t.advance(60)
    expect(seen).toEqual([{ n: 1 }])
  })
})

describe('a process that dies', () => {
  test.each([
    ['once the failure is recorded', 'after', 'TaskFailed'],
    ['before the failure is recorded', 'before', 'TaskFailed'],
  ] as const)('%s: the handler runs after the restart, once', async (_when, when, type) => {
    const seen: Seen[] = []
    const t = await running(working(seen))
    const crashed = t.crashAt(when, type)
    void t.client.submit('work', { order: 'A-7' })
    await crashed
    expect(seen).toEqual([])
    await t.restart()
    await t.settle()
    expect(seen).toHaveLength(1)
    const [about] = await aftermath(t)
    expect(await storyOf(t, about?.id ?? '')).toEqual(['Submitted', 'Started', 'Completed'])
    await t.restart()
    await t.settle()
    expect(await aftermath(t)).toHaveLength(1)
  })

  test('while the handler runs: it runs again', async () => {
    let starts = 0
    const t = await running((app) =>
      app.task('work', { onFailure: () => (++starts === 1 ? new Promise(() => {}) : undefined) }, async () => {
        throw new Error('broken')
      }),
    )
    await t.client.submit('work')
    await t.settle()
    expect(starts).toBe(1)
    t.crash()
    await t.restart()
    await t.settle()
    expect(starts).toBe(2)
  })
})

test('a task about a failed run says what it waits for when the code no longer knows its handler', async () => {
  const t = await running((app) =>
    app.task('work', { onFailure: () => Promise.reject(new Error('later')) }, async () => {
      throw new Error('broken')
    }),
  )
  await t.client.submit('work')
  await t.settle()
  const [about] = await aftermath(t)
  expect(t.running.waitingFor(await t.client.job(about?.id ?? ''))).toBeUndefined()
  await t.restart(declared((app) => void app.task('work', async () => {})))
  expect(t.running.waitingFor(await t.client.job(about?.id ?? ''))).toBe('handler work.on_failure')
})
