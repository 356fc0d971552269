/**
 * Time as the read side needs it, so that tests move it by hand: spans only. What it says of dates is in the events, so
 * it knows less than the actors' clock, and its timers keep no process alive.
 */

export interface ReadClock {
  /** Milliseconds that only ever grow: for how long something took. */
  monotonic(): number
  /** Runs once after `ms`; the answer cancels it. Never keeps the process alive by itself. */
  after(ms: number, run: () => void): () => void
}

export const systemClock: ReadClock = {
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
