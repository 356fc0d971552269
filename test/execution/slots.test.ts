import { expect, test } from 'vitest'
import { Slots } from '../../src/execution/slots.ts'

function open(most: number): Slots {
  const slots = new Slots(most)
  slots.open()
  return slots
}

test('are given out up to the limit, and again once given back', () => {
  const slots = open(3)
  expect([slots.take(2), slots.take(2), slots.take(1)]).toEqual([2, 1, 0])
  slots.giveBack()
  expect([slots.take(5), slots.isIdle]).toEqual([1, false])
})

test('are not given out before they are open, nor once they are closed', () => {
  const slots = new Slots(3)
  expect(slots.take(1)).toBe(0)
  slots.open()
  expect(slots.take(1)).toBe(1)
  slots.close()
  expect([slots.take(1), slots.isOpen]).toEqual([0, false])
})

test('the one that is alone keeps all others back', () => {
  const slots = open(3)
  slots.takeAlone()
  expect(slots.take(1)).toBe(0)
  slots.endAlone()
  slots.giveBack()
  expect([slots.isIdle, slots.take(3)]).toEqual([true, 3])
})

test('whoever waits for one is told of the next that is given back', async () => {
  const slots = open(1)
  slots.take(1)
  const told: string[] = []
  const waiting = [slots.freed().then(() => told.push('a')), slots.freed().then(() => told.push('b'))]
  expect(told).toEqual([])
  slots.giveBack()
  await Promise.all(waiting)
  expect(told).toEqual(['a', 'b'])
})
