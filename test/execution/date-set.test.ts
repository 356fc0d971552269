/** The date is set back an hour while work waits: what waits for time to pass goes on, what is due by the date waits for it. */
import { describe, expect, test } from 'vitest'
import { dataOf, running, storyOf } from './app.ts'

const HOUR = 3_600_000

describe('when the date is set back an hour', () => {
  test('a delayed task and a retry start when they would have, once', async () => {
    let failed = false
    const t = await running(
      (app) => {
        app.task('plain', () => 'done')
        app.task('flaky', { retries: 1, backoff: { base: '30s', max: '30s' } }, () => {
          if (failed) return 'done'
          failed = true
          throw new Error('the first attempt fails')
        })
      },
      { random: () => 0.5 },
    )
    const delayed = await t.client.submit('plain', {}, { delay: 10 })
    const flaky = await t.client.submit('flaky')
    await t.advance(5)
    t.clock.setDate(t.clock.now() - HOUR)
    await t.advance(4)
    expect((await t.client.job(delayed)).status).toBe('scheduled')
    await t.advance(7)
    expect(await storyOf(t, delayed)).toEqual(['Scheduled', 'Started', 'Completed'])
    expect(await storyOf(t, flaky)).toEqual(['Submitted', 'Started', 'RetryScheduled', 'Started', 'Completed'])
  })

  test('nobody starts a task before its time because of it', async () => {
    const t = await running((app) => app.task('plain', () => 'done'))
    t.clock.setDate(t.clock.now() - HOUR)
    const delayed = await t.client.submit('plain', {}, { delay: 10 })
    await t.advance(9)
    expect((await t.client.job(delayed)).status).toBe('scheduled')
    await t.advance(1)
    expect((await t.client.job(delayed)).status).toBe('completed')
  })

  test('an attempt has its timeout, no more and no less', async () => {
    const t = await running((app) => app.task('work', { timeout: 10, grace: 0 }, () => new Promise(() => {})))
    const id = await t.client.submit('work')
    await t.advance(5)
    t.clock.setDate(t.clock.now() - HOUR)
    await t.advance(4)
    expect((await t.client.job(id)).status).toBe('running')
    await t.advance(1)
    expect((await t.client.job(id)).status).toBe('timeout')
  })

  test('a rate limit opens again after its window', async () => {
    let ran = 0
    const t = await running((app) => app.task('work', { rateLimit: { limit: 2, per: '1s' } }, () => void ran++))
    for (let n = 0; n < 4; n++) await t.client.submit('work')
    await t.settle()
    t.clock.setDate(t.clock.now() - HOUR)
    await t.advance(2)
    expect(ran).toBe(4)
    for (let n = 0; n < 4; n++) await t.client.submit('work')
    await t.advance(3)
    expect(ran).toBe(8)
  })

  test('progress and a reply that is being written go on', async () => {
    const t = await running((app, sleep) =>
      app.task('teller', async (_, { session, progress }) => {
        await using writer = session?.streamReply()
        for (let step = 1; step <= 10; step++) {
          progress(step / 10)
          await writer?.write(`${step} `)
          await sleep(1)
        }
      }),
    )
    const { sessionId } = await t.running.createSession({ by: 'user:ada', ownerId: 'ada' })
    const id = await t.client.submit('teller', {}, { sessionId })
    await t.advance(2.5)
    t.clock.setDate(t.clock.now() - HOUR)
    await t.advance(5)
    expect((await dataOf(t, `task-${id}`, 'TaskProgressed')).length).toBeGreaterThanOrEqual(7)
    expect((await dataOf(t, `session-${sessionId}`, 'ReplyStreamed')).length).toBeGreaterThanOrEqual(7)
    await t.advance(5)
    expect((await t.client.job(id)).status).toBe('completed')
  })

  test('a task expires at the date that was said', async () => {
    const t = await running((app) => app.task('work', { expires: '1m', concurrency: 1 }, () => new Promise(() => {})))
    await t.client.submit('work')
    const waiting = await t.client.submit('work')
    await t.advance(30)
    t.clock.setDate(t.clock.now() - HOUR)
    await t.advance('60m')
    expect((await t.client.job(waiting)).status).toBe('pending')
    await t.advance(31)
    expect(await t.client.job(waiting)).toMatchObject({ status: 'failed', error: { type: 'Expired' } })
  })

  test('a schedule decides nothing again, and goes on when its next time comes', async () => {
    const t = await running((app) => app.schedule('tick', '0 * * * *', () => {}))
    const due = async () => (await dataOf(t, 'schedule-tick', 'OccurrenceDue')).map((data) => data.due)
    await t.advance('150m')
    const before = await due()
    expect(before).toHaveLength(2)
    t.clock.setDate(t.clock.now() - HOUR)
    await t.advance('89m')
    expect(await due()).toEqual(before)
    await t.advance('2m')
    expect(await due()).toHaveLength(3)
  })

  test('a schedule says when it goes on, and not the times that it has decided already', async () => {
    const t = await running((app) => app.schedule('tick', '0 * * * *', () => {}))
    await t.advance('150m')
    t.clock.setDate(t.clock.now() - HOUR)
    expect(t.running.scheduleInfo('tick')?.nextAt).toBe('2026-01-01T03:00:00.000Z')
    expect(t.running.upcoming('tick', 2)).toEqual(['2026-01-01T03:00:00.000Z', '2026-01-01T04:00:00.000Z'])
  })
})
