/** Starts an app: opens its log and read models, and puts a node to work on them. */
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ActorSystem, type Clock, openSqliteSnapshots, type SnapshotStore, systemClock } from '../actors/index.ts'
import {
  assertHere,
  assertNothingLeft,
  type EventStore,
  type JsonObject,
  lockDirectory,
  openEventStoreDB,
  openMemoryStore,
  openSqliteStore,
  StoreUnavailable,
  streamPrefix,
} from '../events/index.ts'
import {
  announceFromThread,
  type CallbackSettings,
  DateWatch,
  LoopWatch,
  type MakeAnnouncer,
  Node,
} from '../execution/index.ts'
import { openReadModels, openReadModelsInWorker, type ReadModels } from '../projections/index.ts'
import type { App } from './app.ts'
import { Engine } from './engine.ts'
import { handlersOf } from './handlers.ts'
import { jobJson } from './job-json.ts'
import { inGuest } from './process/in-guest.ts'
import { processesOf, warm } from './process/start.ts'
import { tellTrouble } from './trouble.ts'

export interface StartOptions {
  /** Directory of the log and its read models, or 'memory' for one that is gone with the process. Default '.capsule'. */
  readonly data?: string
  /**
   * Connection string (`esdb://…`, `kurrentdb://…`) of the log of a cluster: this process is one of several nodes. `data`
   * then holds only this node's read models and snapshots, which may be deleted; each node has its own.
   */
  readonly eventstore?: string
  /** A log that is open already, instead of `data`; its read models are kept in memory. Closed when the app stops. */
  readonly store?: EventStore
  /** Other nodes append to `store` too: this one is one of several, and does not close it. Default false. */
  readonly shared?: boolean
  /** URL of the file that exports the app, for its process tasks. Default: the app's own. */
  readonly entry?: string
  /** Directory that retired streams go to. Default: `archive` in the data directory; none for a log in memory. */
  readonly archive?: string
  /** Where process tasks run: each in a process of its own (default), or in this one, for tests. */
  readonly processTasks?: 'apart' | 'here'
  /** Of the app's package, with the commit if known; recorded with every start of a task. */
  readonly version?: string
  readonly clock?: Clock
  /** 0 ≤ random() < 1, for the jitter of backoff. */
  readonly random?: () => number
  /** With `shared`: how this node says that it is there. Default: from the main thread, over `store`. */
  readonly announcer?: MakeAnnouncer
  /** As of `createApp`, for an app that does not say. */
  readonly callbackSecret?: string
  readonly allowPrivateCallbacks?: boolean
  /** Told what went wrong that nobody waits for. Default: stderr. */
  readonly report?: (error: unknown, doing: string) => void
}

/** How long a node waits at its start for servers that do not answer. */
const SERVERS_START_MS = 60_000
const ASK_AGAIN_MS = 500

/**
 * Resolves when the app works: the log is caught up with, and what a crash left is put right.
 * @throws DataDirectoryInUse, StoreUnavailable, StoreCorrupt; LogMoved when the log of `data` goes on elsewhere, LogNotMoved when
 * `data` holds an embedded log with work that `eventstore` would leave behind; TypeError if the app runs already, a process task's file
 * is not known, or the connection string cannot be used
 */
