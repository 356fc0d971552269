/** Takes the events of a read or subscription of the client in batches, at the pace of who asks for them. */

import { StoreUnavailable } from '../../errors.ts'
import { type Position, START } from '../../event.ts'
import { noAnswer } from './failure.ts'
import type { Wire } from './wire.ts'

export interface Batch<E> {
  readonly items: readonly E[]
  /** Everything up to here is in this batch or an earlier one, or did not match. */
  readonly passed: Position
  /** Everything that was recorded when the subscription began is in this batch or an earlier one. */
  readonly caughtUp: boolean
}

/** A stream of the client, as far as it is asked; it ends with one of the last two. */
interface Source {
  read(): unknown
  on(event: 'readable' | 'end', listener: () => void): unknown
  on(event: 'error', listener: (error: unknown) => void): unknown
  cancel?(): Promise<void>
  unsubscribe?(): Promise<void>
}

/** What the client holds ready, in events; with 256 KiB each that bounds memory, too. */
export const READ_AHEAD = { highWaterMark: 64 }
const BATCH = 256

export class Pump<E> {
  readonly #wire: Wire
  readonly #source: Source
  readonly #narrow: (item: unknown) => E
  #passed: Position = START
  #caughtUp = false
  #error: unknown
  #ended = false
  #wake: (() => void) | undefined

  constructor(wire: Wire, source: Source, narrow: (item: unknown) => E) {
    this.#wire = wire
    this.#source = source
    this.#narrow = narrow
    source.on('readable', () => this.wake())
    source.on('end', () => {
      this.#ended = true
      this.wake()
    })
    source.on('error', (error) => {
      this.#error ??= error
      this.wake()
    })
  }

  /** The server says how far it has come. What came before is in the stream by now, perhaps not yet taken. */
  passed(position: Position): void {
    this.#passed = position
    this.wake()
  }

  caughtUp(): void {
    this.#caughtUp = true
    this.wake()
  }

  /** Makes a `next` that waits answer with an empty batch. */
  wake(): void {
    this.#wake?.()
  }

  /** The next events; empty when it was woken for another reason, undefined at the end. `timeoutMs` bounds the wait. */
  async next(timeoutMs?: number): Promise<Batch<E> | undefined> {
    const now = this.#take()
    if (now) return now
    if (this.#error !== undefined) throw this.#error
    if (this.#ended) return this.#end()
    await this.#somethingCame(timeoutMs)
    const then = this.#take()
    if (then) return then
    if (this.#error !== undefined) throw this.#error
    return this.#ended ? this.#end() : this.#all([])
  }

  /** The client lets a call that its connection has cancelled look like one that came to its end. */
  #end(): undefined {
    if (this.#wire.isClosed) {
      throw new StoreUnavailable('The connection to the event store was lost. Repeat the call.', { retryable: true })
    }
    return undefined
  }

  close(): void {
    const source = this.#source
    // What a cancelled call still says is of no interest, but it must have a listener.
    source.on('error', () => {})
    const closed = source.cancel?.() ?? source.unsubscribe?.()
    closed?.catch(() => {})
  }

  #take(): Batch<E> | undefined {
    const items: E[] = []
    for (;;) {
      if (items.length === BATCH) return { items, passed: START, caughtUp: false }
      const item: unknown = this.#source.read()
      if (item === null) break
      items.push(this.#narrow(item))
    }
    return items.length > 0 ? this.#all(items) : undefined
  }

  /** The stream is empty: what the server has said holds. An event that comes in a moment may belong before what it says then. */
  #all(items: readonly E[]): Batch<E> {
    return { items, passed: this.#passed, caughtUp: this.#caughtUp }
  }

  #somethingCame(timeoutMs: number | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer =
        timeoutMs === undefined ? undefined : setTimeout(() => reject(noAnswer('a read', timeoutMs)), timeoutMs)
      this.#wake = () => {
        this.#wake = undefined
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
