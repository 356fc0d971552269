/** Opens what an app stands on: its log, its read models and its snapshots, in memory, in a directory or on a cluster. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { openSqliteSnapshots, type Report, type SnapshotStore, systemClock } from '../actors/index.ts'
import {
  assertHere,
  assertNothingLeft,
  type EventStore,
  lockDirectory,
  openEventStoreDB,
  openSqliteStore,
  StoreUnavailable,
  streamPrefix,
} from '../events/index.ts'
import { openReadModels, openReadModelsInWorker, type ReadModels } from '../projections/index.ts'
import type { App } from './app.ts'

/** How long a node waits at its start for servers that do not answer. */
const SERVERS_START_MS = 60_000
const ASK_AGAIN_MS = 500

export interface Opened {
  readonly store: EventStore
  readonly reads: ReadModels
  /** Not of a log that is gone with the process. */
  readonly snapshots?: SnapshotStore
  /** Lets go of the directory, last of all. */
  readonly release?: () => void
}

export async function inMemory(app: App, store: EventStore, report: Report): Promise<Opened> {
  const reads = await openReadModels({ app: app.name, store, onError: (error) => report(error, 'projecting') })
  return { store, reads }
}

export async function inDirectory(app: App, data: string, report: Report): Promise<Opened> {
  const directory = resolve(data)
  await makeDirectory(directory)
  const store = await openSqliteStore({ directory })
  try {
    assertHere(directory, app.name)
    const reads = await openReadModelsInWorker({
      app: app.name,
      directory,
      signal: store.signal,
      onError: (error) => report(error, 'projecting'),
    })
    return { store, reads, snapshots: openSnapshots(directory, report) }
  } catch (error) {
    await store.close()
    throw error
  }
}

export async function inCluster(app: App, eventstore: string, data: string, report: Report): Promise<Opened> {
  if (data === 'memory') {
    throw new TypeError('A node of a cluster keeps its read models in a directory: give one of its own with --data.')
  }
  const directory = resolve(data)
  await makeDirectory(directory)
  // Two nodes that wrote the same read.db would spoil it for each other.
  const lock = lockDirectory(directory)
  let store: EventStore | undefined
  try {
    const left = assertNothingLeft(directory, app.name)
    if (left !== undefined) report(left, 'starting')
    store = await openEventStoreDB({ url: eventstore, prefix: streamPrefix(app.name) })
    await untilReachable(store, report)
    const onError = (error: Error) => report(error, 'projecting')
    const reads = await openReadModelsInWorker({ app: app.name, directory, eventstore, onError })
    return { store, reads, snapshots: openSnapshots(directory, report), release: () => lock.release() }
  } catch (error) {
    await store?.close()
    lock.release()
    throw error
  }
}

/** The directory is this process's alone by now. */
function openSnapshots(directory: string, report: Report): SnapshotStore {
  return openSqliteSnapshots({ file: join(directory, 'snapshots.db'), report })
}

/** The servers of a cluster are often started, or restarted, together with its nodes. */
async function untilReachable(store: EventStore, report: Report): Promise<void> {
  const giveUpAt = systemClock.monotonic() + SERVERS_START_MS
  for (let isFirst = true; ; isFirst = false) {
    try {
      await store.head()
      return
    } catch (error) {
      const again = error instanceof StoreUnavailable && error.retryable && systemClock.monotonic() < giveUpAt
      if (!again) throw error
      if (isFirst) report(error, 'waiting for the event store')
      await new Promise<void>((resolve) => systemClock.after(ASK_AGAIN_MS, resolve))
    }
  }
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await makeAll(directory)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new StoreUnavailable(
      `The data directory ${directory} cannot be made (${why}). Choose another one with --data.`,
      { retryable: false, cause },
    )
  }
}

/** Not with `recursive`: where the directory above is there and takes none (/proc), that goes on for ever. */
async function makeAll(directory: string): Promise<void> {
  if (await isDirectory(directory)) return
  const above = dirname(directory)
  if (above !== directory) await makeAll(above)
  try {
    await mkdir(directory)
  } catch (error) {
    // Another process may have been faster.
    if (!(await isDirectory(directory))) throw error
  }
}

async function isDirectory(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() ?? false
}
