/** Handlers that hold the event loop are named, and no others. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { LoopHeld, LoopWatch } from '../../src/execution/loop-watch.ts'
import { holdLoop } from '../hold-loop.ts'
import { eventually } from './running.ts'

function watching() {
  const reported: unknown[] = []
  const watch = new LoopWatch({ report: (error) => reported.push(error) })
  onTestFinished(() => watch.close())
  return { watch, reported }
}

describe('the watch on the event loop', { timeout: 30_000 }, () => {
  // A promise: see docs/promises.md.
  it('names the handler that held it before its first await, for certain', async () => {
    const { watch, reported } = watching()
    const idle = Promise.withResolvers<void>()
    const other = watch.run('Task other', () => idle.promise)
    await watch.run('Task crunch', async () => holdLoop(1_300))
    const [held] = await eventually('a report', () => (reported.length > 0 ? reported : undefined))
    expect(held).toBeInstanceOf(LoopHeld)
    expect(held).toMatchObject({ handlers: ['Task crunch'] })
    expect(String(held)).toMatch(/Task crunch held the event loop for \d+\.\d s: .*process: true/)
    idle.resolve()
    await other
  })

  it('names all that ran meanwhile when it was held later', async () => {
    const { watch, reported } = watching()
    const idle = Promise.withResolvers<void>()
    const other = watch.run('Task other', () => idle.promise)
    await watch.run('Task crunch', async () => {
      await sleep(1)
      holdLoop(1_300)
    })
    const [held] = await eventually('a report', () => (reported.length > 0 ? reported : undefined))
    expect(held).toMatchObject({ handlers: expect.arrayContaining(['Task crunch', 'Task other']) })
    expect(String(held)).toContain('One of ')
    idle.resolve()
    await other
  })

  it('says it once a minute', async () => {
    const { watch, reported } = watching()
    for (let run = 0; run < 2; run++) {
      await watch.run('Task crunch', async () => holdLoop(1_300))
      await sleep(150)
    }
    expect(reported).toHaveLength(1)
  })

  it('says nothing of a loop that no handler holds', async () => {
    const { watch, reported } = watching()
    holdLoop(1_300)
    await sleep(150)
    expect(await watch.run('Task quick', async () => 'done')).toBe('done')
    await sleep(150)
    expect(reported).toEqual([])
  })
})
