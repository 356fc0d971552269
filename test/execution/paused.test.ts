import { describe, expect, test } from 'vitest'
import { running, statuses } from './app.ts'

const LOCAL = { by: 'user:local', ownerId: 'local' } as const

describe('a paused task', () => {
  test('that is resumed starts as many as its rate allows, however often that was done', async () => {
    const starts: number[] = []
    const t = await running((app) =>
      app.task('work', { rateLimit: { limit: 2, per: '10s' } }, () => void starts.push(t.clock.now())),
    )
    const began = t.clock.now()
    for (let n = 0; n < 6; n++) await t.client.submit('work')
    await t.settle()
    for (let again = 0; again < 3; again++) {
      await t.running.pauseTask('work', LOCAL)
      await t.settle()
      await t.running.resumeTask('work', LOCAL)
      await t.settle()
    }
    await t.advance(25)
    expect(starts.map((at) => Math.round((at - began) / 10_000))).toEqual([0, 0, 1, 1, 2, 2])
    // Nothing is held for one that was asked for twice.
    expect(await t.stop(0)).toEqual({ clean: true })
  })

  const caller = { by: 'user:ops', ownerId: 'ops' } as const

  // A promise: see docs/promises.md.
  test('starts no more, says so, survives a restart, and goes on in order when resumed', async () => {
    const order: number[] = []
    const t = await running((app) => app.task('work', ({ n }: { n: number }) => void order.push(n)))
    await t.running.pauseTask('work', caller)
    const ids = []
    for (let n = 0; n < 3; n++) ids.push(await t.client.submit('work', { n }))
    await t.settle()
    expect(await statuses(t, ids)).toEqual({ pending: 3 })
    expect(t.running.waitingFor(await t.client.job(ids[0] ?? ''))).toBe('an operator to resume work')
    t.crash()
    await t.restart()
    await t.settle()
    expect(order).toEqual([])
    expect(t.running.isPaused('work')).toBe(true)
    await t.running.resumeTask('work', caller)
    await t.settle()
    expect(order).toEqual([0, 1, 2])
    expect((await t.events('setting-task:work')).map(({ metadata }) => metadata.by)).toEqual(['user:ops', 'user:ops'])
  })

  test('can be cancelled while it waits', async () => {
    const t = await running((app) => app.task('work', () => null))
    await t.running.pauseTask('work', caller)
    const id = await t.client.submit('work')
    await t.client.cancel(id)
    expect((await t.client.job(id)).status).toBe('cancelled')
  })
})
