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

  test('is let go of before, if nobody wants it any more; the rest fires at its own time', async () => {
    const clock = new ManualClock(0)
    const fired: number[] = []
    const unwanted = new Set<number>()
    const wanted = (item: number) => !unwanted.has(item)
    const queue = new DueQueue<number>(clock, (items) => void fired.push(...items), { wanted })
    const kept = [7, 3, 5].map((day) => day * DAY)
    for (const at of kept) queue.push(at, at)
    for (let n = 1; n <= 20_000; n++) {
      queue.push(30 * DAY + n, n)
      unwanted.add(n)
    }
    expect(queue.size).toBeLessThan(3_000)
    await clock.advance(10 * DAY)
    expect(fired).toEqual(kept.toSorted((a, b) => a - b))
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

describe('when the date is set', () => {
  const HOUR = 3_600_000

  test('back: what was to wait so long waits no longer, new things come before it', async () => {
    const clock = new ManualClock(2 * HOUR)
    const { queue, fired } = queueOn(clock)
    queue.push(2 * HOUR + 1000, 1)
    clock.setDate(HOUR)
    queue.push(HOUR + 500, 2)
    await clock.advance(1000)
    expect(fired).toEqual([
      { item: 2, at: HOUR + 500 },
      { item: 1, at: HOUR + 1000 },
    ])
  })

  test('back: what is due by the date waits for it', async () => {
    const clock = new ManualClock(2 * HOUR)
    const fired: number[] = []
    const queue = new DueQueue<number>(clock, (items) => fired.push(...items), { byDate: true })
    queue.push(2 * HOUR + 1000, 1)
    clock.setDate(HOUR)
    await clock.advance(HOUR + 999)
    expect(fired).toEqual([])
    await clock.advance(1)
    expect(fired).toEqual([1])
  })

  test.each([true, false])('on: what is overdue by it is due at once (by date: %s)', async (byDate) => {
    const clock = new ManualClock(0)
    const fired: number[] = []
    const queue = new DueQueue<number>(clock, (items) => fired.push(...items), { byDate })
    queue.push(HOUR, 1)
    queue.push(3 * HOUR, 2)
    clock.setDate(2 * HOUR)
    queue.dateSet()
    await clock.advance(0)
    expect(fired).toEqual([1])
    await clock.advance(HOUR)
    expect(fired).toEqual([1, 2])
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

  test.each([-1, 1])('goes on as before when the date is set, by %i hours', (hours) => {
    vi.useFakeTimers({ now: DAY })
    const fired = vi.fn()
    systemClock.at(DAY + 1000, fired)
    vi.setSystemTime(DAY + hours * 3_600_000)
    vi.advanceTimersByTime(999)
    expect(fired).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(fired).toHaveBeenCalledOnce()
    systemClock.at(Date.now() + 60 * DAY, fired)
    vi.setSystemTime(DAY)
    vi.advanceTimersByTime(60 * DAY)
    expect(fired).toHaveBeenCalledTimes(2)
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
