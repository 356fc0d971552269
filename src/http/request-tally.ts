/** How many requests there were and how long they took, by route: for whoever watches the server. */
import { Histogram } from '../execution/index.ts'

/** Seconds. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

interface RouteTally {
  readonly method: string
  readonly route: string
  /** By status; 0 for those that nobody waited for any more. */
  readonly answers: Map<number, number>
  readonly durations: Histogram
}

export class RequestTally {
  readonly #byRoute = new Map<string, RouteTally>()

  get byRoute(): Iterable<RouteTally> {
    return this.#byRoute.values()
  }

  /** @param route as it was declared: what clients write in a path would make a series each */
  add(method: string, route: string, status: number | undefined, seconds: number): void {
    const key = `${method} ${route}`
    let tally = this.#byRoute.get(key)
    if (!tally) {
      tally = { method, route, answers: new Map(), durations: new Histogram(BOUNDS) }
      this.#byRoute.set(key, tally)
    }
    tally.answers.set(status ?? 0, (tally.answers.get(status ?? 0) ?? 0) + 1)
    tally.durations.observe(seconds)
  }
}
