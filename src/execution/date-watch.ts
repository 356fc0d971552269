/**
 * Notices that the date was set or the machine had slept. Timers only know how much time passed: what is due at a date
 * must be looked at again, or it would come as late as the date was set on.
 */
const LOOK_EVERY_MS = 1_000
/** Less is the small change of a clock that is kept in time. */
const NOTICED_MS = 1_000

export interface DateWatchOptions {
  /** The date has moved by another amount than time has passed. */
  readonly onSet: () => void
}

export class DateWatch {
  readonly #timer: NodeJS.Timeout
  #offset = offset()

  constructor({ onSet }: DateWatchOptions) {
    this.#timer = setInterval(() => {
      const now = offset()
      if (Math.abs(now - this.#offset) < NOTICED_MS) return
      this.#offset = now
      onSet()
    }, LOOK_EVERY_MS)
    this.#timer.unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

/** Between the date and the clock that only passes. */
function offset(): number {
  return Date.now() - performance.now()
}
