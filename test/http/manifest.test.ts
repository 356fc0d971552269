/** What a manifest tells of an app: all that was declared, in the words of the API, and nothing that is secret. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { createApp, type TaskOptions, ui } from '../../src/app/index.ts'
import { appManifest } from '../../src/http/manifest.ts'
import * as schemas from '../../src/http/schemas/index.ts'
import { taskInfo } from '../../src/http/task-info.ts'

const noop = () => {}

class Busy extends Error {}

it('has every option of a task, as it was declared', () => {
  const app = createApp({ name: 'shop' })
  app.task(
    'invoice',
    {
      description: 'Writes an invoice.',
      tags: ['money'],
      input: z.object({ order: z.string(), copies: z.number().default(1) }),
      retries: 2,
      backoff: { base: '2s', factor: 3, max: '1m' },
      retryFor: [Busy, (error) => error instanceof TypeError],
      timeout: '30s',
      grace: 1,
      retryOnTimeout: true,
      onInterrupt: 'fail',
      lock: 'invoice:{order}',
      onLocked: 'queue',
      process: { memory: '256mb' },
      priority: 5,
      concurrency: 10,
      concurrencyKey: { key: 'order:{order}', limit: 2 },
      rateLimit: { limit: 100, per: '1s' },
      expires: '1h',
      maxQueued: 1000,
      callbackUrl: 'https://books.example/done',
      onFailure: noop,
    } satisfies Required<TaskOptions> & { readonly input: z.ZodType },
    noop,
  )
  const [task] = appManifest(app, '1.2.0').tasks
  expect(task).toMatchObject({
    docstring: 'Writes an invoice.',
    signature: '(order: string, copies: number = 1)',
    tags: ['money'],
    schema: { properties: { order: { type: 'string' } }, required: ['order'], additionalProperties: false },
    retries: 2,
    backoff: { base_ms: 2000, factor: 3, max_ms: 60_000 },
    retry_for: ['Busy', null],
    timeout_ms: 30_000,
    grace_ms: 1000,
    retry_on_timeout: true,
    on_interrupt: 'fail',
    lock: { key: 'invoice:{order}', on_locked: 'queue' },
    process: { memory_bytes: 256 * 1024 ** 2 },
    priority: 5,
    concurrency: 10,
    concurrency_key: { key: 'order:{order}', limit: 2 },
    rate_limit: { limit: 100, per_ms: 1000 },
    expires_ms: 3_600_000,
    max_queued: 1000,
    callback_url: 'https://books.example/done',
    has_on_failure: true,
  })
})

it('says null for what a task does not say, and for a key that a function makes', () => {
  const app = createApp({ name: 'shop' })
  app.task('plain', noop)
  app.task('keyed', { lock: () => 'one', concurrencyKey: { key: () => 'one', limit: 1 } }, noop)
  const [keyed, plain] = appManifest(app, '1.2.0').tasks
  expect(keyed).toMatchObject({ lock: { key: null, on_locked: 'join' }, concurrency_key: { key: null, limit: 1 } })
  expect(plain).toMatchObject({ timeout_ms: null, lock: null, process: null, concurrency_key: null, rate_limit: null })
  expect(JSON.parse(JSON.stringify(plain))).toEqual(plain)
})

it('describes tasks, schedules and pages as the API does', () => {
  const app = createApp({ name: 'shop' })
  const input = z.object({ n: z.int() })
  app.task('count', { input }, noop)
  app.schedule('nightly', '0 3 * * *', { timezone: 'Europe/Berlin', missed: 'all', description: 'Counts all.' }, noop)
  app.page('Stock', { icon: 'boxes' }, () => ui.page([]))
  const { tasks, schedules, pages } = appManifest(app, '1.2.0')
  expect(tasks).toMatchObject([...app.tasks.values()].map(taskInfo))
  expect(tasks).toHaveLength(1)
  const [nightly] = schedules
  expect(nightly).toEqual({
    name: 'nightly',
    description: 'Counts all.',
    cron: '0 3 * * *',
    meaning: 'At 03:00',
    timezone: 'Europe/Berlin',
    overlap: 'skip',
    missed: 'all',
  })
  expect(Object.keys(schemas.schedule.shape)).toEqual(expect.arrayContaining(Object.keys(nightly ?? {})))
  expect(pages).toEqual([{ name: 'Stock', icon: 'boxes', slug: 'stock' }])
})

it('is the same wherever in the file tasks and schedules are declared; pages are in the order of the navigation', () => {
  const declared = (names: readonly string[]) => {
    const app = createApp({ name: 'shop' })
    for (const name of names) app.task(name, noop)
    for (const name of names) app.schedule(name, '@daily', noop)
    for (const name of ['Stock', 'Bills']) app.page(name, () => ui.page([]))
    return JSON.stringify(appManifest(app, '1.2.0'))
  }
  expect(declared(['b', 'a', 'c'])).toBe(declared(['a', 'b', 'c']))
  expect(JSON.parse(declared([])).pages).toMatchObject([{ name: 'Stock' }, { name: 'Bills' }])
})

it('tells whether the app answers messages, and no secret', () => {
  const app = createApp({ name: 'shop', concurrency: 8, allowPrivateCallbacks: true, callbackSecret: 'do not tell' })
  expect(appManifest(app, '1.2.0')).toMatchObject({
    name: 'shop',
    version: '1.2.0',
    concurrency: 8,
    allow_private_callbacks: true,
    has_chat: false,
  })
  app.message(noop)
  const manifest = appManifest(app, '1.2.0')
  expect(manifest.has_chat).toBe(true)
  expect(JSON.stringify(manifest)).not.toContain('do not tell')
})
