/** Stores that behave badly in one way each, around one that behaves well. */
import {
  type AppendResult,
  type EventData,
  type EventStore,
  type ExpectedRevision,
  openMemoryStore,
  type ReadStreamOptions,
  type RecordedEvent,
  StoreUnavailable,
} from '../../src/events/index.ts'

export type Append = (stream: string, expected: ExpectedRevision, events: readonly EventData[]) => Promise<AppendResult>

/** The store with another append. */
export function withAppend(store: EventStore, append: (append: Append) => Append): EventStore {
  const own = append((stream, expected, events) => store.append(stream, expected, events))
  return {
    append: own,
    readStream: (stream, options) => store.readStream(stream, options),
    readAll: (options) => store.readAll(options),
    subscribe: (options, subscriber) => store.subscribe(options, subscriber),
    head: () => store.head(),
    deleteStream: (stream, expected) => store.deleteStream(stream, expected),
    capStream: (stream, maxCount) => store.capStream(stream, maxCount),
    close: () => store.close(),
  }
}

export const unavailable = () => new StoreUnavailable('no answer', { retryable: true })

/** Calls `before` ahead of each append: somebody else gets in between. */
export function interrupting(
  store: EventStore,
  before: (stream: string, events: readonly EventData[]) => Promise<void>,
): EventStore {
  return withAppend(store, (append) => async (stream, expected, events) => {
    await before(stream, events)
    return append(stream, expected, events)
  })
}

/** Counts the events that are read of streams. */
export class CountingStore implements EventStore {
  readonly #store: EventStore
  read = 0
  /** By one read. */
  most = 0

  constructor(store: EventStore = openMemoryStore()) {
    this.#store = store
  }

  append: EventStore['append'] = (...of): Promise<AppendResult> => this.#store.append(...of)
  readAll: EventStore['readAll'] = (options) => this.#store.readAll(options)
  subscribe: EventStore['subscribe'] = (...of) => this.#store.subscribe(...of)
  head: EventStore['head'] = () => this.#store.head()
  deleteStream: EventStore['deleteStream'] = (...of) => this.#store.deleteStream(...of)
  capStream: EventStore['capStream'] = (...of) => this.#store.capStream(...of)
  close: EventStore['close'] = () => this.#store.close()

  async readStream(stream: string, options?: ReadStreamOptions): Promise<readonly RecordedEvent[]> {
    const events = await this.#store.readStream(stream, options)
    this.read += events.length
    this.most = Math.max(this.most, events.length)
    return events
  }

  /** How many events `work` reads. */
  async during(work: () => Promise<unknown>): Promise<number> {
    const before = this.read
    await work()
    return this.read - before
  }
}
