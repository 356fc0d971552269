import { describe, expect, test } from 'vitest'
import type { App } from '../../src/app/index.ts'
import { dataOf, declared, gate, running, statuses, storyOf } from './app.ts'

const LOCAL = { by: 'user:local', ownerId: 'local' } as const

/** Counts who runs at the same time, by any name. */
function meter() {
  const running = new Map<string, number>()
  const most = new Map<string, number>()
  return {
    most: (name: string) => most.get(name) ?? 0,
    async during(name: string, work: () => Promise<void>): Promise<void> {
      const now = (running.get(name) ?? 0) + 1
      running.set(name, now)
      most.set(name, Math.max(now, most.get(name) ?? 0))
      try {
        await work()
      } finally {
        running.set(name, (running.get(name) ?? 1) - 1)
      }
    },
  }
}

describe('a concurrency key that cannot be made', () => {
  const keyed = (app: App) => {
    app.task('work', { concurrencyKey: { key: 'user:{user_id}', limit: 1 } }, () => {})
  }

  test('refuses the submit, naming the field', async () => {
    const t = await running(keyed)
    await expect(t.client.submit('work', {})).rejects.toThrow(/user_id: must be text/)
    const many = t.running.submitMany('work', [{ params: { user_id: 'a' } }, { params: {} }], LOCAL)
    await expect(many).rejects.toThrow(/items\.1\.params\.user_id/)
    expect(await t.events()).toEqual([expect.objectContaining({ type: 'NodeStarted' })])
  })

  test('by newer code, of a task that waits, fails it with the reason', async () => {
    const t = await running((app) => {
      app.task('work', () => {})
    })
    const id = await t.client.submit('work', {}, { delay: 60 })
    await t.restart(declared(keyed))
    await t.advance(60)
    expect(await t.client.job(id)).toMatchObject({ status: 'failed', attempt: 0, error: { type: 'InvalidInput' } })
  })
})

describe('a concurrency key', () => {
  // The line of a key is let go of when nobody stands in it: whoever was just about to stood there for good.
  test('lets everybody pass, whenever they come', async () => {
    const t = await running((app) => {
      app.task('work', { concurrencyKey: { key: '{k}', limit: 1 } }, () => {})
    })
    const ids: string[] = []
    for (let later = 0; later < 60; later++) {
      const first = t.client.submit('work', { k: `${later}` })
      for (let turn = 0; turn < later; turn++) await Promise.resolve()
      ids.push(await t.client.submit('work', { k: `${later}` }), await first)
      await t.settle()
    }
    await t.advance(60)
    expect(await statuses(t, ids)).toEqual({ completed: 120 })
  })
})

describe('concurrency of a task', () => {
  // A promise: see docs/promises.md.
  test('so many run at once; the others follow in order, and all permits come back', async () => {
    const m = meter()
    const order: number[] = []
    const t = await running((app, sleep) =>
      app.task('work', { concurrency: 2 }, ({ n }: { n: number }) =>
        m.during('work', async () => {
          order.push(n)
          await sleep(1)
        }),
      ),
    )
    const ids = []
    for (let n = 0; n < 7; n++) ids.push(await t.client.submit('work', { n }))
    await t.settle()
    expect(await statuses(t, ids)).toEqual({ running: 2, pending: 5 })
    expect((await t.running.waitingFor(await t.client.job(ids[6] ?? ''))) ?? '').toContain('limits of work')
    await t.advance(10)
    expect(await statuses(t, ids)).toEqual({ completed: 7 })
    expect(m.most('work')).toBe(2)
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6])
    const types = (await t.events('limit-task:work')).map(({ type }) => type)
    expect(types.filter((type) => type === 'PermitTaken')).toHaveLength(7)
    expect(types.filter((type) => type === 'PermitReturned')).toHaveLength(7)
  })

  test('a task without limits is not held up by one at its limit', async () => {
    const blocker = gate()
    const t = await running((app) => {
      app.task('narrow', { concurrency: 1 }, () => blocker.opened)
      app.task('wide', () => 'done')
    })
    await t.client.submit('narrow')
    await t.client.submit('narrow')
    const wide = await t.client.submit('wide')
    await t.settle()
    expect((await t.client.job(wide)).status).toBe('completed')
    blocker.open()
    await t.settle()
  })

  test('the claim has the id that its permit names', async () => {
    const t = await running((app) => app.task('work', { concurrency: 1 }, () => null))
    const id = await t.client.submit('work')
    await t.settle()
    const started = (await t.events(`task-${id}`)).find(({ type }) => type === 'TaskStarted')
    expect(await dataOf(t, 'limit-task:work', 'PermitTaken')).toEqual([{ taskId: id, claim: started?.id }])
  })

  // A promise: see docs/promises.md.
  test('permits of a process that died are reclaimed', async () => {
    const m = meter()
    const t = await running((app, sleep) =>
      app.task('work', { concurrency: 2 }, () => m.during('work', () => sleep(5))),
    )
    const ids = await Promise.all(Array.from({ length: 5 }, () => t.client.submit('work')))
    await t.settle()
    t.crash()
    await t.restart()
    await t.advance('1m')
    expect(await statuses(t, ids)).toEqual({ completed: 5 })
    const reasons = (await dataOf(t, 'limit-task:work', 'PermitReturned')).map(({ reason }) => reason)
    expect(reasons).toContain('reclaimed')
  })

  test('permits of a process that died are reclaimed though nobody waits for them', async () => {
    const t = await running((app, sleep) => app.task('work', { rateLimit: { limit: 9, per: '1m' } }, () => sleep(5)))
    const id = await t.client.submit('work')
    await t.settle()
    t.crash()
    await t.restart()
    await t.advance(10)
    expect((await t.client.job(id)).status).toBe('completed')
    const types = (await t.events('limit-task:work')).map(({ type }) => type)
    expect(types.filter((type) => type === 'PermitTaken')).toHaveLength(2)
    expect(types.filter((type) => type === 'PermitReturned')).toHaveLength(2)
  })

  // A promise: see docs/promises.md.
  test('a permit taken before a crash and never claimed is reclaimed', async () => {
    const t = await running((app) => app.task('work', { concurrency: 1 }, () => 'done'))
    const crashed = t.crashAt('after', 'PermitTaken')
    const id = await t.client.submit('work')
    await crashed
    await t.restart()
    await t.advance('1m')
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'Completed'])
  })
})

