/** A claim may be shown by the log, cancelled or taken back before whoever asked for it is answered. */
import { describe, expect, test } from 'vitest'
import { caller, cluster, first } from './cluster.ts'

describe('a claim that is answered late', () => {
  test('a cancel reaches the attempt whose claim has no answer yet', async () => {
    const c = await cluster(2, (app) =>
      app.task(
        'work',
        (_: object, { signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason))
          }),
      ),
    )
    const answers = Promise.withResolvers<void>()
    c.slow = { type: 'TaskStarted', taken: 'at once', until: answers.promise }
    const { taskId } = await first(c).submit({ name: 'work', params: {}, delay: 1 }, caller)
    await c.advance('2s')
    const started = (await c.events(`task-${taskId}`)).find(({ type }) => type === 'TaskStarted')
    await c.nodes.find(({ engine }) => engine.nodeId !== started?.data.node)?.engine.cancelJob(taskId, caller)
    await c.advance('1s')
    answers.resolve()
    await c.advance('10s')
    expect((await first(c).reads.job(taskId))?.status).toBe('cancelled')
  })

  test('a claim that others have interrupted by when it is answered does not run, and the task does', async () => {
    const ran: string[] = []
    const c = await cluster(2, (app, node) => {
      if (node === 0) app.task('work', (_: object, { attempt }) => void ran.push(`attempt ${attempt}`))
    })
    const answers = Promise.withResolvers<void>()
    c.slow = { type: 'TaskStarted', taken: 'at once', until: answers.promise }
    const { taskId } = await first(c).submit({ name: 'work', params: {}, delay: 1 }, caller)
    await c.advance('2s')
    c.nodes[0]?.sleeper.sleep()
    await c.advance('15s')
    c.nodes[0]?.sleeper.wake()
    await c.advance('1s')
    expect((await c.events(`task-${taskId}`)).at(-1)?.type).toBe('TaskInterrupted')
    answers.resolve()
    await c.advance('1s')
    expect(ran).toEqual(['attempt 2'])
    expect((await first(c).reads.job(taskId))?.status).toBe('completed')
  })

  test('a claim that comes too late for a task whose node has died meanwhile leaves it to the next claim', async () => {
    const ran: number[] = []
    const c = await cluster(3, (app, node) => {
      // The third one only sees to what the dead leave.
      if (node === 2) return
      app.task('work', () => {
        ran.push(node)
        return ran.length === 1 ? new Promise(() => {}) : 'done'
      })
    })
    const late = Promise.withResolvers<void>()
    c.slow = {
      type: 'TaskStarted',
      taken: 'late',
      // Only for the first that asks.
      get until() {
        c.slow = undefined
        return late.promise
      },
    }
    const { taskId } = await first(c).submit({ name: 'work', params: {}, delay: 1 }, caller)
    await c.advance('2s')
    c.kill(ran[0] ?? 0)
    await c.advance('15s')
    expect((await c.events(`task-${taskId}`)).at(-1)?.type).toBe('TaskInterrupted')
    late.resolve()
    await c.advance('1s')
    expect(ran).toHaveLength(2)
    expect((await first(c).reads.job(taskId))?.status).toBe('completed')
  })

  test('a turn that others have interrupted by when its claim is answered is not answered, and the next one is', async () => {
    const answered: string[] = []
    const c = await cluster(2, (app, node) => {
      if (node === 0) app.message((_, { text }) => void answered.push(text))
    })
    const answers = Promise.withResolvers<void>()
    c.slow = { type: 'TurnStarted', taken: 'at once', until: answers.promise }
    await first(c).sendMessage('talk', { text: 'one', create: true }, caller)
    await c.advance('1s')
    c.nodes[0]?.sleeper.sleep()
    await c.advance('15s')
    c.nodes[0]?.sleeper.wake()
    await c.advance('1s')
    expect((await c.events('session-talk')).at(-1)?.type).toBe('TurnInterrupted')
    answers.resolve()
    await c.advance('1s')
    await first(c).sendMessage('talk', { text: 'two' }, caller)
    await c.advance('1s')
    expect(answered).toEqual(['two'])
  })
})
