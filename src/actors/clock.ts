/**
 * Time as something that is handed in: the system's own in production, one that a test moves otherwise. All waiting of
 * the actors, the dispatcher and the runner goes through it.
 */

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /**
   * Calls `fire` once after as much time as there is left until `at` (milliseconds since the epoch), however far away;
   * soon if that has passed. Whoever sets the date meanwhile neither hurries it nor holds it up.
   */
  at(at: number, fire: () => void): Timer
  /** Milliseconds that only ever grow, whatever somebody does to the date: for how long something took. */
  monotonic(): number
  /** Calls `fire` once after so many milliseconds (less than 2^31), whatever somebody does to the date. */
  after(ms: number, fire: () => void): Timer
}

/** setTimeout fires at once beyond this many milliseconds (2^31 - 1): longer waits are taken in legs. */
const LONGEST_LEG = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  at(at, fire) {
    let handle: NodeJS.Timeout
    const due = performance.now() + at - Date.now()
    const leg = (): void => {
      const remaining = due - performance.now()
      if (remaining > LONGEST_LEG) {
        handle = setTimeout(leg, LONGEST_LEG)
      } else {
        handle = setTimeout(fire, Math.max(0, remaining))
      }
    }
    leg()
    return { cancel: () => clearTimeout(handle) }
  },
  monotonic: () => performance.now(),
  after(ms, fire) {
    const handle = setTimeout(fire, ms)
    return { cancel: () => clearTimeout(handle) }
  },
}

interface Alarm {
  readonly at: number
  readonly order: number
  readonly fire: () => void
}

/** A clock that stands still until it is moved; timers fire in order of their time. */
export class ManualClock implements Clock {
  #now: number
  /** By how much the date was set, in all. */
  #jumped = 0
  #order = 0
  #alarms: Alarm[] = []

  constructor(now: number | string = '2026-01-01T00:00:00.000Z') {
    this.#now = typeof now === 'number' ? now : Date.parse(now)
  }

  now(): number {
    return this.#now
  }

  at(at: number, fire: () => void): Timer {
    const alarm = { at, order: this.#order++, fire }
    this.#alarms.push(alarm)
    const cancel = (): void => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm)
    }
    return { cancel }
  }

  monotonic(): number {
    return this.#now - this.#jumped
  }

  after(ms: number, fire: () => void): Timer {
    return this.at(this.#now + ms, fire)
  }

  /** Somebody sets the date, as an operator or a time server does: what waits for so many milliseconds goes on. */
  setDate(now: number): void {
    const jump = now - this.#now
    this.#now = now
    this.#jumped += jump
    this.#alarms = this.#alarms.map((alarm) => Object.assign(alarm, { at: alarm.at + jump }))
  }

  /** When the next timer fires, if there is one. */
  get next(): number | undefined {
    return this.#alarms.reduce<number | undefined>(
      (least, { at }) => (least === undefined || at < least ? at : least),
      undefined,
    )
  }

  /**
   * Moves time on, firing what comes due on the way. `settle` runs after each timer, so that the work it started (and
   * the timers that this sets) happens at its own time.
   */
  async advance(ms: number, settle: () => Promise<void> = settled): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (;;) {
      const due = this.#alarms.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0]
      if (!due) break
      this.#alarms = this.#alarms.filter((alarm) => alarm !== due)
      this.#now = Math.max(this.#now, due.at)
      due.fire()
      await settle()
    }
    this.#now = end
  }
}

/** Lets everything that waits for nothing but the event loop run. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
