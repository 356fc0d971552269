/**
 * The EventStore port: all that the system asks of a log. Every adapter passes the same contract suite
 * (`test/events/contract.ts`), so nothing above this file knows which one it has.
 */
import type { ExpectedRevision } from './errors.ts'
import type { EventData, Position, RecordedEvent, Revision } from './event.ts'

export type { ExpectedRevision } from './errors.ts'

export interface AppendResult {
  /** Revision of the last event of this append. */
  readonly revision: Revision
  /** Position of the last event of this append. */
  readonly position: Position
}

export interface ReadStreamOptions {
  /** First revision to return, inclusive. Default: the first event forwards, the last one backwards. */
  readonly from?: Revision
  readonly direction?: 'forwards' | 'backwards'
  /** At most so many events. Default: all. */
  readonly limit?: number
}

export interface ReadAllOptions {
  /** Return events after this position (exclusive). Default: START. */
  readonly from?: Position
  /** Only streams whose name starts with one of these. Default: all. */
  readonly prefixes?: readonly string[]
  /** At most so many events. Default 1000. */
  readonly limit?: number
}

export interface SubscribeOptions {
  /** The last position the subscriber has seen (exclusive); `'now'` for only what comes. Default: START. */
  readonly from?: Position | 'now'
  readonly prefixes?: readonly string[]
}

export interface Subscriber {
  /**
   * Events in log order, each exactly once, never an empty batch. The next batch waits for the promise: that is the
   * backpressure. A rejection ends the subscription with `dropped`.
   */
  events(batch: readonly RecordedEvent[]): void | Promise<void>
  /** Everything recorded before the subscription began has been delivered. Called once per catching up. */
  caughtUp?(position: Position): void
  /** The subscription has ended by itself; nothing more will come. Not called after `close()`. */
  dropped?(error: Error): void
}

export interface Subscription {
  close(): Promise<void>
}

export interface EventStore {
  /**
   * Records all of `events` or none, durably: once resolved they survive a power loss.
   *
   * Appending again with the same event ids and the same expected revision is a success with the first result, unless
   * the stream has lost those events since: it was deleted (StreamDeleted), or capped (WrongExpectedRevision).
   * @throws WrongExpectedRevision, StreamDeleted, EventTooLarge, StoreUnavailable, StoreClosed, StoreCorrupt
   */
  append(stream: string, expected: ExpectedRevision, events: readonly EventData[]): Promise<AppendResult>

  /** The events of one stream, as it is now; none if there is no such stream, or if it was deleted. */
  readStream(stream: string, options?: ReadStreamOptions): Promise<readonly RecordedEvent[]>

  /** One page of the whole log in order. */
  readAll(options?: ReadAllOptions): Promise<readonly RecordedEvent[]>

  /** Catches up from a position, then follows live: no gap, no duplicate. */
  subscribe(options: SubscribeOptions, subscriber: Subscriber): Subscription

  /**
   * Position of the last event that was ever recorded, START when there is none. It does not go back, and no position is
   * used twice: where the last events were deleted, nothing is at the head, and a subscriber is told of it by `caughtUp`.
   * (EventStoreDB forgets it when a scavenge has taken the last events and the store is opened anew.)
   */
  head(): Promise<Position>

  /**
   * Ends a stream for good, durably: a tombstone takes the place of its events. From then on `readStream` gives none and
   * `append` throws StreamDeleted, whatever it expects; there is no way back. `expected` is the stream's last revision;
   * `'no-stream'` puts the tombstone where no stream ever was. Deleting again is a success, whatever it expects.
   *
   * `readAll` and subscriptions may give all, some or none of its events afterwards: EventStoreDB keeps them until a
   * scavenge, and a subscriber may have them on the way. All other events keep their positions.
   * @throws WrongExpectedRevision, StoreUnavailable, StoreClosed, StoreCorrupt
   */
  deleteStream(stream: string, expected: Revision | 'no-stream'): Promise<void>

  /**
   * Keeps only the last `maxCount` (at least 1) events of the stream, now and later; a read then begins at a later
   * revision. What is beyond may still come in `readAll` and subscriptions, as after `deleteStream`. Only for streams
   * outside the hash chain: nodes'. The stream need not be there yet. The last call counts. Of a stream that was deleted
   * there is nothing to keep, and nothing happens.
   * @throws StoreUnavailable, StoreClosed, StoreCorrupt
   */
  capStream(stream: string, maxCount: number): Promise<void>

  /** Waits for appends under way, then lets go of everything. Later calls throw StoreClosed. */
  close(): Promise<void>
}
