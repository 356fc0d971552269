/**
 * Whether the log's files are still where they were opened. SQLite goes on with files that were deleted, moved or replaced,
 * as the system lets it: what it writes to them then, no other process and no later start finds. Without the file of its
 * lock the directory is another process's to take.
 */
import { type Stats, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { StoreUnavailable } from '../../errors.ts'
import { LOCK_FILE } from './lock.ts'

export class Place {
  readonly #files: readonly { readonly name: string; readonly opened: Stats | undefined }[]

  /** Of a log that is open for writing: it has its write-ahead log by then. */
  constructor(file: string) {
    const files = [file, `${file}-wal`, join(dirname(file), LOCK_FILE)]
    this.#files = files.map((name) => ({ name, opened: fileAt(name) }))
  }

  /** Asked before each commit: some microseconds. @throws StoreUnavailable */
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
  }
}

function fileAt(name: string): Stats | undefined {
  return statSync(name, { throwIfNoEntry: false })
}
