/**
 * Makes a backup: one file with the whole log of one moment, and beside it what proves it.
 *
 *     writing ──▶ checking ──▶ (named) ──▶ done
 *
 * Until it is checked it has a name of its own; the manifest is written last. A process that is killed on the way leaves
 * a `.partial` file, which may be deleted, or a backup without a manifest, which a restore refuses.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { assertArrived, CopyRefused, copyHistory, type Log } from '../copy/index.ts'
import { StoreError } from '../errors.ts'
import { diskTrouble, hashOf, publish, sync, writeDurably } from '../files.ts'
import { ownVersion } from '../package.ts'
import { LogSurvey, openSqliteStore, writeImage } from '../stores/sqlite/index.ts'
import { inspectImage } from './inspect.ts'
import { type BackupFacts, manifestFile, manifestText } from './manifest.ts'

export interface BackupProgress {
  /** `copying` only when the log is on a cluster. */
  readonly phase: 'copying' | 'writing' | 'checking'
  /** Events so far, where they are counted. */
  readonly events?: number
  /** How far in the phase, 0 to 1, where that is known. */
  readonly part?: number
}

export interface BackupOptions {
  /** The file to make, or a directory (one that is there, or a name that ends with a slash) to make one in. */
  readonly to: string
  /** Milliseconds since the epoch: for the name and the manifest. Default: Date.now. */
  readonly now?: () => number
  readonly onProgress?: (progress: BackupProgress) => void
}

export interface Backup extends BackupFacts {
  readonly file: string
  /** Tasks that had not ended. */
  readonly unfinished: number
}

/**
 * A backup of the log in a directory, which another process may be using.
 * @throws CopyRefused when there is no log, or a part of one, or a backup of this name; BackupBroken, ChainBroken when what was written is not
 * sound; StoreUnavailable (no room); StoreCorrupt
 */
export async function backupDirectory(directory: string, options: BackupOptions): Promise<Backup> {
  assertArrived(directory)
  return backup(directory, resolve(directory), options)
}

/**
 * A backup of an app on a cluster, up to the last event there is when it begins. It takes twice the room of its result
 * meanwhile.
 * @throws as `backupDirectory`; StoreUnavailable when the cluster does not answer
 */
export async function backupCluster(log: Log, app: string, options: BackupOptions): Promise<Backup> {
  const { onProgress } = options
  const at = isDirectory(options.to) ? options.to : dirname(options.to)
  const directory = resolve(at, `${app}-${randomBytes(4).toString('hex')}.partial`)
  try {
    const store = await openSqliteStore({ directory })
    try {
      const to = { store, called: 'the copy' }
      const told = onProgress && {
        onProgress: (told: { events: number; part: number }) => onProgress({ phase: 'copying', ...told }),
      }
      const { events } = await copyHistory({ from: log, to, app, together: TOGETHER, ...told })
      if (events === 0) throw noLog(`${log.called} has no events of ${app}`)
    } finally {
      await store.close()
    }
    return await backup(directory, log.called, options)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Events in one transaction of the embedded store. */
const TOGETHER = 1000

async function backup(
  directory: string,
  of: string,
  { to, now = Date.now, onProgress }: BackupOptions,
): Promise<Backup> {
  const apps = LogSurvey.of(directory, (survey) => survey.apps())
  if (!apps) throw noLog(`${directory} has no log`)
  const takenAt = new Date(now()).toISOString()
  const file = await place(to, apps, takenAt)
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`
  try {
    const size = (bytes: number, total: number) => onProgress?.({ phase: 'writing', part: Math.min(1, bytes / total) })
    onProgress?.({ phase: 'writing', part: 0 })
    await writeImage({ directory, image: partial, onProgress: size })
    await sync(partial)
    onProgress?.({ phase: 'checking', events: 0 })
    const { unfinished, head, ...contents } = await inspectImage(partial, (events) =>
      onProgress?.({ phase: 'checking', events }),
    )
    const facts: BackupFacts = {
      ...contents,
      head: `${head}`,
      bytes: statSync(partial).size,
      sha256: await hashOf(partial),
      takenAt,
      of,
      version: ownVersion(),
    }
    await writeDurably(manifestFile(partial), manifestText(facts))
    await publish(partial, file, 'nothing')
    await publish(manifestFile(partial), manifestFile(file), 'what is there')
    return { file, unfinished, ...facts }
  } catch (error) {
    if (error instanceof StoreError) throw error
    if (isThere(error)) throw exists(file)
    throw diskTrouble(`The backup ${file} cannot be written`, error)
  } finally {
    // SQLite leaves a journal where the disk was full.
    for (const left of [partial, `${partial}-journal`, manifestFile(partial)]) await rm(left, { force: true })
  }
}

async function place(to: string, apps: readonly string[], takenAt: string): Promise<string> {
  const name = `${apps.join('+').slice(0, 100)}-${takenAt.replace(/[-:]|\.\d+/g, '')}.db`
  const file = isDirectory(to) ? join(resolve(to), name) : resolve(to)
  try {
    await mkdir(dirname(file), { recursive: true })
  } catch (error) {
    throw diskTrouble(`The directory ${dirname(file)} cannot be made`, error)
  }
  if (existsSync(file) || existsSync(manifestFile(file))) throw exists(file)
  return file
}

function isDirectory(to: string): boolean {
  return /[/\\]$/.test(to) || (statSync(to, { throwIfNoEntry: false })?.isDirectory() ?? false)
}

function isThere(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST'
}

function exists(file: string): CopyRefused {
  return new CopyRefused(
    'exists',
    `There is a backup at ${file}. It is never overwritten: choose another name, or delete it.`,
  )
}

function noLog(found: string): CopyRefused {
  return new CopyRefused(
    'no-log',
    `${found}: there is nothing to back up. Name the data directory with --data, or --app.`,
  )
}
