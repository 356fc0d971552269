/**
 * Whether the log's files are still where they were opened. SQLite goes on with files that were deleted, moved or replaced,
 * as the system lets it: what it writes to them then, no other process and no later start finds. Without the file of its
 * lock the directory is another process's to take.
 */
import { type Stats, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { StoreUnavailable } from '../../errors.ts'
import { LOCK_FILE } from './lock.ts'

/** An append waits for a look no more often: on an idle machine one takes a tenth of a millisecond. */
export const LOOK_EVERY_MS = 100

export class Place {
  readonly #files: readonly { readonly name: string; readonly opened: Stats | undefined }[]
  #lookedAt = performance.now()

  /** Of a log that is open for writing: it has its write-ahead log by then. */
  constructor(file: string) {
    const files = [file, `${file}-wal`, join(dirname(file), LOCK_FILE)]
    this.#files = files.map((name) => ({ name, opened: fileAt(name) }))
  }

  /** For each commit. @throws StoreUnavailable, at the latest {@link LOOK_EVERY_MS} after the files went */
  assertKeptLately(): void {
    if (performance.now() - this.#lookedAt >= LOOK_EVERY_MS) this.assertKept()
  }

  /** @throws StoreUnavailable */
  assertKept(): void {
    for (const { name, opened } of this.#files) {
      const found = fileAt(name)
      if (found?.ino === opened?.ino && found?.dev === opened?.dev) continue
      throw new StoreUnavailable(
        `${name} was deleted, moved or replaced while the app uses it, so nothing is recorded. ` +
          'Put it back as it was, or stop the app and start it on what is there.',
        { retryable: true },
      )
    }
    // Not where it throws: the next commit looks again.
    this.#lookedAt = performance.now()
  }
}

function fileAt(name: string): Stats | undefined {
  return statSync(name, { throwIfNoEntry: false })
}
