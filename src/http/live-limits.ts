/** What a live socket may take of the server, so that no client takes it from the others. */

export interface LiveLimits {
  /** Open sockets. Default 1000. Of these, a tenth may be of who did not say yet who they are. */
  readonly sockets: number
  /** Topics that one socket may follow. Default 200. */
  readonly subscriptions: number
  /** Commands of one socket under way; no further frame of it is read meanwhile. Default 64. */
  readonly commands: number
  /** Largest frame of a client, bytes. Default 1 MiB. */
  readonly frameBytes: number
  /** Bytes not yet taken by a client from which on changes are held back for it. Default 256 KiB. */
  readonly bufferBytes: number
  /** Bytes not yet taken at which it is cut off. Default 16 MiB. */
  readonly backlogBytes: number
}

export const LIVE_LIMITS: LiveLimits = {
  sockets: 1000,
  subscriptions: 200,
  commands: 64,
  frameBytes: 1024 * 1024,
  bufferBytes: 256 * 1024,
  backlogBytes: 16 * 1024 * 1024,
}
