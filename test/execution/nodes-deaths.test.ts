/** What a node leaves that dies, and who takes it up. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { settled } from '../../src/actors/index.ts'
import { Cluster, caller, cluster, first } from './cluster.ts'

describe('a node that dies', () => {
  // A promise: see docs/promises.md.
  test('work of a node that died runs again on another within ten seconds, and only then', async () => {
    const ran: number[] = []
    const c = await cluster(3, (app, node) =>
      app.task('work', () => {
        ran.push(node)
        return new Promise((resolve) => c.clock.after(60_000, () => resolve(node)))
      }),
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    expect(ran).toEqual([0])
    c.kill(0)
    await c.advance('5s')
    expect(ran).toEqual([0])
    await c.advance('5s')
    expect(ran).toHaveLength(2)
    const types = await c.types('task-')
    expect(types).toEqual(['TaskSubmitted', 'TaskStarted', 'TaskInterrupted', 'TaskStarted'])
    expect(first(c).nodes).toHaveLength(2)
  })

  test('a turn of a node that died is interrupted, and later messages go on', async () => {
    const answered: string[] = []
    const c = await cluster(2, (app, node) =>
      app.message(async (session, { text }) => {
        answered.push(`${node}:${text}`)
        if (text === 'hang') await new Promise(() => {})
        await session.reply(`heard ${text}`)
      }),
    )
    await first(c).sendMessage('talk', { text: 'hang', create: true }, caller)
    await c.advance('1s')
    const node = Number(answered[0]?.split(':')[0])
    c.kill(node)
    await c.advance('11s')
    await first(c).sendMessage('talk', { text: 'hello' }, caller)
    await c.advance('2s')
    const types = await c.types('session-')
    expect(types).toContain('TurnInterrupted')
    expect(types.at(-1)).toBe('TurnCompleted')
  })

  test('a lock whose holder died with its node goes to the next in line once the run has ended', async () => {
    const order: string[] = []
    const c = await cluster(2, (app, node) =>
      app.task('work', { lock: 'one', onLocked: 'queue' }, ({ n }: { n: number }) => {
        order.push(`${n}`)
        return n === 0 && node === 0 ? new Promise(() => {}) : null
      }),
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: { n: 0 } }, caller)
    await c.nodes[1]?.engine.submit({ name: 'work', params: { n: 1 } }, caller)
    await settled()
    c.kill(0)
    await c.advance('12s')
    expect(order).toEqual(['0', '0', '1'])
  })

  test('a waiter that is displaced before its submit is through is recorded, and cancelled', async () => {
    const c = await cluster(2, (app) => {
      app.task('held', { lock: 'one', onLocked: 'queue' }, () => new Promise(() => {}))
      app.task('newest', { lock: 'one', onLocked: 'replace' }, () => 'ran')
    })
    const [a, b] = c.nodes
    await b?.engine.submit({ name: 'held', params: {} }, caller)
    await settled()
    const cut = a?.leash.cutAt({ when: 'before', type: 'TaskSubmitted' })
    void a?.engine.submit({ name: 'held', params: {} }, caller)
    await cut
    const newest = await b?.engine.submit({ name: 'newest', params: {} }, caller)
    const queued = (await c.events('lock-')).find(({ type }) => type === 'LockQueued')
    const displaced = await c.events(`task-${queued?.data.taskId}`)
    expect(displaced.map(({ type }) => type)).toEqual(['TaskSubmitted', 'TaskCancelled'])
    await c.advance('20s')
    expect((await c.events(`task-${newest?.taskId}`)).at(-1)?.type).toBe('TaskCompleted')
  })

  test('what a node left between two streams is put right, though it died before it was heard of', async () => {
    const c = new Cluster((app) => app.task('work', { lock: 'one' }, () => 'done'))
    onTestFinished(async () => {
      for (const { leash } of c.nodes) leash.cut()
      await c.log.close()
    })
    const a = await c.add()
    await c.add()
    const cut = c.nodes[0]?.leash.cutAt({ when: 'before', type: 'TaskSubmitted' })
    void a.submit({ name: 'work', params: {} }, caller)
    await cut
    expect(await c.events('task-')).toEqual([])
    await c.advance('10s')
    expect((await c.events('task-')).at(-1)?.type).toBe('TaskCompleted')
    expect((await c.events('lock-')).at(-1)?.type).toBe('LockReleased')
  })

  test('what was taken up elsewhere while a node started is known to it: if that node dies, it runs again', async () => {
    const ran: number[] = []
    const c = await cluster(2, (app, node) =>
      app.task('work', () => {
        ran.push(node)
        return new Promise(() => {})
      }),
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    const held = Promise.withResolvers<void>()
    const starting = c.add({ settings: held.promise })
    await settled()
    c.kill(0)
    await c.advance('10s')
    expect(ran).toEqual([0, 1])
    held.resolve()
    await starting
    await c.advance('3s')
    c.kill(1)
    await c.advance('10s')
    expect(ran).toEqual([0, 1, 2])
  })

  test('a node that reads a stream ahead of what it has heard of the locks starts nothing past a lock', async () => {
    const ran: string[] = []
    const c = await cluster(1, (app) => {
      for (const name of ['first', 'second']) {
        app.task(name, { lock: 'one', onLocked: 'queue', retries: 0 }, () => {
          ran.push(name)
          return new Promise(() => {})
        })
      }
    })
    const held = await first(c).submit({ name: 'first', params: {} }, caller)
    await first(c).submit({ name: 'second', params: {} }, caller)
    await settled()
    // It knows nothing of the first but that it runs.
    const other = await c.add()
    await c.advance('3s')
    const heard = Promise.withResolvers<void>()
    c.deafFrom = { type: 'TaskInterrupted', until: heard.promise }
    c.kill(0)
    await c.advance('10s')
    await other.cancelJob(held.taskId, caller)
    await other.retryJob(held.taskId, caller)
    await c.advance('1s')
    expect(ran).toEqual(['first'])
    heard.resolve()
    await c.advance('3s')
    expect(ran).toEqual(['first', 'second'])
  })
})
