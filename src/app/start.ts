/** Starts an app: opens its log and read models, and puts a node to work on them. */
import { randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import { ActorSystem, type Clock, type Report, type SnapshotStore, systemClock } from '../actors/index.ts'
import { type EventStore, type JsonObject, openMemoryStore } from '../events/index.ts'
import {
  announceFromThread,
  type CallbackSettings,
  DateWatch,
  LoopWatch,
  type MakeAnnouncer,
  Node,
  type TaskProcesses,
} from '../execution/index.ts'
import type { App } from './app.ts'
import { Engine } from './engine.ts'
import { handlersOf } from './handlers.ts'
import { jobJson } from './job-json.ts'
import { LogWatch } from './log-watch.ts'
import { inCluster, inDirectory, inMemory, type Opened } from './opened.ts'
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
  readonly report?: Report
}

/** What the options say, with their defaults. */
type Settings = Omit<StartOptions, 'data' | 'version' | 'clock' | 'random' | 'report'> &
  Required<Pick<StartOptions, 'data' | 'version' | 'clock' | 'random' | 'report'>>

/**
 * Resolves when the app works: the log is caught up with, and what a crash left is put right.
 * @throws DataDirectoryInUse, StoreUnavailable, StoreCorrupt; LogMoved when the log of `data` goes on elsewhere, LogNotMoved when
 * `data` holds an embedded log with work that `eventstore` would leave behind; TypeError if the app runs already, a process task's file
 * is not known, or the connection string cannot be used
 */
export async function startApp(app: App, options: StartOptions = {}): Promise<Engine> {
  const settings: Settings = {
    ...options,
    data: options.data ?? '.capsule',
    version: options.version ?? '0.0.0',
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    report: options.report ?? tellTrouble((line) => process.stderr.write(line)),
  }
  assertStartable(app, settings)
  const processes = settings.processTasks === 'here' ? undefined : processesOf(app, settings.entry, settings.clock)
  const opened = await open(app, settings)
  const beside = new Beside(settings, processes, opened.snapshots)
  let started: Engine | undefined
  try {
    const { system, node, engine } = assemble(app, settings, opened, beside)
    beside.look(system, node)
    app.runOn(engine)
    started = engine
    await node.start()
    if (processes) warm(processes, app)
    return engine
  } catch (error) {
    if (started) app.runNoMore(started)
    await beside.close()
    await opened.reads.close()
    if (!settings.shared) await opened.store.close()
    opened.release?.()
    throw error
  }
}

function assertStartable(app: App, { data }: Settings): void {
  if (inGuest()) {
    throw new TypeError(
      `The app ${app.name} runs already: this is the process of one of its tasks, which imports the app's file. ` +
        'Start the app from another file, or behind: if (import.meta.main)',
    )
  }
  app.assertIdle()
  if (data === '') throw new TypeError("The data directory is empty text: name one, or 'memory' for no directory.")
}

function open(app: App, { eventstore, data, store, clock, report }: Settings): Promise<Opened> {
  if (eventstore !== undefined) return inCluster(app, eventstore, data, report)
  if (store || data === 'memory') return inMemory(app, store ?? openMemoryStore({ now: () => clock.now() }), report)
  return inDirectory(app, data, report)
}

/** What goes on beside the node, and ends after it. */
class Beside {
  readonly processes: TaskProcesses | undefined
  /** Where time is moved by hand, the loop's delays mean nothing. */
  readonly watch: LoopWatch | undefined
  readonly #isRealTime: boolean
  readonly #report: Report
  readonly #snapshots: SnapshotStore | undefined
  #dates: DateWatch | undefined
  #appends: LogWatch | undefined

  constructor({ clock, report }: Settings, processes: TaskProcesses | undefined, snapshots: SnapshotStore | undefined) {
    this.processes = processes
    this.#report = report
    this.#snapshots = snapshots
    this.#isRealTime = clock === systemClock
    this.watch = this.#isRealTime ? new LoopWatch({ report }) : undefined
  }

  look(system: ActorSystem, node: Node): void {
    if (!this.#isRealTime) return
    this.#dates = new DateWatch({ onSet: () => node.dateSet() })
    this.#appends = new LogWatch(system, this.#report)
  }

  async close(): Promise<void> {
    this.watch?.close()
    this.#dates?.close()
    this.#appends?.close()
    await this.processes?.close()
    this.#snapshots?.close()
  }
}

/** The actors, the node that works on them, and the engine that others speak to; nothing runs yet. */
function assemble(
  app: App,
  settings: Settings,
  { store, reads, snapshots, release }: Opened,
  beside: Beside,
): { readonly system: ActorSystem; readonly node: Node; readonly engine: Engine } {
  const { data, version, clock, random, report, eventstore } = settings
  const { processes, watch } = beside
  const announcer = settings.announcer ?? (eventstore === undefined ? undefined : announceFromThread(eventstore))
  const system = new ActorSystem({
    app: app.name,
    store,
    clock,
    exclusive: !settings.shared && eventstore === undefined,
    ...(snapshots ? { snapshots: { store: snapshots, report } } : {}),
  })
  const id = randomBytes(6).toString('hex')
  const callbacks = callbacksOf(app, settings)
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
  const { allowPrivate } = callbacks
  const archive = settings.archive ?? (settings.store || data === 'memory' ? undefined : join(resolve(data), 'archive'))
  const engine = new Engine({
    app,
    version,
    system,
    store,
    reads,
    node,
    allowPrivateCallbacks: allowPrivate,
    ...(archive === undefined ? {} : { archive }),
    ownsStore: !settings.shared,
    close: () => beside.close(),
    ...(release ? { release } : {}),
  })
  return { system, node, engine }
}

function callbacksOf(app: App, options: Settings): CallbackSettings {
  return {
    secret: app.callbackSecret ?? options.callbackSecret,
    allowPrivate: app.allowPrivateCallbacks ?? options.allowPrivateCallbacks ?? false,
    describe: (job) => JSON.stringify(jobJson(job)),
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
