/** callbackUrl: who is told what, when, how often, and what is recorded of it; over real HTTP on a clock that is moved. */
import { createHmac } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type App, createApp } from '../../src/app/index.ts'
import type { EventStore } from '../../src/events/index.ts'
import { signCallback } from '../../src/execution/callback-signature.ts'
import { NonRetryableError, verifyCallback } from '../../src/execution/index.ts'
import * as schemas from '../../src/http/schemas/index.ts'
import { type TestApp, type TestOptions, testApp } from '../../src/testing/index.ts'
import { dataOf, gate } from './app.ts'
import { receiver, until } from './receiver.ts'

const SECRET = 'a secret of the app'

async function calling(
  declare: (app: App) => void,
  options: { readonly secret?: string; readonly test?: TestOptions } = {},
): Promise<TestApp> {
  const { secret } = options
  const app = createApp({
    name: 'demo',
    allowPrivateCallbacks: true,
    ...(secret === undefined ? {} : { callbackSecret: secret }),
  })
  declare(app)
  const t = await testApp(app, options.test)
  onTestFinished(async () => {
    await t.stop(0)
  })
  return t
}

async function settled(t: TestApp, id: string, type: 'CallbackDelivered' | 'CallbackFailed', count = 1) {
  await until(async () => (await dataOf(t, `task-${id}`, type)).length === count)
  return dataOf(t, `task-${id}`, type)
}

const work = (app: App) => void app.task('work', async () => ({ ok: true }))

test('a signature that was made with an empty secret is nobody’s', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  expect(verifyCallback('', '{}', signCallback('', '{}', now / 1000), { now })).toBe(false)
})

describe('a callback', () => {
  // A promise: see docs/promises.md.
  test('posts the final job, as the API shows it, and records the answer', async () => {
    const hook = await receiver()
    const t = await calling(work)
    const id = await t.client.submit('work', { n: 1 }, { callbackUrl: hook.url })
    expect(await settled(t, id, 'CallbackDelivered')).toEqual([{ run: 1, url: hook.url, status: 204, tries: 1 }])
    expect(hook.received).toHaveLength(1)
    const [{ job, headers } = never()] = hook.received
    expect(schemas.job.parse(job)).toMatchObject({
      id,
      task_name: 'work',
      status: 'completed',
      params: { n: 1 },
      result: { ok: true },
      allowed_actions: ['delete'],
    })
    const end = (await t.events(`task-${id}`)).find(({ type }) => type === 'TaskCompleted')
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-capsule-event': end?.id })
    expect(headers).not.toHaveProperty('x-capsule-signature')
  })

  // A promise: see docs/promises.md.
  test('is signed over time and body when the app has a secret', async () => {
    const hook = await receiver()
    const t = await calling(work, { secret: SECRET })
    const id = await t.client.submit('work', { name: 'Zoë' }, { callbackUrl: hook.url })
    await settled(t, id, 'CallbackDelivered')
    const [{ headers, body } = never()] = hook.received
    const seconds = t.clock.now() / 1000
    const mac = createHmac('sha256', SECRET).update(`${seconds}.${body}`).digest('hex')
    expect(headers['x-capsule-signature']).toBe(`t=${seconds},v1=${mac}`)

    const signature = String(headers['x-capsule-signature'])
    const now = t.clock.now()
    expect(verifyCallback(SECRET, body, signature, { now })).toBe(true)
    expect(verifyCallback('another secret', body, signature, { now })).toBe(false)
    expect(verifyCallback(SECRET, `${body} `, signature, { now })).toBe(false)
    expect(verifyCallback(SECRET, body, signature, { now: now + 301_000 })).toBe(false)
    for (const broken of [undefined, null, '', 'v1=', `t=${seconds}`, `t=${seconds},v1=ab`]) {
      expect(verifyCallback(SECRET, body, broken, { now })).toBe(false)
    }
  })

  test.each([
    ['failed', (app: App) => app.task('work', () => Promise.reject(new NonRetryableError('no')))],
    ['timeout', (app: App) => app.task('work', { timeout: 1, grace: 0 }, () => new Promise<void>(() => {}))],
    ['cancelled', (app: App) => app.task('work', { timeout: '1h' }, async () => {})],
  ] as const)('tells of a run that ended as %s', async (status, declare) => {
    const hook = await receiver()
    const t = await calling((app) => void declare(app))
    const id = await t.client.submit('work', {}, { callbackUrl: hook.url, delay: 1 })
    if (status === 'cancelled') await t.client.cancel(id)
    await t.advance(2)
    await settled(t, id, 'CallbackDelivered')
    expect(hook.received.map(({ job }) => job.status)).toEqual([status])
  })

  test('goes where the task says, unless the submit says otherwise', async () => {
    const [ofTask, ofSubmit] = [await receiver(), await receiver()]
    const t = await calling((app) => app.task('work', { callbackUrl: ofTask.url }, async () => {}))
    const first = await t.client.submit('work')
    await settled(t, first, 'CallbackDelivered')
    const second = await t.client.submit('work', {}, { callbackUrl: ofSubmit.url })
    await settled(t, second, 'CallbackDelivered')
    expect(ofTask.received.map(({ job }) => job.id)).toEqual([first])
    expect(ofSubmit.received.map(({ job }) => job.id)).toEqual([second])
  })

  test('is one for each run', async () => {
    const hook = await receiver()
    let broken = true
    const t = await calling((app) =>
      app.task('work', async () => {
        if (broken) throw new Error('broken')
      }),
    )
    const id = await t.client.submit('work', {}, { callbackUrl: hook.url })
    await settled(t, id, 'CallbackDelivered')
    broken = false
    await t.client.retry(id)
    expect(await settled(t, id, 'CallbackDelivered', 2)).toMatchObject([{ run: 1 }, { run: 2 }])
    expect(hook.received.map(({ job }) => job.status)).toEqual(['failed', 'completed'])
    expect(new Set(hook.received.map(({ headers }) => headers['x-capsule-event'])).size).toBe(2)
  })
})

