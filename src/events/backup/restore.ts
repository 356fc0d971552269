/**
 * Puts a backup in the place of a log:
 *
 *     checking ──▶ copying ──▶ (named) ──▶ done
 *
 * Nothing of the directory is touched before the backup has proved to be whole. A process that is killed on the way leaves
 * the directory without a log, and it is done again; or with it.
 */
import { existsSync, statSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { BackupBroken, CopyRefused } from '../copy/index.ts'
import { StoreError } from '../errors.ts'
import { copyFile, diskTrouble, hashOf, publish } from '../files.ts'
import { EVENTS_FILE, lockDirectory } from '../stores/sqlite/index.ts'
import { inspectImage } from './inspect.ts'
import { type BackupManifest, readManifest } from './manifest.ts'

export interface RestoreProgress {
  readonly phase: 'hashing' | 'checking' | 'copying'
  /** How far in the phase, 0 to 1. */
  readonly part: number
}

export interface RestoreOptions {
  /** The backup; its manifest is beside it. */
  readonly file: string
  /** Made when it is not there. It must not have a log. */
  readonly directory: string
  readonly onProgress?: (progress: RestoreProgress) => void
}

export interface Restored extends BackupManifest {
  readonly directory: string
  /** Tasks that had not ended: they run when the app is started. */
  readonly unfinished: number
}

/** What is made of the log: nothing of it is true of the log that comes. */
const DERIVED = ['read.db', 'snapshots.db'].flatMap((name) => [name, `${name}-wal`, `${name}-shm`])
/** What SQLite would take for a part of a file of the name. */
const LOG_FILES = [EVENTS_FILE, `${EVENTS_FILE}-wal`, `${EVENTS_FILE}-journal`]

/**
 * @throws BackupBroken, ChainBroken when the backup is not what was made; CopyRefused when the directory has a log;
 * DataDirectoryInUse; StoreUnavailable (no room)
 */
export async function restoreBackup({ file, directory, onProgress }: RestoreOptions): Promise<Restored> {
  const manifest = readManifest(file)
  const { unfinished } = await prove(file, manifest, onProgress)
  const home = resolve(directory)
  try {
    await mkdir(home, { recursive: true })
    const lock = lockDirectory(home)
    try {
      await put(file, manifest, home, onProgress)
    } finally {
      lock.release()
    }
  } catch (error) {
    if (error instanceof StoreError) throw error
    throw diskTrouble(`${home} cannot be written`, error)
  }
  return { ...manifest, directory: home, unfinished }
}

/** Holds the file to its manifest, and the log in it to itself. */
async function prove(file: string, manifest: BackupManifest, onProgress: RestoreOptions['onProgress']) {
  const size = statSync(file, { throwIfNoEntry: false })?.size
  if (size === undefined) {
    throw new BackupBroken({ file, fault: 'unfinished', message: `There is no backup ${file}.` })
  }
  if (size !== manifest.bytes) {
    const message = `${file} has ${size} bytes, and had ${manifest.bytes} when it was made: it was cut off or changed.`
    throw new BackupBroken({ file, fault: 'altered', message })
  }
  const sha256 = await hashOf(file, (bytes) => onProgress?.({ phase: 'hashing', part: bytes / size }))
  if (sha256 !== manifest.sha256) throw otherBytes(file)
  const { events, head, unfinished } = await inspectImage(file, (count) =>
    onProgress?.({ phase: 'checking', part: Math.min(1, count / manifest.events) }),
  )
  if (events !== manifest.events || `${head}` !== manifest.head) {
    const message = `${file} has ${events} events up to ${head}; its manifest says ${manifest.events} up to ${manifest.head}.`
    throw new BackupBroken({ file, fault: 'altered', message })
  }
  return { unfinished }
}

async function put(
  file: string,
  { bytes, sha256 }: BackupManifest,
  home: string,
  onProgress: RestoreOptions['onProgress'],
): Promise<void> {
  const there = LOG_FILES.find((name) => existsSync(join(home, name)))
  if (there !== undefined) {
    throw new CopyRefused(
      'exists',
      `${home} has a log (${there}), which a restore never replaces. Restore to another directory, or move that one away.`,
    )
  }
  const partial = join(home, `${EVENTS_FILE}.partial`)
  // Of a restore that was killed: the lock says that nobody is at it.
  await rm(partial, { force: true })
  try {
    const copied = await copyFile(file, partial, (done) => onProgress?.({ phase: 'copying', part: done / bytes }))
    if (copied !== sha256) throw otherBytes(file)
    for (const name of [...DERIVED, 'moved.json', `${EVENTS_FILE}-shm`]) await rm(join(home, name), { force: true })
    await publish(partial, join(home, EVENTS_FILE), 'what is there')
  } finally {
    await rm(partial, { force: true })
  }
}

function otherBytes(file: string): BackupBroken {
  return new BackupBroken({
    file,
    fault: 'altered',
    message: `${file} is not what was written: its SHA-256 is another.`,
  })
}
