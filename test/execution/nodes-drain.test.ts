/** A node that stops in peace hands over what it has, and takes nothing up. */
import { describe, expect, test } from 'vitest'
import { settled } from '../../src/actors/index.ts'
import { caller, cluster, first } from './cluster.ts'

describe('a node that drains', () => {
  // A promise: see docs/promises.md.
  test('a drained node hands over at once and counts as no crash', async () => {
    const ran: number[] = []
    const c = await cluster(2, (app, node) =>
      app.task('work', () => {
        ran.push(node)
        return node === 0 ? new Promise(() => {}) : 'done'
      }),
    )
    await c.nodes[0]?.engine.submit({ name: 'work', params: {} }, caller)
    await settled()
    const stopping = c.nodes[0]?.engine.stop({ drainMs: 0 })
    await c.advance('1s')
    await stopping
    await c.advance('1s')
    expect(ran).toEqual([0, 1])
    const interrupted = (await c.events('task-')).find(({ type }) => type === 'TaskInterrupted')
    expect(interrupted?.data.cause).toBe('drain')
  })

  test('a node that drains while another dies takes up no conversation', async () => {
    const answered: string[] = []
    const c = await cluster(2, (app, node) => {
      app.task('long', () => new Promise<void>((resolve) => c.clock.after(60_000, resolve)))
      app.message((_, { text }) => void answered.push(`${node} ${text}`))
    })
    await c.nodes[0]?.engine.submit({ name: 'long', params: {} }, caller)
    await settled()
    const stopped = c.nodes[0]?.engine.stop({ drainMs: 30_000 })
    await c.advance('1s')
    c.kill(1)
    await c.nodes[0]?.engine.sendMessage('talk', { text: 'hello', create: true }, caller).catch(() => {})
    await c.advance('15s')
    expect(answered).toEqual([])
    await c.advance('30s')
    await stopped
  })

  test('a node that joins while another drains leaves it no work', async () => {
    const c = await cluster(1, (app) => {
      app.task('long', () => new Promise<void>((resolve) => c.clock.after(60_000, resolve)))
    })
    await first(c).submit({ name: 'long', params: {} }, caller)
    await settled()
    const stopped = first(c).stop({ drainMs: 30_000 })
    await c.advance('1s')
    const newer = await c.add()
    await c.advance('5s')
    expect(newer.nodes).toEqual([newer.nodeId])
    await c.advance('30s')
    await stopped
  })
})
