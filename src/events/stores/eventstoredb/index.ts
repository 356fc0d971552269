/**
 * The store of a cluster: EventStoreDB, or KurrentDB, over gRPC. Nothing of its client is loaded before a store is
 * opened, so that who keeps the embedded store does not pay for it.
 */
import type { EventStore } from '../../store.ts'

export { addressOf, isConnectionString } from './address.ts'

export interface EventStoreDBOptions {
  /** `esdb://user:password@host:2113,host2:2113?tls=true`; `esdb+discover://`, `kurrentdb://` and `kurrentdb+discover://` too. */
  readonly url: string
  /**
   * Only streams whose name starts with this belong to the log: reads and subscriptions without prefixes give these, and
   * `head` is the last event of these. Give `streamPrefix(app)` when apps share a server. Default: all but the server's own.
   */
  readonly prefix?: string
  /** Milliseconds after which a call without an answer is StoreUnavailable. Default: `defaultDeadline` of the url, else 5000. */
  readonly timeoutMs?: number
  /** Milliseconds of silence after which a connection is asked for a sign of life. Default: `keepAliveInterval` of the url, else 10,000. */
  readonly keepAliveIntervalMs?: number
  /** Milliseconds that it has to give one. Default: `keepAliveTimeout` of the url, else 5000. */
  readonly keepAliveTimeoutMs?: number
  /** Milliseconds before a subscription tries again; doubles up to `longestBackoffMs`. Default: 100, up to 2000. */
  readonly backoffMs?: number
  readonly longestBackoffMs?: number
}

/**
 * Opens the log on a server.
 *
 * `deleteStream` is the server's tombstone, `capStream` its `$maxCount`. Either takes effect for who reads the stream at
 * once; `readAll` and subscriptions give the events until the next scavenge, which somebody has to start. A store that is
 * opened after a scavenge took the newest events finds the head at the newest one that is left.
 *
 * It does not wait for the server: while that is away calls throw StoreUnavailable, and
 * subscriptions go on once it is back.
 * @throws StoreUnavailable, not retryable, for a connection string that cannot be read
 */
export async function openEventStoreDB(options: EventStoreDBOptions): Promise<EventStore> {
  const { openStore } = await import('./store.ts')
  return openStore(options)
}
