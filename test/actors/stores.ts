/** Stores that behave badly in one way each, around one that behaves well. */
import {
  type AppendResult,
  type EventData,
  type EventStore,
  type ExpectedRevision,
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
