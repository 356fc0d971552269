/** An invariant that would not notice is worth nothing: each rule, switched off, is missed within 200 seeds. */
import { expect, test } from 'vitest'
import { MUTATIONS } from './mutations.ts'
import { simulate } from './simulation.ts'

const SEEDS = 200

for (const { name, install, from = 1, ...options } of MUTATIONS) {
  // A promise: see docs/promises.md.
  test(`is caught: ${name}`, { timeout: 120_000 }, async () => {
    const undo = install?.()
    try {
      expect(await triesUntilCaught(from, options)).toBeLessThanOrEqual(SEEDS)
    } finally {
      undo?.()
    }
  })
}

async function triesUntilCaught(from: number, options: Parameters<typeof simulate>[1]): Promise<number> {
  for (let tries = 1; tries <= SEEDS; tries++) {
    if ((await simulate(from + tries - 1, options)).violations.length > 0) return tries
  }
  return Number.POSITIVE_INFINITY
}
