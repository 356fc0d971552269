/**
 * Moves the log of an app from a directory to a cluster, or back, or between directories. What must not happen is that the
 * app goes on in two places: the source must be at rest, and says afterwards where its log has gone.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { EventStore } from '../store.ts'
import { addressOf, isConnectionString, openEventStoreDB } from '../stores/eventstoredb/index.ts'
import { EVENTS_FILE, openSqliteStore } from '../stores/sqlite/index.ts'
import { streamPrefix } from '../streams.ts'
import { type Copied, type CopyProgress, copyHistory } from './copy.ts'
import { CopyRefused } from './errors.ts'
import { assertWhole, writeMoved } from './moved.ts'

/** Where a log is: a directory, or a connection string. */
export type Place = { readonly directory: string } | { readonly url: string }

export function placeOf(text: string): Place {
  return isConnectionString(text) ? { url: text } : { directory: resolve(text) }
}

/** The place as people may see it: no password in it. */
export function nameOf(place: Place): string {
  return 'url' in place ? addressOf(place.url) : place.directory
}

export interface MigrateOptions {
  readonly from: Place
  readonly to: Place
  readonly app: string
  /** Milliseconds since the epoch, for the note in the source. Default: Date.now. */
  readonly now?: () => number
  /** Waits for a sign of life of nodes, and before an append is repeated. Default: a timer. */
  readonly pause?: (ms: number) => Promise<void>
  readonly onProgress?: (progress: CopyProgress | { readonly phase: 'listening' }) => void
}

/** Nodes announce themselves every two seconds. */
const LISTEN_MS = 5000
/** Events in one transaction of the embedded store. */
const TOGETHER = 1000

/**
 * Resolves when the target has the whole history, read back and verified. Run again it goes on where it was cut off.
 * @throws CopyRefused, ChainBroken, DataDirectoryInUse, StoreUnavailable, StoreCorrupt
 */
export async function migrateLog(options: MigrateOptions): Promise<Copied> {
  const { from, to, app, now = Date.now } = options
  if (nameOf(from) === nameOf(to))
    throw new CopyRefused('exists', `The log is at ${nameOf(to)} already. Name another target.`)
  const at = new Date(now()).toISOString()
  const source = await openSource(from, app, nameOf(to))
  try {
    // Before anything is made at the target.
    if ((await source.readAll({ prefixes: [streamPrefix(app)], limit: 1 })).length === 0) throw nothing(from, app)
    const target = await open(to, app)
    try {
      await Promise.all([atRest(from, source, options), atRest(to, target, options)])
      const copied = await copy(source, target, options, async () => {
        if ('directory' in to) await writeMoved(to.directory, app, { is: 'arriving', from: nameOf(from), at })
      })
      if ('directory' in from) {
        await writeMoved(from.directory, app, { is: 'moved', to: nameOf(to), at, head: `${copied.upTo}` })
      }
      // Last: as long as this is there, nobody goes on in either place.
      if ('directory' in to) await writeMoved(to.directory, app, undefined)
      return copied
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

async function openSource(place: Place, app: string, to: string): Promise<EventStore> {
  if ('directory' in place) {
    if (!existsSync(join(place.directory, EVENTS_FILE))) {
      throw new CopyRefused('no-log', `${place.directory} has no log. Name the data directory with --from.`)
    }
    assertWhole(place.directory, app, to)
  }
  return open(place, app)
}

/** A directory is taken: nobody else uses it meanwhile. */
async function open(place: Place, app: string): Promise<EventStore> {
  if ('directory' in place) return openSqliteStore({ directory: place.directory })
  return openEventStoreDB({ url: place.url, prefix: streamPrefix(app) })
}

async function copy(
  source: EventStore,
  target: EventStore,
  options: MigrateOptions,
  onBegin: () => Promise<void>,
): Promise<Copied> {
  const { from, to, app, pause, onProgress } = options
  const copied = await copyHistory({
    from: { store: source, called: nameOf(from) },
    to: { store: target, called: nameOf(to) },
    app,
    onBegin,
    ...('directory' in to && { together: TOGETHER }),
    ...(pause && { pause }),
    ...(onProgress && { onProgress }),
  })
  if (copied.events === 0) throw nothing(from, app)
  if ((await source.head()) !== copied.upTo) throw inUse(nameOf(from), app, 'it has grown meanwhile')
  return copied
}

/** A cluster has no lock to take: its nodes are heard. @throws CopyRefused */
async function atRest(place: Place, store: EventStore, options: MigrateOptions): Promise<void> {
  if ('directory' in place) return
  const { app, pause = (ms) => setTimeout(ms), onProgress } = options
  onProgress?.({ phase: 'listening' })
  const before = await store.head()
  await pause(LISTEN_MS)
  const signs = await store.readAll({ from: before, prefixes: [streamPrefix(app, 'node')] })
  const sign = signs.find(({ type }) => type !== 'NodeStopped')
  if (sign) throw inUse(nameOf(place), app, `${sign.stream} is at work`)
}

function inUse(called: string, app: string, why: string): CopyRefused {
  return new CopyRefused(
    'in-use',
    `The log of ${app} at ${called} is in use: ${why}. Stop all its nodes, and run this again.`,
  )
}

function nothing(from: Place, app: string): CopyRefused {
  return new CopyRefused('no-log', `${nameOf(from)} has no events of ${app}. Check the name of the app.`)
}
