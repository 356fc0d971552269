/** Chance that can be repeated: everything random in a simulation is drawn from its seed. */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
    // Neighbouring seeds must not begin alike.
    for (let i = 0; i < 4; i++) this.next()
  }

  /** 0 ≤ next() < 1. Source: T. Ettinger, "mulberry32", public domain. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A source of its own, so that more draws in one part do not change what happens in another. */
  fork(): Random {
    return new Random(Math.floor(this.next() * 2 ** 32))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  /** @throws RangeError for an empty list */
  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.next() * items.length)]
    if (item === undefined) throw new RangeError('Nothing to pick from')
    return item
  }

  /** One of the entries, as often as its weight says. */
  weighted<T>(entries: readonly (readonly [weight: number, item: T])[]): T {
    let left = this.next() * entries.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, item] of entries) {
      left -= weight
      if (left < 0) return item
    }
    return this.pick(entries)[1]
  }
}
