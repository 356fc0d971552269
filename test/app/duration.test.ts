import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidInput } from '../../src/actors/index.ts'
import { parseDuration } from '../../src/app/index.ts'

describe('a duration', () => {
  test.each([
    [120, 120_000],
    [0, 0],
    [0.25, 250],
    ['120', 120_000],
    ['250ms', 250],
    ['30s', 30_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['1h 30m 5s', 5_405_000],
    ['1.5h', 5_400_000],
    [' 2d ', 172_800_000],
    ['1w', 604_800_000],
  ])('%j is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each(['', 'soon', '10 minutes', '-5s', 'm10', '10mm', '1h30', Number.NaN, Number.POSITIVE_INFINITY, -1])(
    '%j is none, and the error shows how to write one',
    (text) => {
      expect(() => parseDuration(text, 'delay')).toThrow(InvalidInput)
      expect(() => parseDuration(text, 'delay')).toThrow(/delay: write seconds as a number \(120\), or text with units/)
    },
  )

  test('in parts is their sum', () => {
    fc.assert(
      fc.property(fc.nat(99), fc.nat(99), fc.nat(99), (h, m, s) => {
        expect(parseDuration(`${h}h${m}m${s}s`)).toBe(((h * 60 + m) * 60 + s) * 1000)
      }),
    )
  })
})
