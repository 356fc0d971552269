/** Limits are of the app and not of a node: permits are taken in one stream. */
import { describe, expect, test } from 'vitest'
import { caller, cluster } from './cluster.ts'

describe('limits over several nodes', () => {
  // A promise: see docs/promises.md.
  test('limits hold over all of them', async () => {
    let now = 0
    let most = 0
    const starts: number[] = []
    const c = await cluster(3, (app) => {
      app.task('narrow', { concurrency: 2 }, async () => {
        most = Math.max(most, ++now)
        await new Promise<void>((resolve) => c.clock.after(500, resolve))
        now--
      })
      app.task('slow', { rateLimit: { limit: 20, per: '1s' } }, () => void starts.push(c.clock.now()))
    })
    const engines = c.nodes.map(({ engine }) => engine)
    for (let n = 0; n < 12; n++) await engines[n % 3]?.submit({ name: 'narrow', params: {} }, caller)
    await c.advance('10s')
    expect(most).toBe(2)
    for (let n = 0; n < 90; n++) await engines[n % 3]?.submit({ name: 'slow', params: {} }, caller)
    await c.advance('8s')
    expect(starts).toHaveLength(90)
    for (const at of starts) {
      expect(starts.filter((other) => other > at - 1000 && other <= at).length).toBeLessThanOrEqual(22)
    }
  })

  test.each([
    { what: 'all at once', every: 0, takes: 0 },
    { what: 'all at once, and each takes its time', every: 0, takes: 150 },
    { what: 'somewhat more often than they may start', every: 8, takes: 0 },
    { what: 'somewhat more often than they may start, and each takes its time', every: 8, takes: 150 },
  ])('a rate is held and used by all of them: submitted $what', { timeout: 60_000 }, async ({ every, takes }) => {
    const starts: number[] = []
    const c = await cluster(3, (app) =>
      app.task('limited', { rateLimit: { limit: 100, per: '1s' } }, async () => {
        starts.push(c.clock.now())
        if (takes > 0) await new Promise<void>((resolve) => c.clock.after(takes, resolve))
      }),
    )
    const engines = c.nodes.map(({ engine }) => engine)
    for (let n = 0; n < 1_300; n++) {
      await engines[n % 3]?.submit({ name: 'limited', params: {} }, caller)
      if (every > 0) await c.clock.advance(every)
    }
    await c.advance('15s')
    expect(starts).toHaveLength(1_300)
    const begin = starts[0] ?? 0
    const ofWindow = (from: number, ms: number) => starts.filter((at) => at >= from && at < from + ms).length
    for (const at of starts) expect(ofWindow(at, 1_000)).toBeLessThanOrEqual(110)
    expect(ofWindow(begin, 10_000) / 10).toBeGreaterThanOrEqual(95)
    // Three nodes compete for each permit; that many wait must not mean that they ask the more.
    expect(c.looksAtLimits).toBeLessThanOrEqual(10 * starts.length)
  })

  test.each([-60_000, 60_000])('a limit holds though their dates are apart (by %i ms)', async (aheadMs) => {
    let now = 0
    let most = 0
    const c = await cluster(1, (app) =>
      app.task('narrow', { concurrency: 1 }, async () => {
        most = Math.max(most, ++now)
        await new Promise<void>((resolve) => c.clock.after(500, resolve))
        now--
      }),
    )
    await c.add({ aheadMs })
    await c.advance('3s')
    const claims = Promise.withResolvers<void>()
    c.slow = { type: 'TaskStarted', taken: 'late', until: claims.promise }
    for (const { engine } of c.nodes) await engine.submit({ name: 'narrow', params: {} }, caller)
    await c.advance('3s')
    claims.resolve()
    await c.advance('10s')
    expect(most).toBe(1)
    const returned = (await c.events('limit-')).filter(({ type }) => type === 'PermitReturned')
    expect(returned.map(({ data }) => data.reason)).toEqual(['ended', 'ended'])
  })
})