describe('a receiver that does not take it', () => {
  // A promise: see docs/promises.md.
  test('is asked again after longer and longer pauses, with the same event, until it does', async () => {
    const hook = await receiver()
    hook.answers.push({ status: 500 }, { status: 404 }, { status: 302, headers: { location: hook.url } })
    const t = await calling(work)
    const id = await t.client.submit('work', {}, { callbackUrl: hook.url })
    for (const pause of [1_000, 5_000, 30_000]) {
      const due = t.clock.now() + pause
      await until(() => t.clock.next === due)
      await t.clock.advance(pause)
    }
    expect(await settled(t, id, 'CallbackDelivered')).toEqual([{ run: 1, url: hook.url, status: 204, tries: 4 }])
    expect(hook.received).toHaveLength(4)
    expect(new Set(hook.received.map(({ headers }) => headers['x-capsule-event'])).size).toBe(1)
  })

  test('is given up after seven tries', async () => {
    const hook = await receiver()
    for (let n = 0; n < 7; n++) hook.answers.push({ status: 503, body: 'x'.repeat(200_000) })
    const t = await calling(work)
    const id = await t.client.submit('work', {}, { callbackUrl: hook.url })
    for (const pause of [1, 5, 30, 120, 600, 3600]) {
      const due = t.clock.now() + pause * 1000
      await until(() => t.clock.next === due)
      await t.clock.advance(pause * 1000)
    }
    expect(await settled(t, id, 'CallbackFailed')).toEqual([
      { run: 1, url: hook.url, tries: 7, reason: 'the answer was 503' },
    ])
    expect(hook.received).toHaveLength(7)
  })

  test('has ten seconds to answer', async () => {
    const hook = await receiver()
    hook.answers.push('never')
    const t = await calling(work)
    const id = await t.client.submit('work', {}, { callbackUrl: hook.url })
    await until(() => hook.received.length === 1)
    await t.advance(10)
    await until(() => t.clock.next === t.clock.now() + 1000)
    await t.advance(1)
    expect(await settled(t, id, 'CallbackDelivered')).toMatchObject([{ tries: 2 }])
  })

  test('that wants to speak something else has not answered', async () => {
    const hook = await receiver()
    hook.answers.push({ status: 101, headers: { connection: 'Upgrade', upgrade: 'nothing' } })
    const t = await calling(work)
    const id = await t.client.submit('work', {}, { callbackUrl: hook.url })
    await until(() => t.clock.next === t.clock.now() + 1000)
    await t.advance(1)
    expect(await settled(t, id, 'CallbackDelivered')).toMatchObject([{ tries: 2 }])
  })

  test('holds up no other receiver', async () => {
    const [deaf, hook] = [await receiver(), await receiver()]
    for (let n = 0; n < 10; n++) deaf.answers.push('never')
    const t = await calling(work)
    for (let n = 0; n < 10; n++) await t.client.submit('work', {}, { callbackUrl: deaf.url })
    const id = await t.client.submit('work', {}, { callbackUrl: hook.url })
    await settled(t, id, 'CallbackDelivered')
    await until(() => deaf.received.length === 4)
    expect(deaf.received).toHaveLength(4)
  })
})

