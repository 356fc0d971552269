/** What a store of a cluster is opened with. */

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
