/** In the middle of a deploy: one node writes what the others cannot read. */
import { describe, expect, test } from 'vitest'
import { caller, cluster, first } from './cluster.ts'
import { writeAsNewer } from './newer.ts'

describe('a node of newer code on the same log', () => {
  test('writes what the others do not know: they say so once for each type, make nothing of it, and work', async () => {
    const c = await cluster(2, (app) => app.task('work', () => 'done'))
    for (const of of ['a', 'b']) {
      await writeAsNewer(c.log, `task-${of}`, 'TaskSubmitted', { of: 'another shape' })
      await writeAsNewer(c.log, `schedule-${of}`, 'OccurrenceDue', { at: 'noon' })
    }
    await c.advance('1s')
    const told = c.problems.splice(0)
    expect(told).toHaveLength(4) // by two nodes
    for (const problem of told) expect(problem).toMatch(/^following the log: .* has \w+ version 9, .* newer node/)
    const { taskId } = await first(c).submit({ name: 'work', params: {} }, caller)
    await c.advance('2s')
    expect(await first(c).waitForJob(taskId, 0)).toMatchObject({ status: 'completed' })
  })

  test('says something in a conversation: those who cannot read on ask no more for it', async () => {
    const answered: string[] = []
    const c = await cluster(1, (app) => app.message((_, { text }) => void answered.push(text)))
    await first(c).sendMessage('talk', { text: 'hello', create: true }, caller)
    await c.advance('1s')
    await writeAsNewer(c.log, 'session-talk', 'MessageReceived', { messageId: 'm2', text: 'and?' }, 1)
    await writeAsNewer(c.log, 'session-talk', 'SomethingNew')
    await c.advance('1s')
    expect(answered).toEqual(['hello'])
    expect(c.problems.splice(0).map((problem) => problem.split(':', 1)[0])).toEqual([
      'following the log',
      'answering in session talk',
    ])
  })

  test('ends a task as only newer code can: whoever waits for the end at another node is told', async () => {
    let resultOf = (_: string): Promise<unknown> => Promise.resolve()
    const c = await cluster(1, (app) => {
      const work = app.task('work', () => new Promise(() => {}))
      resultOf = (id) => work.handle(id).result()
    })
    const { taskId } = await first(c).submit({ name: 'work', params: {} }, caller)
    await c.advance('1s')
    const told = expect(resultOf(taskId)).rejects.toMatchObject({ code: 'written-by-newer-code' })
    await writeAsNewer(c.log, `task-${taskId}`, 'TaskCompleted', { in: 'another shape' })
    await told
    expect(c.problems.splice(0)).toHaveLength(1)
  })
})
