/** Those who wait until the read models include a position. */
import type { Position } from '../events/index.ts'
import type { ReadClock } from './clock.ts'
import { ReadModelBehind, ReadModelsClosed } from './errors.ts'

export const DEFAULT_WAIT_MS = 5000

export class Waiting {
  readonly #clock: ReadClock
  readonly #position: () => Position
  readonly #waiters = new Set<{ position: Position; resolve: () => void; reject: (error: Error) => void }>()
  #hopeless: Error | undefined
  #closed = false

  constructor(clock: ReadClock, position: () => Position) {
    this.#clock = clock
    this.#position = position
  }

  /** @throws ReadModelBehind, ReadModelsClosed, what `giveUp` was told */
  waitFor(position: Position, timeoutMs: number = DEFAULT_WAIT_MS): Promise<void> {
    if (this.#position() >= position) return Promise.resolve()
    if (this.#closed) return Promise.reject(new ReadModelsClosed())
    if (this.#hopeless) return Promise.reject(this.#hopeless)
    return new Promise((resolve, reject) => {
      const waiter = {
        position,
        resolve: () => {
          cancel()
          resolve()
        },
        reject: (error: Error) => {
          cancel()
          reject(error)
        },
      }
      const cancel = this.#clock.after(timeoutMs, () => {
        this.#waiters.delete(waiter)
        reject(new ReadModelBehind({ wanted: position, actual: this.#position(), timeoutMs }))
      })
      this.#waiters.add(waiter)
    })
  }

  reached(position: Position): void {
    this.#hopeless = undefined
    for (const waiter of this.#waiters) {
      if (waiter.position > position) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  /** What is waited for will not come by waiting: until a position is reached again, nobody waits. */
  giveUp(error: Error): void {
    this.#hopeless = error
    this.#rejectAll(error)
  }

  close(): void {
    this.#closed = true
    this.#rejectAll(new ReadModelsClosed())
  }

  #rejectAll(error: Error): void {
    for (const waiter of this.#waiters) waiter.reject(error)
    this.#waiters.clear()
  }
}