export async function startApp(app: App, options: StartOptions = {}): Promise<Engine> {
  const { data = '.capsule', version = '0.0.0', clock = systemClock, random = Math.random } = options
  const { report = tellTrouble((line) => process.stderr.write(line)) } = options
  if (inGuest()) {
    throw new TypeError(
      `The app ${app.name} runs already: this is the process of one of its tasks, which imports the app's file. ` +
        'Start the app from another file, or behind: if (import.meta.main)',
    )
  }
  app.assertIdle()
  if (data === '') throw new TypeError("The data directory is empty text: name one, or 'memory' for no directory.")
  const processes = options.processTasks === 'here' ? undefined : processesOf(app, options.entry, clock)
  const { eventstore } = options
  const { store, reads, snapshots, release } =
    eventstore !== undefined
      ? await inCluster(app, eventstore, data, report)
      : options.store || data === 'memory'
        ? await inMemory(app, options.store ?? openMemoryStore({ now: () => clock.now() }), report)
        : await inDirectory(app, data, report)
  const announcer = options.announcer ?? (eventstore === undefined ? undefined : announceFromThread(eventstore))
  // Where time is moved by hand, the loop's delays mean nothing.
  const watch = clock === systemClock ? new LoopWatch({ report }) : undefined
  let dates: DateWatch | undefined
  let started: Engine | undefined
  try {
    const system = new ActorSystem({
      app: app.name,
      store,
      clock,
      exclusive: !options.shared && eventstore === undefined,
      ...(snapshots ? { snapshots: { store: snapshots, report } } : {}),
    })
    const id = randomBytes(6).toString('hex')
    const callbacks = callbacksOf(app, options)
    const node = new Node({
      system,
      store,
      reads,
      id,
      version,
      manifest: manifestOf(app),
      handlers: handlersOf(app, {
        system,
        reads,
        node: id,
        watch,
        apart: processes && { processes, runs: { taskApi: (name) => engine.taskApi(name) } },
      }),
      // What goes to the log is data: a handler in it would make every start look like a changed schedule.
      schedules: [...app.schedules.values()].map(({ handler: _, ...declared }) => declared),
      concurrency: app.concurrency,
      callbacks,
      random,
      ...(announcer ? { announcer } : {}),
      report,
    })
    if (clock === systemClock) dates = new DateWatch({ onSet: () => node.dateSet() })
    const { allowPrivate } = callbacks
    const archive = options.archive ?? (options.store || data === 'memory' ? undefined : join(resolve(data), 'archive'))
    const engine = new Engine({
      app,
      version,
      system,
      store,
      reads,
      node,
      allowPrivateCallbacks: allowPrivate,
      ...(archive === undefined ? {} : { archive }),
      ownsStore: !options.shared,
      close: async () => {
        watch?.close()
        dates?.close()
        await processes?.close()
        snapshots?.close()
      },
      ...(release ? { release } : {}),
    })
    app.runOn(engine)
    started = engine
    await node.start()
    if (processes) warm(processes, app)
    return engine
  } catch (error) {
    if (started) app.runNoMore(started)
    watch?.close()
    dates?.close()
    await processes?.close()
    snapshots?.close()
    await reads.close()
    if (!options.shared) await store.close()
    release?.()
    throw error
  }
}

function callbacksOf(app: App, options: StartOptions): CallbackSettings {
  return {
    secret: app.callbackSecret ?? options.callbackSecret,
    allowPrivate: app.allowPrivateCallbacks ?? options.allowPrivateCallbacks ?? false,
    describe: (job) => JSON.stringify(jobJson(job)),
  }
}

interface Opened {
  readonly store: EventStore
  readonly reads: ReadModels
  /** Not of a log that is gone with the process. */
  readonly snapshots?: SnapshotStore
  /** Lets go of the directory, last of all. */
  readonly release?: () => void
}

async function inMemory(app: App, store: EventStore, report: (error: unknown, doing: string) => void): Promise<Opened> {
  const reads = await openReadModels({ app: app.name, store, onError: (error) => report(error, 'projecting') })
  return { store, reads }
}

async function inDirectory(app: App, data: string, report: (error: unknown, doing: string) => void): Promise<Opened> {
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

async function inCluster(
  app: App,
  eventstore: string,
  data: string,
  report: (error: unknown, doing: string) => void,
): Promise<Opened> {
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
function openSnapshots(directory: string, report: (error: unknown, doing: string) => void): SnapshotStore {
  return openSqliteSnapshots({ file: join(directory, 'snapshots.db'), report })
}

/** The servers of a cluster are often started, or restarted, together with its nodes. */
async function untilReachable(store: EventStore, report: (error: unknown, doing: string) => void): Promise<void> {
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
    await mkdir(directory, { recursive: true })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new StoreUnavailable(
      `The data directory ${directory} cannot be made (${why}). Choose another one with --data.`,
      { retryable: false, cause },
    )
  }
}

/** What the app declares, as other nodes and later readers of the log see it. */
function manifestOf(app: App): JsonObject {
  return {
    app: app.name,
    tasks: [...app.tasks.keys()],
    schedules: [...app.schedules.values()].map(({ name, cron, timezone }) => ({ name, cron, timezone })),
    pages: app.pages.map(({ name }) => name),
  }
}
