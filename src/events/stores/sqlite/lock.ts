/**
 * One process per data directory. The lock is an exclusive SQLite transaction held open on `lock.db`: the operating system
 * ends it with the process, however that dies, so no lock is ever left behind. `lock.pid` only serves the message.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DataDirectoryInUse } from '../../errors.ts'
import { isLocked } from './file.ts'

export interface DirectoryLock {
  release(): void
}

/** @throws DataDirectoryInUse */
export function lockDirectory(directory: string): DirectoryLock {
  const pidFile = join(directory, 'lock.pid')
  const db = new DatabaseSync(join(directory, 'lock.db'), { timeout: 0 })
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    db.close()
    if (isLocked(error)) throw new DataDirectoryInUse({ directory, pid: readPid(pidFile) })
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

function readPid(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10) || undefined
  } catch {
    // The holder has not written it yet, or is just leaving: the lock itself is what counts.
    return undefined
  }
}
