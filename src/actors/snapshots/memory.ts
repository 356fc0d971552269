/** Snapshots that are gone with the process: for tests, of which each has a directory's worth. */
import type { Snapshot, SnapshotStore } from './port.ts'

export class MemorySnapshots implements SnapshotStore {
  readonly #byStream = new Map<string, { readonly version: string; readonly snapshot: Snapshot }>()

  load(stream: string, version: string): Snapshot | undefined {
    const kept = this.#byStream.get(stream)
    return kept?.version === version ? kept.snapshot : undefined
  }

  save(stream: string, version: string, snapshot: Snapshot): void {
    this.#byStream.set(stream, { version, snapshot })
  }

  drop(stream: string): void {
    this.#byStream.delete(stream)
  }

  close(): void {
    // The next process on the same directory finds them.
  }
}
