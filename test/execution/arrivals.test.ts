import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ManualClock } from '../../src/actors/index.ts'
import { Arrivals } from '../../src/execution/arrivals.ts'

/** Arrivals of a node with so many starts under way and so many recorded tasks that wait for a slot. */
function arrivals(startsUnderWay: number, ready = 0) {
  const clock = new ManualClock()
  const node = { startsUnderWay, ready }
  const all = new Arrivals({ clock, startsUnderWay: () => node.startsUnderWay, ready: () => node.ready })
  const told: string[] = []
  const wait = (name: string): void => {
    void all.wait().then((hasSlot) => told.push(`${name} ${hasSlot ? 'in' : 'away'}`))
  }
  /** The start of so many has its answer. */
  const settle = (starts: number): void => {
    node.startsUnderWay -= starts
    for (let i = 0; i < starts; i++) all.startSettled()
  }
  return { all, clock, node, settle, told, wait }
}

function slots(count: number): () => boolean {
  let left = count
  return () => left-- > 0
}

test('it is worth to wait while fewer are ahead than eight appends of the starts under way bring slots for', () => {
  expect(arrivals(0).all.isWorthIt).toBe(false)
  expect(arrivals(2, 15).all.isWorthIt).toBe(true)
  expect(arrivals(2, 16).all.isWorthIt).toBe(false)
  const { all, wait } = arrivals(1, 6)
  wait('a')
  expect(all.isWorthIt).toBe(true)
  wait('b')
  expect(all.isWorthIt).toBe(false)
})

test('as many are let in as there are slots, first come, first served', async () => {
  const { all, told, wait } = arrivals(1)
  for (const name of ['a', 'b', 'c']) wait(name)
  all.letIn(slots(2))
  await setImmediate()
  expect(told).toEqual(['a in', 'b in'])
  expect(all.size).toBe(1)
})

test('one that others overtake all the time waits for twice as many starts as could be ahead, and no longer', async () => {
  const { node, settle, told, wait } = arrivals(2)
  wait('a')
  for (let starts = 0; starts < 31; starts++) {
    node.startsUnderWay = 2
    settle(1)
    await setImmediate()
  }
  expect(told).toEqual([])
  settle(1)
  node.startsUnderWay = 2
  await setImmediate()
  expect(told).toEqual(['a away'])
})

test('once no start is under way, a handler has until the next turn of the loop to give its slot back', async () => {
  const { all, settle, told, wait } = arrivals(1)
  wait('first')
  settle(1)
  wait('second')
  expect(all.isWorthIt).toBe(true)
  await Promise.resolve()
  all.letIn(slots(1))
  await Promise.resolve()
  expect(told).toEqual(['first in'])
  await setImmediate()
  expect(told).toEqual(['first in', 'second away'])
  expect(all.isWorthIt).toBe(false)
})

test('those that wait are turned away when recorded tasks have come between', async () => {
  const { node, settle, told, wait } = arrivals(2)
  wait('a')
  settle(1)
  await setImmediate()
  expect(told).toEqual([])
  node.startsUnderWay = 2
  node.ready = 16
  settle(1)
  await setImmediate()
  expect(told).toEqual(['a away'])
})

test('they wait no longer than a second for a log that says nothing, and on for one that answers', async () => {
  const { clock, settle, told, wait } = arrivals(3)
  wait('a')
  await clock.advance(900)
  settle(1)
  await clock.advance(1000)
  expect(told).toEqual([])
  await clock.advance(100)
  expect(told).toEqual(['a away'])
  expect(clock.next).toBeUndefined()
})

test('nothing is left behind when all were let in', async () => {
  const { all, clock, wait } = arrivals(1)
  wait('a')
  all.letIn(slots(1))
  expect([all.size, clock.next]).toEqual([0, undefined])
})
