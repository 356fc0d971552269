import { describe, expect, test } from 'vitest'
import { type App, createApp } from '../../src/app/index.ts'
import { expectedHash, GENESIS } from '../../src/events/index.ts'
import { type TestApp, testApp } from '../../src/testing/index.ts'

const noop = () => {}

/** An app whose task sleeps for a minute of the test's clock. */
async function sleeper(declare: (app: App) => void = noop): Promise<TestApp> {
  const app = createApp({ name: 'demo' })
  let t: TestApp | undefined
  app.task('sleep', async (_, { signal }) => {
    await t?.sleep('1m', { signal })
    return t?.clock.now()
  })
  app.message((session, { text }) => session.reply(`re: ${text}`))
  declare(app)
  t = await testApp(app, { now: '2026-05-01T00:00:00Z' })
  return t
}

describe('time', () => {
  test('stands still until it is moved, and things happen at their own time on the way', async () => {
    await using t = await sleeper()
    const id = await t.client.submit('sleep')
    await t.settle()
    expect(t.clock.now()).toBe(Date.parse('2026-05-01T00:00:00Z'))
    await t.advance('1h')
    expect(await t.client.job(id)).toMatchObject({ status: 'completed', result: Date.parse('2026-05-01T00:01:00Z') })
    const [event] = await t.events(`task-${id}`)
    expect(event).toMatchObject({ recordedAt: Date.parse('2026-05-01T00:00:00Z') })
  })

  test('is slept through only as long as the signal allows', async () => {
    await using t = await sleeper()
    const controller = new AbortController()
    const slept = t.sleep(60, { signal: controller.signal })
    controller.abort(new Error('woken'))
    await expect(slept).rejects.toThrow('woken')
    await expect(t.sleep(60, { signal: controller.signal })).rejects.toThrow('woken')
    expect(t.clock.next).toBeUndefined()
  })
})

describe('events', () => {
  test('are at hand, all of them or of one stream', async () => {
    await using t = await sleeper()
    const id = await t.client.submit('sleep')
    await t.client.say('s', 'hi')
    await t.advance('1m')
    const all = (await t.events()).map(({ stream }) => stream.replace(/node-.*/, 'node'))
    expect(new Set(all)).toEqual(new Set(['demo.node', `demo.task-${id}`, 'demo.session-s']))
    expect((await t.events('session-s')).map(({ type }) => type)).toEqual([
      'SessionStarted',
      'MessageReceived',
      'TurnStarted',
      'Replied',
      'TurnCompleted',
    ])
    expect(await t.client.replies('s')).toEqual(['re: hi'])
    expect(await t.client.session('s')).toMatchObject({ ownerId: 'local' })
  })

  test('make a chain of hashes in every stream but the nodes’', async () => {
    await using t = await sleeper((app) => {
      app.schedule('tick', '* * * * *', noop)
      app.task('locked', { lock: 'k', onLocked: 'queue' }, noop)
    })
    for (const name of ['sleep', 'locked', 'locked']) await t.client.submit(name)
    await t.client.say('s', 'hi')
    await t.advance('3m')
    const hashes = new Map<string, string>()
    let checked = 0
    for (const event of await t.events()) {
      if (event.stream.startsWith('demo.node-')) continue
      const hash = expectedHash(hashes.get(event.stream) ?? GENESIS, event)
      expect(event.metadata.hash, `${event.stream} ${event.revision}`).toBe(hash)
      hashes.set(event.stream, hash)
      checked++
    }
    expect(checked).toBeGreaterThan(20)
  })
})

describe('a crash', () => {
  test('ends everything: nothing more is recorded, answered or fired', async () => {
    const t = await sleeper()
    await t.client.submit('sleep')
    await t.settle()
    let answered = false
    const { running } = t
    t.crash()
    const before = (await t.events()).length
    void running.submit({ name: 'sleep', params: {} }, { by: 'user:local', ownerId: 'local' }).finally(() => {
      answered = true
    })
    await t.advance('1h')
    expect((await t.events()).length).toBe(before)
    expect(answered).toBe(false)
    expect(() => t.running).toThrow('Call restart() first')
    expect(() => t.crash()).toThrow('crashed already')
    await t.restart()
    await t.advance('1m')
    expect(await t.running.reads.countJobs({ status: ['completed'] })).toBe(1)
    await t.stop()
  })

  test('may come just before or after an event of some type', async () => {
    for (const when of ['before', 'after'] as const) {
      const t = await sleeper()
      const crashed = t.crashAt(when, 'TaskSubmitted')
      void t.client.submit('sleep')
      await crashed
      const types = (await t.events()).map(({ type }) => type)
      expect(types).toEqual(when === 'before' ? ['NodeStarted'] : ['NodeStarted', 'TaskSubmitted', 'TaskStarted'])
      await t.stop()
    }
  })
})

describe('a stop', () => {
  test('says whether all work came to its own end', async () => {
    const t = await sleeper()
    await t.client.submit('sleep')
    await t.settle()
    expect(await t.stop('2m')).toEqual({ clean: true })
    await t.restart()
    await t.client.submit('sleep')
    await t.settle()
    expect(await t.stop(1)).toEqual({ clean: false })
    expect(await t.stop()).toEqual({ clean: true })
  })

  test('fails on what went wrong that nobody waited for', async () => {
    const t = await sleeper((app) => {
      const retryFor = [
        () => {
          throw new TypeError('bad rule')
        },
      ]
      app.task('fails', { retryFor }, () => {
        throw new Error('no')
      })
    })
    await t.client.submit('fails')
    await t.settle()
    expect(t.problems).toMatchObject([{ error: { message: 'bad rule' } }])
    await expect(t.stop()).rejects.toThrow(/The app reported: .*retryFor.*bad rule/)
    await t.stop()
  })
})
