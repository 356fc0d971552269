/**
 * Where the thread of the read models gets the log from: pages after a position, and a sign that there may be more. The
 * embedded log is read from its file; that of a cluster comes as a subscription over a connection of the thread's own.
 */
import {
  type EventStore,
  openEventStoreDB,
  openSqliteReader,
  type Position,
  type RecordedEvent,
  StoreClosed,
  type Subscription,
  streamPrefix,
} from '../../events/index.ts'
import { type ReadClock, systemClock } from '../clock.ts'
import type { LogPlace } from './protocol.ts'

export interface LogPage {
  readonly events: readonly RecordedEvent[]
  /** There are no more for now. */
  readonly isLast: boolean
  /** Nothing else lies before here. */
  readonly scannedTo?: Position | undefined
}

export interface LogSource extends Pick<EventStore, 'readStream' | 'readAll' | 'head'> {
  /**
   * Up to `limit` events after a position. Asked again for the same position, it answers with the same events.
   * @throws StoreUnavailable, StoreCorrupt; StoreClosed when no more will ever come
   */
  read(after: Position, limit: number): LogPage
  /** Resolves when there may be something after the position, or after `timeoutMs`. @throws StoreClosed */
  waitForMore(after: Position, timeoutMs: number): Promise<unknown>
  close(): Promise<void>
}

export async function openSource(app: string, log: LogPlace, onError: (error: Error) => void): Promise<LogSource> {
  if (log.kind === 'file') return fileSource(log)
  const store = await openEventStoreDB({ url: log.url, prefix: streamPrefix(app) })
  return new StoreSource({ store, onError })
}

/** The embedded log, in its file. */
function fileSource(options: {
  readonly directory: string
  readonly signal: SharedArrayBuffer | undefined
}): LogSource {
  const reader = openSqliteReader(options)
  return {
    readStream: (stream, of) => reader.readStream(stream, of),
    readAll: (of) => reader.readAll(of),
    head: () => reader.head(),
    read: (from, limit) => {
      const { events, scannedTo } = reader.readAllSync({ from, limit })
      return { events, isLast: events.length < limit, scannedTo }
    },
    waitForMore: (after, timeoutMs) => reader.waitForHead(after, timeoutMs),
    close: async () => reader.close(),
  }
}

/** Events held for the reader; then the store holds the rest back. */
const MOST_HELD = 2_000
const BACKOFF_MS = { first: 100, max: 10_000 }

export interface StoreSourceOptions {
  /** Of the app alone. Closed with the source. */
  readonly store: EventStore
  readonly clock?: ReadClock
  /** Told when the subscription ended; it is made again. */
  readonly onError: (error: Error) => void
}

/** A log that is subscribed to. */
export class StoreSource implements LogSource {
  readonly #options: StoreSourceOptions
  readonly #clock: ReadClock
  #subscription: Subscription | undefined
  /** Events after `#from`, in order, as far as they have come. */
  #held: RecordedEvent[] = []
  #from: Position | undefined
  /** Up to where the store said that there is nothing else. */
  #caughtUpTo: Position | undefined
  #wake: (() => void) | undefined
  #room: (() => void) | undefined
  #backoff = BACKOFF_MS.first
  #closed = false

  constructor(options: StoreSourceOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  readonly readStream: EventStore['readStream'] = (...of) => this.#options.store.readStream(...of)
  readonly readAll: EventStore['readAll'] = (...of) => this.#options.store.readAll(...of)
  readonly head: EventStore['head'] = () => this.#options.store.head()

  read(after: Position, limit: number): LogPage {
    if (this.#closed) throw new StoreClosed()
    // The read models were begun again, or it is the first time.
    if (this.#from === undefined || after < this.#from) this.#subscribe(after)
    this.#letGo(after)
    const events = this.#held.slice(0, limit)
    const isLast = events.length === this.#held.length && this.#caughtUpTo !== undefined
    return { events, isLast, scannedTo: isLast ? this.#caughtUpTo : undefined }
  }

  waitForMore(after: Position, timeoutMs: number): Promise<void> {
    const last = this.#held.at(-1)?.position ?? after
    if (last > after || (this.#caughtUpTo ?? after) > after) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        cancel()
        this.#wake = undefined
        resolve()
      }
      const cancel = this.#clock.after(timeoutMs, wake)
      this.#wake = wake
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#wake?.()
    this.#room?.()
    await this.#subscription?.close()
    await this.#options.store.close()
  }

  /** Forgets what has been taken in. */
  #letGo(upTo: Position): void {
    const kept = this.#held.findIndex(({ position }) => position > upTo)
    this.#held = kept < 0 ? [] : kept === 0 ? this.#held : this.#held.slice(kept)
    if (this.#from !== undefined && upTo > this.#from) this.#from = upTo
    if (this.#held.length < MOST_HELD) this.#room?.()
  }

  #subscribe(from: Position): void {
    void this.#subscription?.close()
    this.#room?.()
    this.#held = []
    this.#from = from
    this.#caughtUpTo = undefined
    const isCurrent = () => this.#subscription === subscription && !this.#closed
    const subscription = this.#options.store.subscribe(
      { from },
      {
        events: async (batch) => {
          if (!isCurrent()) return
          this.#backoff = BACKOFF_MS.first
          for (const event of batch) this.#held.push(event)
          this.#wake?.()
          if (this.#held.length < MOST_HELD) return
          await new Promise<void>((resolve) => {
            this.#room = resolve
          })
          this.#room = undefined
        },
        caughtUp: (position) => {
          if (!isCurrent()) return
          this.#caughtUpTo = position
          this.#wake?.()
        },
        dropped: (error) => {
          if (!isCurrent()) return
          this.#options.onError(error)
          if (error instanceof StoreClosed) return
          this.#clock.after(this.#backoff, () => {
            // From what was taken in, so that nothing is missing or comes twice.
            if (isCurrent()) this.#subscribe(this.#from ?? from)
          })
          this.#backoff = Math.min(this.#backoff * 2, BACKOFF_MS.max)
        },
      },
    )
    this.#subscription = subscription
  }
}
