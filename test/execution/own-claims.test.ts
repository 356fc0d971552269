import { expect, test } from 'vitest'
import { OwnClaims } from '../../src/execution/own-claims.ts'

test('a claim that the log shows and nothing here runs was lost', () => {
  expect(new OwnClaims().shown('t1', 'c1')).toBe(false)
})

test('one that is answered before the log shows it is known once', () => {
  const claims = new OwnClaims()
  claims.begin('t1')
  claims.settle('t1')
  claims.runsUnseen('c1')
  expect([claims.shown('t1', 'c1'), claims.shown('t1', 'c1')]).toEqual([true, false])
})

test('one that the log shows first is left until its append is answered', () => {
  const claims = new OwnClaims()
  claims.begin('t1')
  expect(claims.shown('t1', 'c1')).toBe(true)
  claims.cancelOnceAnswered('c1')
  claims.settle('t1')
  expect([claims.takeCancelled('c1'), claims.takeCancelled('c1'), claims.isUnderWay('t1')]).toEqual([
    true,
    false,
    false,
  ])
})

test('what the log says of a task while its start is under way is known once that is answered', () => {
  const claims = new OwnClaims()
  expect(claims.holdBack('t1')).toBe(false)
  claims.begin('t1')
  claims.shown('t1', 'c1')
  expect([claims.holdBack('t1'), claims.settle('t1'), claims.holdBack('t1')]).toEqual([
    true,
    { shown: 'c1', waits: true },
    false,
  ])
})