describe('concurrency of a key', () => {
  // A promise: see docs/promises.md.
  test('each key has its own, and one at its limit does not hold up the others', async () => {
    const m = meter()
    const t = await running((app, sleep) =>
      app.task(
        'work',
        { concurrencyKey: { key: 'user:{user}', limit: 1 }, concurrency: 3 },
        ({ user }: { user: string }) => m.during('all', () => m.during(user, () => sleep(1))),
      ),
    )
    const ids = []
    for (const user of ['a', 'a', 'a', 'b', 'c', 'd', 'a']) ids.push(await t.client.submit('work', { user }))
    await t.settle()
    expect(await statuses(t, ids)).toEqual({ running: 3, pending: 4 })
    await t.advance(30)
    expect(await statuses(t, ids)).toEqual({ completed: 7 })
    expect(m.most('a')).toBe(1)
    expect(m.most('all')).toBe(3)
  })
})

describe('many lines', () => {
  // A promise: see docs/promises.md.
  test('of keys that wait for one limit go on as permits come back, and ask for little in vain', async () => {
    const t = await running((app, sleep) =>
      app.task('work', { concurrencyKey: { key: '{user}', limit: 1 }, concurrency: 3 }, ({ n }: { n: number }) =>
        n === 0 ? sleep(1) : undefined,
      ),
    )
    const ids = await Promise.all(
      Array.from({ length: 150 }, (_, n) => t.client.submit('work', { n, user: `${n % 75}` })),
    )
    // Everybody waits for somebody who hands on at once: no time passes.
    await t.settle()
    expect(await statuses(t, ids)).toEqual({ completed: 148, running: 1, pending: 1 })
    await t.advance(2)
    expect(await statuses(t, ids)).toEqual({ completed: 150 })
    const events = await t.events()
    const returns = events.filter(({ type }) => type === 'PermitReturned').map(({ data }) => data.reason)
    expect(returns.filter((reason) => reason !== 'ended').length).toBeLessThanOrEqual(15)
  })

  // A promise: see docs/promises.md.
  test.each([
    { long: { concurrency: 5 }, short: { concurrency: 5 } },
    { long: {}, short: { concurrency: 5 } },
    { long: { concurrency: 5 }, short: {} },
  ])('take turns for the slots of the node: $long before $short', async ({ long, short }) => {
    const order: string[] = []
    const t = await running(
      (app, sleep) => {
        for (const [name, limits] of Object.entries({ long, short })) {
          app.task(name, limits, async () => {
            order.push(name)
            await sleep(1)
          })
        }
      },
      { concurrency: 2 },
    )
    for (let n = 0; n < 20; n++) await t.client.submit('long')
    await t.client.submit('short')
    await t.advance(30)
    expect(order).toHaveLength(21)
    expect(order.indexOf('short')).toBeLessThan(8)
  })
})

describe('rate of a task', () => {
  // A promise: see docs/promises.md.
  test('no window has more starts than allowed, and none is wasted', async () => {
    const starts: number[] = []
    const t = await running((app) =>
      app.task('work', { rateLimit: { limit: 10, per: '1s' } }, () => void starts.push(t.clock.now())),
    )
    const begin = t.clock.now()
    const ids = await Promise.all(Array.from({ length: 55 }, () => t.client.submit('work')))
    await t.settle()
    expect(starts).toHaveLength(10)
    await t.advance('6s')
    expect(await statuses(t, ids)).toEqual({ completed: 55 })
    for (const at of starts) {
      expect(starts.filter((other) => other > at - 1000 && other <= at).length).toBeLessThanOrEqual(10)
    }
    expect(Math.max(...starts) - begin).toBeLessThanOrEqual(5_100)
  })

  // A promise: see docs/promises.md.
  test('the window is remembered over a restart', async () => {
    const starts: number[] = []
    const t = await running((app) =>
      app.task('work', { rateLimit: { limit: 2, per: '1m' } }, () => void starts.push(t.clock.now())),
    )
    await Promise.all(Array.from({ length: 4 }, () => t.client.submit('work')))
    await t.settle()
    expect(starts).toHaveLength(2)
    t.crash()
    await t.restart()
    await t.advance('30s')
    expect(starts).toHaveLength(2)
    await t.advance('40s')
    expect(starts).toHaveLength(4)
  })
})
