/** What several nodes of one app on one log share: the work, and what is said of it at any of them. */
import { describe, expect, test } from 'vitest'
import { settled } from '../../src/actors/index.ts'
import { caller, cluster, first } from './cluster.ts'

describe('several nodes on one log', () => {
  test('see each other, and run each task once between them', async () => {
    const ran: string[] = []
    const c = await cluster(3, (app, node) => app.task('work', ({ n }: { n: number }) => void ran.push(`${node}:${n}`)))
    for (const { engine } of c.nodes) expect(engine.nodes).toHaveLength(3)
    const engines = c.nodes.map(({ engine }) => engine)
    for (let n = 0; n < 30; n++) await engines[n % 3]?.submit({ name: 'work', params: { n } }, caller)
    await c.advance('2s')
    expect(ran).toHaveLength(30)
    expect(new Set(ran.map((run) => run.split(':')[1])).size).toBe(30)
  })

  test('work that waits is spread over them by preference, with few races', async () => {
    const ran = new Map<number, number>()
    const c = await cluster(3, (app, node) => app.task('work', () => void ran.set(node, (ran.get(node) ?? 0) + 1)))
    for (let n = 0; n < 90; n++) await first(c).submit({ name: 'work', params: { n }, delay: 5 }, caller)
    await c.advance('10s')
    expect([...ran.values()].reduce((sum, count) => sum + count, 0)).toBe(90)
    expect(ran.size).toBe(3)
    const started = (await c.events('task-')).filter(({ type }) => type === 'TaskStarted')
    expect(started).toHaveLength(90)
  })

  test('a node that left a task to another takes it for due no sooner than the other does', async () => {
    const starts: number[] = []
    const c = await cluster(2, (app) =>
      app.task('work', { retries: 1, backoff: { base: '20s', max: '20s' } }, ({ n }: { n: number }, { attempt }) => {
        starts[10 * n + attempt] = c.clock.now()
        if (attempt === 1) throw new Error('once')
      }),
    )
    for (let n = 0; n < 5; n++) await first(c).submit({ name: 'work', params: { n }, delay: 1 }, caller)
    await c.advance('30s')
    for (let n = 0; n < 5; n++) {
      const waited = (starts[10 * n + 2] ?? 0) - (starts[10 * n + 1] ?? 0)
      expect(waited).toBeGreaterThanOrEqual(10_000)
      expect(waited).toBeLessThan(11_000)
    }
  })

  // A promise: see docs/promises.md.
  test('a command given on one node is seen on all, and a repeat on another changes nothing', async () => {
    const c = await cluster(2, (app) => app.task('work', { timeout: '1h' }, () => new Promise(() => {})))
    const [a, b] = c.nodes.map(({ engine }) => engine)
    const { taskId } = (await a?.submit({ name: 'work', params: {} }, { ...caller, commandId: 'one' })) ?? {}
    const again = await b?.submit({ name: 'work', params: {} }, { ...caller, commandId: 'one' })
    expect(again?.taskId).toBe(taskId)
    await settled()
    for (const engine of [a, b]) await engine?.refreshJob(taskId ?? '', { ...caller, commandId: 'longer' })
    const extended = (await c.events('task-')).filter(({ type }) => type === 'TaskDeadlineExtended')
    expect(extended).toHaveLength(1)
    await b?.cancelJob(taskId ?? '', { ...caller, commandId: 'two' })
    await a?.cancelJob(taskId ?? '', { ...caller, commandId: 'two' })
    const requests = (await c.events('task-')).filter(({ type }) => type === 'TaskCancelRequested')
    expect(requests).toHaveLength(1)
    await c.advance('6s')
    expect(await c.types('task-')).toContain('TaskCancelled')
  })

  test.each([-300_000, 300_000])(
    'a refresh on a node whose date is another pushes the deadline out (by %i ms)',
    async (aheadMs) => {
      const c = await cluster(1, (app) =>
        app.task(
          'work',
          { timeout: '60s' },
          (_: object, { signal }) =>
            new Promise((_, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason))
            }),
        ),
      )
      const { taskId } = await first(c).submit({ name: 'work', params: {} }, caller)
      await settled()
      const other = await c.add({ aheadMs })
      await c.advance('30s')
      await other.refreshJob(taskId, caller)
      await c.advance('50s')
      expect((await first(c).reads.job(taskId))?.status).toBe('running')
      await c.advance('15s')
      expect((await first(c).reads.job(taskId))?.status).toBe('timeout')
    },
  )
})
