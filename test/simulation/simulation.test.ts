/** Five hundred seeds with every run of the tests; many more by `npm run simulate`. */
import { describe, expect, test } from 'vitest'
import { simulate } from './simulation.ts'

const SEEDS = 500
const AT_ONCE = 50
const LIMIT_MS = 120_000
/** Beyond the first five hundred: each has broken something once. */
const ONCE_BROKEN = [
  796, 1096, 2101, 2184, 2325, 4844, 5441, 10519, 10771, 10789, 10990, 11645, 13077, 14184, 7266, 16725, 18485, 19741,
]

describe('whatever happens, the promises hold', () => {
  for (let first = 1; first <= SEEDS; first += AT_ONCE) {
    // A promise: see docs/promises.md.
    test(`seeds ${first} to ${first + AT_ONCE - 1}`, { timeout: LIMIT_MS }, async () => {
      for (let seed = first; seed < first + AT_ONCE; seed++) {
        const { violations } = await simulate(seed)
        expect(violations, `npm run simulate -- --seed ${seed}`).toEqual([])
      }
    })
  }

  test('seeds that once broke something', { timeout: LIMIT_MS }, async () => {
    for (const seed of ONCE_BROKEN) {
      const { violations } = await simulate(seed)
      expect(violations, `npm run simulate -- --seed ${seed}`).toEqual([])
    }
  })
})

describe('a seed', () => {
  test('is the same history every time', { timeout: LIMIT_MS }, async () => {
    for (const seed of [1, 2, 3, 9, 50, 173]) {
      const { hash, events } = await simulate(seed)
      expect(events.length).toBeGreaterThan(10)
      expect((await simulate(seed)).hash, `seed ${seed}`).toBe(hash)
    }
  })

  test('is another history than its neighbour', { timeout: LIMIT_MS }, async () => {
    const hashes = new Set<string>()
    for (let seed = 1; seed <= 20; seed++) hashes.add((await simulate(seed)).hash)
    expect(hashes.size).toBe(20)
  })
})
