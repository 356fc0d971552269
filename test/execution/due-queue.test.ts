import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ManualClock, systemClock } from '../../src/actors/index.ts'
import { DueQueue } from '../../src/execution/due-queue.ts'

const DAY = 86_400_000

function queueOn(clock: ManualClock) {
  const fired: { readonly item: number; readonly at: number }[] = []
  const queue = new DueQueue<number>(clock, (items) => {
    for (const item of items) fired.push({ item, at: clock.now() })
  })
  return { queue, fired }
}

describe('what is due', () => {
  test('fires at its own time, in order of time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(10_000), { minLength: 1, maxLength: 50 }), async (delays) => {
        const clock = new ManualClock(0)
        const { queue, fired } = queueOn(clock)
        for (const delay of delays) queue.push(delay, delay)
        await clock.advance(10_000, async () => {})
        expect(fired.map(({ item }) => item)).toEqual(delays.toSorted((a, b) => a - b))
        for (const { item, at } of fired) expect(at).toBe(item)
        expect(queue.size).toBe(0)
        expect(clock.next).toBeUndefined()
      }),
    )
  })

  test('in the past fires with the next turn of the clock', async () => {
    const clock = new ManualClock(1000)
    const { queue, fired } = queueOn(clock)
    queue.push(1, 1)
    await clock.advance(0)
    expect(fired).toEqual([{ item: 1, at: 1000 }])
  })

  test('may be further away than a timer reaches', async () => {
    const clock = new ManualClock(0)
    const { queue, fired } = queueOn(clock)
    queue.push(100 * DAY, 1)
    await clock.advance(100 * DAY - 1)
    expect(fired).toEqual([])
    await clock.advance(1)
    expect(fired).toHaveLength(1)
  })

  test('is not, once closed', async () => {
    const clock = new ManualClock(0)
    const { queue, fired } = queueOn(clock)
    queue.push(10, 1)
    queue.close()
    queue.push(20, 2)
    expect(clock.next).toBeUndefined()
    await clock.advance(100)
    expect(fired).toEqual([])
  })

  test('sooner than what is armed takes the timer over', async () => {
    const clock = new ManualClock(0)
    const { queue, fired } = queueOn(clock)
    queue.push(100, 2)
    queue.push(10, 1)
    await clock.advance(50)
    expect(fired).toEqual([{ item: 1, at: 10 }])
  })
})

describe('the system clock', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  test('waits for longer than 2^31 - 1 ms without firing early', () => {
    vi.useFakeTimers({ now: 0 })
    const fired = vi.fn()
    systemClock.at(60 * DAY, fired)
    vi.advanceTimersByTime(60 * DAY - 1)
    expect(fired).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(fired).toHaveBeenCalledOnce()
  })

  test('can be told to forget, also in a later leg of a long wait', () => {
    vi.useFakeTimers({ now: 0 })
    const fired = vi.fn()
    const timer = systemClock.at(60 * DAY, fired)
    vi.advanceTimersByTime(30 * DAY)
    timer.cancel()
    vi.advanceTimersByTime(60 * DAY)
    expect(fired).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })
})
