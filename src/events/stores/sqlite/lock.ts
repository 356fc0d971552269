/**
 * One process per data directory. The lock is an exclusive SQLite transaction held open on `lock.db`: the operating system
 * ends it with the process, however that dies, so no lock is ever left behind. `lock.pid` only serves the message.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DataDirectoryInUse, StoreUnavailable } from '../../errors.ts'
import { isLocked, isReadOnly } from './file.ts'

/** In a data directory. */
export const LOCK_FILE = 'lock.db'

export interface DirectoryLock {
  release(): void
}

/** @throws DataDirectoryInUse; StoreUnavailable when the lock is nothing that this process may write to */
export function lockDirectory(directory: string): DirectoryLock {
  const pidFile = join(directory, 'lock.pid')
  const file = join(directory, LOCK_FILE)
  const db = new DatabaseSync(file, { timeout: 0 })
  try {
    // Of a file that may only be read SQLite takes no more than a lock that others share, without a word, until it writes.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; PRAGMA user_version = 1')
  } catch (error) {
    db.close()
    if (isLocked(error)) throw new DataDirectoryInUse({ directory, pid: readPid(pidFile) })
    if (isReadOnly(error)) throw unwritable(file, error)
    throw error
  }
  try {
    writeFileSync(pidFile, `${process.pid}\n`)
  } catch (error) {
    db.close()
    throw error
  }
  return {
    release() {
      rmSync(pidFile, { force: true })
      db.close()
    },
  }
}

function unwritable(file: string, cause: unknown): StoreUnavailable {
  return new StoreUnavailable(
    `This process cannot write to ${file}, and so could not keep others out. Give it to the user that this process runs ` +
      'as, with all that is in the directory, on a disk that may be written to.',
    { retryable: false, cause },
  )
}

function readPid(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10) || undefined
  } catch {
    // The holder has not written it yet, or is just leaving: the lock itself is what counts.
    return undefined
  }
}