describe('a process that dies', () => {
  // A promise: see docs/promises.md.
  test('before the POST: the next one tells it', async () => {
    const hook = await receiver()
    const t = await calling(work)
    const crashed = t.crashAt('after', 'TaskCompleted')
    void t.client.submit('work', {}, { callbackUrl: hook.url })
    await crashed
    expect(hook.received).toEqual([])
    await t.restart()
    const [id = never()] = (await t.events()).filter(({ type }) => type === 'TaskSubmitted').map(taskOf)
    await settled(t, id, 'CallbackDelivered')
    expect(hook.received.map(({ job }) => [job.id, job.status])).toEqual([[id, 'completed']])
  })

  test('between the POST and its record: the next one tells it again, with the same event', async () => {
    const hook = await receiver()
    const t = await calling(work)
    const crashed = t.crashAt('before', 'CallbackDelivered')
    const id = await t.client.submit('work', {}, { callbackUrl: hook.url })
    await crashed
    await t.restart()
    await settled(t, id, 'CallbackDelivered')
    expect(hook.received).toHaveLength(2)
    expect(new Set(hook.received.map(({ headers }) => headers['x-capsule-event'])).size).toBe(1)
  })

  test('after the record: nobody is told again', async () => {
    const hook = await receiver()
    const t = await calling(work)
    const crashed = t.crashAt('after', 'CallbackDelivered')
    await t.client.submit('work', {}, { callbackUrl: hook.url })
    await crashed
    await t.restart()
    const other = await t.client.submit('work', {}, { callbackUrl: hook.url })
    await settled(t, other, 'CallbackDelivered')
    expect(hook.received).toHaveLength(2)
  })

  test('while the task runs: the run that follows tells it', async () => {
    const hook = await receiver()
    const first = gate()
    const t = await calling((app) => app.task('work', () => first.opened))
    const id = await t.client.submit('work', {}, { callbackUrl: hook.url })
    await t.settle()
    t.crash()
    first.open()
    await t.restart()
    await settled(t, id, 'CallbackDelivered')
    expect(hook.received.map(({ job }) => job.attempt)).toEqual([2])
  })

  test('after a requeue: the first run is told of as it ended', async () => {
    const hook = await receiver()
    const blocker = gate()
    let runs = 0
    const t = await calling((app) =>
      app.task('work', async () => {
        if (++runs === 1) throw new Error('broken')
        await blocker.opened
      }),
    )
    hook.answers.push({ status: 500 })
    const id = await t.client.submit('work', {}, { callbackUrl: hook.url })
    await until(() => t.clock.next === t.clock.now() + 1000)
    await t.client.retry(id)
    await t.settle()
    t.crash()
    await t.restart()
    await settled(t, id, 'CallbackDelivered')
    blocker.open()
    await settled(t, id, 'CallbackDelivered', 2)
    expect(hook.received.map(({ job }) => job.status)).toEqual(['failed', 'failed', 'completed'])
  })
})

test('a log that cannot be read for a while delays a callback, and uses up no try', async () => {
  const hook = await receiver()
  let broken = false
  const wrapStore = (store: EventStore): EventStore => ({
    append: (...args) => store.append(...args),
    readStream: (...args) => (broken ? Promise.reject(new Error('a bad disk')) : store.readStream(...args)),
    readAll: (...args) => store.readAll(...args),
    subscribe: (...args) => store.subscribe(...args),
    head: () => store.head(),
    deleteStream: (...args) => store.deleteStream(...args),
    capStream: (...args) => store.capStream(...args),
    close: () => store.close(),
  })
  const t = await calling(work, { test: { wrapStore } })
  broken = true
  const id = await t.client.submit('work', {}, { callbackUrl: hook.url })
  await t.settle()
  expect(t.problems.splice(0)).toMatchObject([{ error: { message: 'a bad disk' } }])
  broken = false
  await t.advance(30)
  expect(await settled(t, id, 'CallbackDelivered')).toMatchObject([{ tries: 1 }])
})

test('stopping waits for a callback that is under way', async () => {
  const hook = await receiver()
  const t = await calling(work)
  const id = await t.client.submit('work', {}, { callbackUrl: hook.url })
  await until(() => hook.received.length === 1)
  expect(await t.stop()).toEqual({ clean: true })
  expect(await dataOf(t, `task-${id}`, 'CallbackDelivered')).toHaveLength(1)
})

function never(): never {
  throw new Error('there is none')
}

function taskOf({ stream }: { readonly stream: string }): string {
  return stream.slice('demo.task-'.length)
}
