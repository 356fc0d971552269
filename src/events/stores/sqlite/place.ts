/**
 * Whether the log's files are still where they were opened. SQLite goes on with files that were deleted, moved or replaced,
 * as the system lets it: what it writes to them then, no other process and no later start finds.
 */
import { statSync } from 'node:fs'
import { StoreUnavailable } from '../../errors.ts'

export class Place {
  readonly #files: readonly { readonly name: string; readonly identity: string }[]

  /** Of a log that is open for writing: it has its write-ahead log by then. */
  constructor(file: string) {
    this.#files = [file, `${file}-wal`].map((name) => ({ name, identity: identityOf(name) }))
  }

  /** @throws StoreUnavailable */
  assertKept(): void {
    for (const { name, identity } of this.#files) {
      if (identityOf(name) === identity) continue
      throw new StoreUnavailable(
        `${name} was deleted, moved or replaced while the app uses it, so nothing is recorded. ` +
          'Put it back as it was, or stop the app and start it on what is there.',
        { retryable: true },
      )
    }
  }
}

function identityOf(file: string): string {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false })
  return stat ? `${stat.dev}:${stat.ino}` : 'gone'
}
