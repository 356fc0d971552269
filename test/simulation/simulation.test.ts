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

/** By seed: its history's hash when it was first lived through. */
const hashes = new Map<number, string>()

/** What broke, and the hash noted. */
async function live(seed: number): Promise<readonly string[]> {
  const { violations, hash } = await simulate(seed)
  hashes.set(seed, hash)
  return violations
}

/** Of a seed that may have been lived through already. */
async function hashOf(seed: number): Promise<string> {
  if (!hashes.has(seed)) await live(seed)
  return hashes.get(seed) ?? ''
}

describe('whatever happens, the promises hold', () => {
  for (let first = 1; first <= SEEDS; first += AT_ONCE) {
    // A promise: see docs/promises.md.
    test(`seeds ${first} to ${first + AT_ONCE - 1}`, { timeout: LIMIT_MS }, async () => {
      for (let seed = first; seed < first + AT_ONCE; seed++) {
        expect(await live(seed), `npm run simulate -- --seed ${seed}`).toEqual([])
      }
    })
  }

  test('seeds that once broke something', { timeout: LIMIT_MS }, async () => {
    for (const seed of ONCE_BROKEN) {
      expect(await live(seed), `npm run simulate -- --seed ${seed}`).toEqual([])
    }
  })
})

describe('a seed', () => {
  test('is the same history every time', { timeout: LIMIT_MS }, async () => {
    for (const seed of [1, 2, 3, 9, 50, 173]) {
      const before = await hashOf(seed)
      const { hash, events } = await simulate(seed)
      expect(events.length).toBeGreaterThan(10)
      expect(hash, `seed ${seed}`).toBe(before)
    }
  })

  test('is another history than its neighbour', { timeout: LIMIT_MS }, async () => {
    const different = new Set<string>()
    for (let seed = 1; seed <= 20; seed++) different.add(await hashOf(seed))
    expect(different.size).toBe(20)
  })
})
