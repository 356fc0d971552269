/**
 * What an actor with a long stream starts from instead of its first event. Derived from the log and never asked alone:
 * whoever loads a snapshot holds it against the log (system.ts), so one that is lost, late or of another log costs time
 * and nothing else.
 */

export interface Snapshot {
  /** Of the last event in it. */
  readonly revision: number
  /** The id and the hash of that event. */
  readonly id: string
  readonly hash: string
  /** The state, as the keeper packed it (keeper.ts). */
  readonly state: Uint8Array
}

/** One snapshot for each stream. Nothing here throws: what goes wrong is told elsewhere, and the snapshot is not there. */
export interface SnapshotStore {
  /** The stream's snapshot if it was made by this version; asked at every load, so cheap where there is none. */
  load(stream: string, version: string): Snapshot | undefined
  /** Takes the place of the stream's former one. It need not survive anything. */
  save(stream: string, version: string, snapshot: Snapshot): void
  drop(stream: string): void
  /** What comes later is not kept. */
  close(): void
}
