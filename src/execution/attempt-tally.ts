/** What became of the attempts that this process ran, by task, for whoever watches it. */
import { Histogram } from './histogram.ts'

/** `lost`: another node had ended the run meanwhile. A failure counts, whether a retry follows or not. */
export type AttemptEnd = 'completed' | 'failed' | 'timeout' | 'cancelled' | 'interrupted' | 'lost'

/** Seconds. */
const BOUNDS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 60, 300, 1800, 3600]

export interface TaskAttempts {
  readonly ended: ReadonlyMap<AttemptEnd, number>
  /** In seconds, from the call of the handler to its end. */
  readonly durations: Histogram
}

export class AttemptTally {
  readonly #byTask = new Map<string, { readonly ended: Map<AttemptEnd, number>; readonly durations: Histogram }>()

  get byTask(): ReadonlyMap<string, TaskAttempts> {
    return this.#byTask
  }

  add(task: string, end: AttemptEnd, seconds: number): void {
    let attempts = this.#byTask.get(task)
    if (!attempts) {
      attempts = { ended: new Map(), durations: new Histogram(BOUNDS) }
      this.#byTask.set(task, attempts)
    }
    attempts.ended.set(end, (attempts.ended.get(end) ?? 0) + 1)
    attempts.durations.observe(seconds)
  }
}
