import { expect, test } from 'vitest'
import type { LockFact } from '../../src/events/index.ts'
import { LockHolders } from '../../src/execution/lock-holders.ts'

const acquired = (taskId: string) => ({ type: 'LockAcquired', data: { taskId } }) as LockFact
const takenOver = (to: string) => ({ type: 'LockTakenOver', data: { from: 'a', to } }) as LockFact
const released = (taskId: string) => ({ type: 'LockReleased', data: { taskId } }) as LockFact

test('follow who acquires, takes over and lets go, with the token of each', () => {
  const holders = new LockHolders()
  expect(holders.follow('l', 0n, acquired('a'))).toBe('a')
  expect([holders.isHeldBy('l', 'a'), holders.fenceOf('l')]).toEqual([true, '0'])
  expect(holders.follow('l', 4n, takenOver('b'))).toBe('b')
  expect([holders.isHeldBy('l', 'a'), holders.isHeldBy('l', 'b'), holders.fenceOf('l')]).toEqual([false, true, '4'])
  expect(holders.follow('l', 5n, released('b'))).toBeUndefined()
  expect(holders.fenceOf('l')).toBeUndefined()
})

test('a release by another than the holder changes nothing', () => {
  const holders = new LockHolders()
  holders.follow('l', 0n, acquired('a'))
  holders.follow('l', 1n, released('b'))
  expect(holders.isHeldBy('l', 'a')).toBe(true)
})
