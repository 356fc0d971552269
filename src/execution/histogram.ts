/** How many values lie up to each of some bounds. */
export class Histogram {
  /** Upper, inclusive, rising; what is above all of them is in the count only. */
  readonly bounds: readonly number[]
  readonly #upTo: number[]
  #count = 0
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.#upTo = bounds.map(() => 0)
  }

  observe(value: number): void {
    this.#count++
    this.#sum += value
    const first = this.bounds.findIndex((bound) => value <= bound)
    if (first >= 0) this.#upTo[first] = (this.#upTo[first] ?? 0) + 1
  }

  get count(): number {
    return this.#count
  }

  get sum(): number {
    return this.#sum
  }

  /** For each bound, how many values it has from the lowest on. */
  cumulative(): readonly number[] {
    let sum = 0
    return this.#upTo.map((count) => {
      sum += count
      return sum
    })
  }
}
