/** An invariant that would not notice is worth nothing: each rule, switched off, is missed within 200 seeds. */
import { expect, test } from 'vitest'
import { MUTATIONS } from './mutations.ts'
import { simulate } from './simulation.ts'

const SEEDS = 200

for (const { name, install, ...options } of MUTATIONS) {
  // A promise: see docs/promises.md.
  test(`is caught: ${name}`, { timeout: 120_000 }, async () => {
    const undo = install?.()
    try {
      expect(await firstCaught(options)).toBeLessThanOrEqual(SEEDS)
    } finally {
      undo?.()
    }
  })
}

async function firstCaught(options: Parameters<typeof simulate>[1]): Promise<number> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    if ((await simulate(seed, options)).violations.length > 0) return seed
  }
  return Number.POSITIVE_INFINITY
}
