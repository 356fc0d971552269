/** A store that gives no answer for a while: nothing is lost, nothing is stuck, nothing runs unseen. */
import { describe, expect, test } from 'vitest'
import { StoreUnavailable } from '../../src/events/index.ts'
import { unavailable, withAppend } from '../actors/stores.ts'
import { running, storyOf } from './app.ts'

/** While down, appends are recorded or not, and never answered. */
function outage() {
  const state = { isDown: false, records: true }
  const wrapStore = (store: Parameters<typeof withAppend>[0]) =>
    withAppend(store, (append) => async (...of) => {
      if (!state.isDown) return append(...of)
      if (state.records) await append(...of)
      throw unavailable()
    })
  return { state, wrapStore }
}

describe('an outage', () => {
  // A promise: see docs/promises.md.
  test.each([true, false])(
    'while a task ends (its end recorded: %s): it ends once, when the store is back',
    async (records) => {
      const { state, wrapStore } = outage()
      const t = await running((app, sleep) => app.task('work', () => sleep(1)), { wrapStore })
      const id = await t.client.submit('work')
      Object.assign(state, { isDown: true, records })
      await t.advance('1h')
      state.isDown = false
      await t.advance(2)
      expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'Completed'])
    },
  )

  test.each([true, false])(
    'while one is claimed (the claim recorded: %s): it runs once, when the store is back',
    async (records) => {
      const { state, wrapStore } = outage()
      let ran = 0
      const t = await running((app) => app.task('work', () => void ran++), { wrapStore })
      const id = await t.client.submit('work', {}, { delay: 5 })
      Object.assign(state, { isDown: true, records })
      await t.advance('1h')
      expect(ran).toBe(0)
      state.isDown = false
      await t.advance(2)
      expect(await storyOf(t, id)).toEqual(['Scheduled', 'Started', 'Completed'])
      expect(ran).toBe(1)
    },
  )

  test('while one is submitted: who asked is told, and what was recorded all the same runs', async () => {
    const { state, wrapStore } = outage()
    let ran = 0
    const t = await running((app) => app.task('work', () => void ran++), { wrapStore })
    state.isDown = true
    const submitted = t.client.submit('work')
    submitted.catch(() => {})
    await t.advance(10)
    await expect(submitted).rejects.toThrow(StoreUnavailable)
    state.isDown = false
    await t.advance(10)
    const [job] = (await t.running.reads.jobs({})).items
    expect(job?.status).toBe('completed')
    expect(ran).toBe(1)
  })

  test('while one is submitted, of which the node hears in parts: what was recorded all the same runs', async () => {
    const { state, wrapStore } = outage()
    const [submission, start, answer] = [0, 1, 2].map(() => Promise.withResolvers<void>())
    let ran = 0
    const t = await running((app) => app.task('work', () => void ran++), {
      wrapStore: (whole) => {
        const store = wrapStore(whole)
        return {
          ...store,
          readStream: async (...of) => {
            if (of[0].startsWith('demo.task-') && !state.isDown) await answer?.promise
            return store.readStream(...of)
          },
          subscribe: (options, subscriber) =>
            store.subscribe(options, {
              ...subscriber,
              events: async (batch) => {
                for (const event of batch) {
                  if (event.type === 'TaskSubmitted') await submission?.promise
                  if (event.type === 'TaskStarted') await start?.promise
                  await subscriber.events([event])
                }
              },
            }),
        }
      },
    })
    state.isDown = true
    const submitted = t.client.submit('work')
    submitted.catch(() => {})
    await t.advance(10)
    await expect(submitted).rejects.toThrow(StoreUnavailable)
    state.isDown = false
    for (const next of [submission, start, answer]) {
      next?.resolve()
      await t.advance(1)
    }
    await t.advance(10)
    expect(ran).toBe(1)
    expect((await t.running.reads.jobs({})).items.map(({ status }) => status)).toEqual(['completed'])
  })

  test('while one is to run again under its lock: who asked is told, and it runs if the lock has recorded it', async () => {
    const { state, wrapStore } = outage()
    let runs = 0
    const t = await running(
      (app) =>
        app.task('work', { lock: 'one', retries: 0 }, () => {
          runs++
          throw new Error('broken')
        }),
      { wrapStore },
    )
    const id = await t.client.submit('work')
    await t.settle()
    state.isDown = true
    const retried = t.client.retry(id)
    retried.catch(() => {})
    await t.advance(10)
    await expect(retried).rejects.toThrow(StoreUnavailable)
    state.isDown = false
    await t.advance(10)
    expect(runs).toBe(2)
    expect((await t.events('lock-one')).at(-1)?.type).toBe('LockReleased')
  })

  test('while a command waits behind an end that has no answer: whoever gave it is told', async () => {
    const { state, wrapStore } = outage()
    const t = await running((app, sleep) => app.task('work', () => sleep(1)), { wrapStore })
    const id = await t.client.submit('work')
    await t.settle()
    Object.assign(state, { isDown: true, records: false })
    await t.advance(2)
    const cancelled = t.client.cancel(id)
    const told: unknown[] = []
    cancelled.catch((error) => told.push(error))
    await t.advance(4)
    expect(told).toEqual([])
    await t.advance(4)
    expect(told).toEqual([expect.any(StoreUnavailable)])
    state.isDown = false
    await t.advance(2)
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'Completed'])
  })

  test('while a handler says something: its attempt is interrupted, and that is no failure of the task', async () => {
    const { state, wrapStore } = outage()
    Object.assign(state, { records: false })
    const t = await running(
      (app, sleep) =>
        app.task('work', { retries: 0 }, async (_, { session }) => {
          await sleep(1)
          await session?.reply('here')
          return 'done'
        }),
      { wrapStore },
    )
    const { sessionId } = await t.running.createSession({ by: 'user:ada', ownerId: 'ada' })
    const id = await t.client.submit('work', {}, { sessionId })
    await t.settle()
    state.isDown = true
    await t.advance(30)
    state.isDown = false
    await t.advance(5)
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'Interrupted', 'Started', 'Completed'])
    expect(await t.client.job(id)).toMatchObject({ status: 'completed', failures: 0 })
  })

  test('while progress is reported: the attempt goes on', async () => {
    const { state, wrapStore } = outage()
    Object.assign(state, { records: false })
    const t = await running(
      (app, sleep) =>
        app.task('work', async (_, { progress }) => {
          progress(0.5)
          await sleep(60)
          return 'done'
        }),
      { wrapStore },
    )
    const id = await t.client.submit('work', {}, { delay: 1 })
    t.clock.at(t.clock.now() + 1000, () => {})
    await t.advance(1)
    state.isDown = true
    await t.advance(30)
    state.isDown = false
    await t.advance(60)
    expect(await t.client.job(id)).toMatchObject({ status: 'completed', result: 'done' })
  })

  test.each([
    { what: 'runs', seconds: 60 },
    { what: 'has ended, unrecorded', seconds: 2 },
  ])(
    'while the app is stopped, with work that $what: it stops all the same, and says that it was not clean',
    async ({ seconds }) => {
      const { state, wrapStore } = outage()
      Object.assign(state, { records: false })
      const t = await running((app, sleep) => app.task('work', () => sleep(seconds)), { wrapStore })
      await t.client.submit('work')
      await t.advance(1)
      state.isDown = true
      const stopped = t.running.stop({ drainMs: 10_000 })
      let outcome: unknown
      void stopped.then((how) => {
        outcome = how
      })
      await t.advance(9)
      expect(outcome).toBeUndefined()
      await t.advance(10)
      expect(outcome).toEqual({ clean: false })
      t.crash()
      t.problems.splice(0)
    },
  )

  test('while a schedule comes due: it is decided when the store is back, and goes on', async () => {
    const { state, wrapStore } = outage()
    let ran = 0
    const t = await running((app) => app.schedule('tick', '* * * * *', () => void ran++), { wrapStore })
    await t.advance('1m')
    Object.assign(state, { isDown: true, records: false })
    await t.advance('70s')
    state.isDown = false
    await t.advance('2m')
    expect(ran).toBeGreaterThanOrEqual(3)
    const due = (await t.events('schedule-tick')).filter(({ type }) => type === 'OccurrenceDue')
    expect(new Set(due.map(({ data }) => data.due)).size).toBe(due.length)
  })

  test('of reads, too, while a schedule comes due: it does not stop the schedule for good', async () => {
    let isDown = false
    let ran = 0
    const t = await running((app) => app.schedule('tick', '* * * * *', () => void ran++), {
      wrapStore: (store) => ({
        ...withAppend(store, (append) => append),
        readStream: async (...of) => {
          if (isDown) throw new StoreUnavailable('disk is gone', { retryable: false })
          return store.readStream(...of)
        },
        append: async (...of) => {
          if (isDown) throw new StoreUnavailable('disk is gone', { retryable: false })
          return store.append(...of)
        },
      }),
    })
    isDown = true
    await t.advance('1m')
    isDown = false
    await t.advance('2m')
    expect(ran).toBeGreaterThanOrEqual(2)
    t.problems.length = 0
  })
})
