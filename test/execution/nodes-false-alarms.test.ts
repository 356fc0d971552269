/** Sleep, outages and clocks make a node look dead that is not: its work stays its own, or it is fenced in time. */
import { describe, expect, test } from 'vitest'
import { settled } from '../../src/actors/index.ts'
import { caller, cluster, first } from './cluster.ts'

describe('false alarms', () => {
  // A promise: see docs/promises.md.
  test('a node that slept does not take the others for dead, and is fenced before it writes anything', async () => {
    const outcomes: string[] = []
    const c = await cluster(3, (app, node) =>
      app.task('work', async (_: object, { signal }) => {
        outcomes.push(`${node} starts`)
        signal.addEventListener('abort', () => outcomes.push(`${node} is told ${(signal.reason as Error).name}`))
        await new Promise<void>((resolve) => c.clock.after(40_000, resolve))
        return node
      }),
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    c.nodes[0]?.sleeper.sleep()
    await c.advance('20s')
    expect(outcomes.filter((outcome) => outcome.endsWith('starts'))).toHaveLength(2)
    c.nodes[0]?.sleeper.wake()
    // It heard nothing while it slept; that is no sign of death in the others, not for a moment.
    for (let look = 0; look < 30; look++) {
      expect(c.nodes[0]?.engine.nodes).toHaveLength(3)
      await c.advance('100ms')
    }
    await c.advance('57s')
    expect(outcomes).toContain('0 is told AttemptFenced')
    const types = await c.types('task-')
    expect(types.filter((type) => type === 'TaskCompleted')).toHaveLength(1)
    expect(types.filter((type) => type === 'TaskInterrupted')).toHaveLength(1)
    for (const { engine } of c.nodes) expect(engine.nodes).toHaveLength(3)
  })

  // A promise: see docs/promises.md.
  test.each([
    { what: 'before it has looked around', release: 'asleep' },
    { what: 'as soon as it may', release: 'awake' },
  ])('a node that slept says nothing and submits nothing in the name of what it lost: $what', async ({ release }) => {
    const held = Promise.withResolvers<void>()
    const outcomes: string[] = []
    const c = await cluster(2, (app, node) => {
      app.message(async () => {})
      const other = app.task('other', () => null)
      app.task('work', async (_: object, { session, attempt }) => {
        if (attempt === 1) await held.promise
        for (const act of [() => session?.reply(`from ${node}`), () => other.submit({})]) {
          await Promise.resolve(act()).then(
            () => outcomes.push(`${node} did`),
            (error) => outcomes.push(`${node} ${error.name}`),
          )
        }
      })
    })
    const { sessionId } = (await c.nodes[0]?.engine.createSession(caller)) ?? {}
    await c.nodes[0]?.engine.submit({ name: 'work', params: {}, ...(sessionId ? { sessionId } : {}) }, caller)
    await settled()
    c.nodes[0]?.sleeper.sleep()
    await c.advance('20s')
    expect(outcomes).toEqual(['1 did', '1 did'])
    if (release === 'asleep') held.resolve()
    await settled()
    c.nodes[0]?.sleeper.wake()
    held.resolve()
    await c.advance('5s')
    expect(outcomes.slice(2)).toEqual(['0 AttemptFenced', '0 AttemptFenced'])
    expect((await c.events('session-')).filter(({ type }) => type === 'Replied')).toHaveLength(1)
    expect((await c.events('task-')).filter(({ type }) => type === 'TaskSubmitted')).toHaveLength(2)
  })

  test('a turn of a node that slept is told that others have interrupted it', async () => {
    const outcomes: string[] = []
    const c = await cluster(2, (app, node) =>
      app.message(async (_, { text }, { signal }) => {
        outcomes.push(`${node} ${text}`)
        if (text === 'hang') await new Promise((resolve) => signal.addEventListener('abort', resolve))
        outcomes.push(`${node} ${signal.aborted ? signal.reason.name : 'done'}`)
      }),
    )
    await first(c).sendMessage('talk', { text: 'hang', create: true }, caller)
    await c.advance('1s')
    const node = Number(outcomes[0]?.split(' ')[0])
    c.nodes[node]?.sleeper.sleep()
    await c.advance('20s')
    c.nodes[node]?.sleeper.wake()
    await c.advance('5s')
    expect(outcomes).toEqual([`${node} hang`, `${node} AttemptFenced`])
  })

  // A promise: see docs/promises.md.
  test.each([
    { what: 'before it has looked around', release: 'asleep' },
    { what: 'as soon as it may', release: 'awake' },
  ])('a node that slept submits nothing in the name of a turn that it lost: $what', async ({ release }) => {
    const held = Promise.withResolvers<void>()
    const outcomes: string[] = []
    const c = await cluster(2, (app, node) => {
      const other = app.task('other', () => null)
      app.message(async () => {
        await held.promise
        await other.submit({}).then(
          () => outcomes.push(`${node} did`),
          (error) => outcomes.push(`${node} ${error.name}`),
        )
      })
    })
    await first(c).sendMessage('talk', { text: 'hello', create: true }, caller)
    await c.advance('1s')
    const claimed = (await c.events('session-')).find(({ type }) => type === 'TurnStarted')
    const slept = c.nodes.findIndex(({ engine }) => engine.nodeId === claimed?.data.node)
    c.nodes[slept]?.sleeper.sleep()
    await c.advance('20s')
    if (release === 'asleep') held.resolve()
    await settled()
    c.nodes[slept]?.sleeper.wake()
    held.resolve()
    await c.advance('5s')
    expect(outcomes).toEqual([`${slept} AttemptFenced`])
    expect((await c.events('task-')).filter(({ type }) => type === 'TaskSubmitted')).toHaveLength(0)
  })

  test('what a node writes that slept past the limit is refused and shown, though it writes before it looks', async () => {
    const heard: string[] = []
    const c = await cluster(2, (app, node) =>
      app.task('work', async (_: object, { log }) => {
        if (node !== 0) return 'done elsewhere'
        await asleep.promise
        await c.nodes[0]?.sleeper.awake()
        await log('info', 'still here').catch((error: Error) => heard.push(error.name))
        return 'done late'
      }),
    )
    const asleep = Promise.withResolvers<void>()
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    c.nodes[0]?.sleeper.sleep()
    asleep.resolve()
    await c.advance('15s')
    c.nodes[0]?.sleeper.wake()
    await c.advance('10s')
    expect(heard).toEqual(['AttemptFenced'])
    const events = await c.events('task-')
    expect(events.filter(({ type }) => type === 'TaskCompleted').map(({ data }) => data.result)).toEqual([
      'done elsewhere',
    ])
    const refused = events.filter(({ type }) => type === 'TaskWriteRefused')
    expect(refused.map(({ metadata }) => metadata.by)).toContain(`node:${c.nodes[0]?.engine.nodeId}`)
    expect(refused.map(({ data }) => data.tried)).toContain('log')
  })

  test('a node whose loop is held for long keeps its work when it announces itself from elsewhere', async () => {
    const ran: number[] = []
    const c = await cluster(
      2,
      (app, node) =>
        app.task('work', async () => {
          ran.push(node)
          await new Promise<void>((resolve) => c.clock.after(40_000, resolve))
          return node
        }),
      { announcesApart: true },
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    c.nodes[0]?.sleeper.sleep()
    await c.advance('20s')
    expect(c.nodes[1]?.engine.nodes).toHaveLength(2)
    const lags = (await c.events('node-')).map(({ data }) => Number(data.loopLagMs ?? 0))
    expect(Math.max(...lags)).toBeGreaterThan(15_000)
    c.nodes[0]?.sleeper.wake()
    await c.advance('1m')
    expect(ran).toEqual([0])
    expect(await c.types('task-')).toEqual(['TaskSubmitted', 'TaskStarted', 'TaskCompleted'])
  })

  // A promise: see docs/promises.md.
  test('while the log does not answer, nobody is taken for dead', async () => {
    const ran: number[] = []
    const c = await cluster(2, (app, node) =>
      app.task('work', () => {
        ran.push(node)
        return new Promise(() => {})
      }),
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    c.hangs = true
    await c.advance('30s')
    c.hangs = false
    await c.advance('30s')
    expect(ran).toEqual([0])
    expect(await c.types('task-')).toEqual(['TaskSubmitted', 'TaskStarted'])
  })

  test('while the log is down for 30 s, nobody is taken for dead, and what ended meanwhile has ended once', async () => {
    const ran: number[] = []
    const c = await cluster(3, (app, node) =>
      app.task('work', async ({ s }: { s: number }) => {
        ran.push(node)
        await new Promise<void>((resolve) => c.clock.after(s * 1000, resolve))
      }),
    )
    for (const [node, s] of [20, 50].entries()) {
      await c.nodes[node]?.engine.submit({ name: 'work', params: { s } }, caller)
    }
    await settled()
    c.down()
    await c.advance('30s')
    c.up()
    await c.advance('30s')
    expect(ran).toEqual([0, 1])
    for (const { engine } of c.nodes) expect(engine.nodes).toHaveLength(3)
    const types = (await c.events('task-')).map(({ type }) => type.slice(4)).toSorted()
    expect(types).toEqual(['Completed', 'Completed', 'Started', 'Started', 'Submitted', 'Submitted'])
    expect(c.problems.splice(0).filter((problem) => !problem.includes('StoreUnavailable'))).toEqual([])
  })

  // A promise: see docs/promises.md.
  test('a clock set back an hour kills nobody and holds up no one', async () => {
    const c = await cluster(2, (app) => {
      app.task('work', () => 'done')
      app.task('long', () => new Promise<void>((resolve) => c.clock.after(15_000, resolve)))
    })
    const both = [first(c), c.nodes[1]?.engine ?? first(c)]
    const long = await Promise.all(both.map((engine) => engine.submit({ name: 'long', params: {} }, caller)))
    await settled()
    c.clock.setDate(c.clock.now() - 3_600_000)
    await c.advance('20s')
    for (const { engine } of c.nodes) expect(engine.nodes).toHaveLength(2)
    for (const { taskId } of long) {
      const types = await c.types(`task-${taskId}`)
      expect(types).toEqual(['TaskSubmitted', 'TaskStarted', 'TaskCompleted'])
    }
    const { taskId } = await first(c).submit({ name: 'work', params: {} }, caller)
    await c.advance('2s')
    expect(await first(c).waitForJob(taskId, 0)).toMatchObject({ status: 'completed' })
  })
})
