/** Time as the read side needs it, so that tests move it by hand. */

export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number
  /** Runs once after `ms`; the answer cancels it. Never keeps the process alive by itself. */
  after(ms: number, run: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
