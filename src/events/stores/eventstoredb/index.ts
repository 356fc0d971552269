/**
 * The store of a cluster: EventStoreDB, or KurrentDB, over gRPC. Nothing of its client is loaded before a store is
 * opened, so that who keeps the embedded store does not pay for it.
 */
import type { EventStore } from '../../store.ts'
import type { EventStoreDBOptions } from './options.ts'

export { addressOf, isConnectionString } from './address.ts'
export type { EventStoreDBOptions } from './options.ts'

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
