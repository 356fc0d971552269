import { describe, expect, test } from 'vitest'
import { gate, running, storyOf } from './app.ts'

describe('a task that expires', () => {
  // A promise: see docs/promises.md.
  test('fails as expired when it has not started in time; one that started does not', async () => {
    const blocker = gate()
    const t = await running((app) => app.task('work', { expires: '1m', concurrency: 1 }, () => blocker.opened))
    const first = await t.client.submit('work')
    const second = await t.client.submit('work')
    await t.advance('61s')
    expect(await t.client.job(second)).toMatchObject({ status: 'failed', error: { type: 'Expired' } })
    expect((await t.client.job(first)).status).toBe('running')
    blocker.open()
    await t.settle()
    expect((await t.client.job(first)).status).toBe('completed')
  })

  test('also after a restart, and one that nobody has a handler for', async () => {
    const t = await running((app) => app.task('work', { expires: '1m', concurrency: 1 }, () => new Promise(() => {})))
    await t.client.submit('work')
    const waiting = await t.client.submit('work')
    t.crash()
    await t.advance('2m')
    await t.restart()
    await t.advance('1s')
    expect(await t.client.job(waiting)).toMatchObject({ status: 'failed', error: { type: 'Expired' } })
  })
})

describe('an expired task that an operator runs again', () => {
  // A promise: see docs/promises.md.
  test('does not expire a second time, also over a restart', async () => {
    const blocker = gate()
    const t = await running((app) => app.task('work', { expires: '1m', concurrency: 1 }, () => blocker.opened))
    await t.client.submit('work')
    const expired = await t.client.submit('work')
    await t.advance('61s')
    expect((await t.client.job(expired)).status).toBe('failed')
    await t.client.retry(expired)
    t.crash()
    await t.restart()
    await t.advance('5s')
    expect((await t.client.job(expired)).status).not.toBe('failed')
    blocker.open()
    await t.advance('5s')
    expect((await t.client.job(expired)).status).toBe('completed')
    expect(await storyOf(t, expired)).toEqual(['Submitted', 'Failed', 'Requeued', 'Started', 'Completed'])
  })
})
