/** One process of the simulated app: a node with all that belongs to it, on a connection that can be cut. */
import { ActorSystem, type ActorSystemOptions, type Clock, type SnapshotStore } from '../../src/actors/index.ts'
import { Engine } from '../../src/app/engine.ts'
import { handlersOf } from '../../src/app/handlers.ts'
import type { App } from '../../src/app/index.ts'
import type { EventStore } from '../../src/events/index.ts'
import { Node } from '../../src/execution/index.ts'
import { openReadModels, type ReadClock, type ReadModels } from '../../src/projections/index.ts'
import type { Connection, FaultyLog } from './faulty-log.ts'
import { type Execution, simulatedApp } from './simulated-app.ts'

export interface ProcessOptions {
  readonly id: string
  readonly log: FaultyLog
  readonly concurrency: number
  /** Actors that stay in memory: few, so that they come and go. */
  readonly residents: number
  readonly scheduled: boolean
  /** Nobody else is connected to the log, or will be before this one is gone. */
  readonly alone: boolean
  readonly newId: () => string
  readonly random: () => number
  readonly executions: Execution[]
  /** Of the directory that the process uses: those of processes before it, perhaps old ones. */
  readonly snapshots: SnapshotStore
  readonly report: (error: unknown, doing: string) => void
  /** For mutations: what stands between the node and its connection. */
  readonly wrapStore?: ((store: EventStore) => EventStore) | undefined
  /** For mutations: the actor system, or one that breaks a rule. */
  readonly makeSystem?: ((options: ActorSystemOptions) => ActorSystem) | undefined
  /** For mutations: the node's time. */
  readonly wrapClock?: ((clock: Clock) => Clock) | undefined
}

/** Often: few streams of a simulated life are longer. */
const SNAPSHOT_EVERY = 3

export class Process {
  readonly id: string
  readonly engine: Engine
  readonly #app: App
  readonly #node: Node
  readonly #reads: ReadModels
  readonly #connection: Connection

  private constructor(id: string, connection: Connection, app: App, node: Node, reads: ReadModels, engine: Engine) {
    this.id = id
    this.engine = engine
    this.#app = app
    this.#node = node
    this.#reads = reads
    this.#connection = connection
  }

  /**
   * Starts one. The process is handed out at once, since it may be killed while it starts.
   * @throws StoreUnavailable when the log cannot be reached
   */
  static async open(options: ProcessOptions, connection: Connection): Promise<Process> {
    const { id, concurrency, residents, random, wrapStore = (store) => store } = options
    const { makeSystem = (system) => new ActorSystem(system) } = options
    const clock = options.wrapClock?.(connection.clock) ?? connection.clock
    const report = (error: unknown, doing: string): void => {
      if (!connection.isCut) options.report(error, doing)
    }
    const store = wrapStore(connection)
    const app = simulatedApp({ process: id, clock, concurrency, executions: options.executions }, options.scheduled)
    const readClock: ReadClock = {
      monotonic: () => clock.monotonic(),
      after(ms, run) {
        const timer = clock.at(clock.now() + ms, run)
        return () => timer.cancel()
      },
    }
    const onError = (error: Error): void => report(error, 'projecting')
    const reads = await openReadModels({ app: app.name, store, clock: readClock, onError })
    const system = makeSystem({
      app: app.name,
      store,
      clock,
      exclusive: options.alone,
      residents,
      newId: options.newId,
      snapshots: { store: options.snapshots, every: SNAPSHOT_EVERY, report },
    })
    const node = new Node({
      system,
      store,
      reads,
      id,
      version: '0.0.0',
      manifest: { schedules: [...app.schedules.keys()].map((name) => ({ name })) },
      handlers: handlersOf(app, { system, reads, node: id }),
      schedules: [...app.schedules.values()].map(({ handler: _, ...declared }) => declared),
      concurrency,
      callbacks: { allowPrivate: false, describe: ({ id, status }) => JSON.stringify({ id, status }) },
      random,
      report,
    })
    const engine = new Engine({
      app,
      version: '0.0.0',
      system,
      store,
      ownsStore: true,
      reads,
      node,
      close: async () => {},
    })
    app.runOn(engine)
    return new Process(id, connection, app, node, reads, engine)
  }

  start(): Promise<void> {
    return this.#node.start()
  }

  /** Nothing runs or waits to run, as far as the node knows. */
  get isQuiet(): boolean {
    const { running, live } = this.#node.work
    return running === 0 && live === 0
  }

  get isGone(): boolean {
    return this.#connection.isCut
  }

  crash(): void {
    this.#connection.cut()
    this.#app.runNoMore()
    void this.#reads.close()
  }

  /** Drains and stops. */
  async stop(drainMs: number): Promise<void> {
    await this.engine.stop({ drainMs })
  }
}
