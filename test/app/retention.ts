/** A log with a past for tests of retention, and processes that retire from it and may die on the way. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { ActorSystem, lockKind, ManualClock, scheduleKind, sessionKind, taskKind } from '../../src/actors/index.ts'
import { type RetireOptions, type RetireOutcome, type RetireParts, retire } from '../../src/app/retention/retire.ts'
import {
  type EventStore,
  openMemoryStore,
  openSqliteStore,
  type RecordedEvent,
  START,
  type Submission,
  type TaskError,
} from '../../src/events/index.ts'
import { openReadModels, type ReadModels } from '../../src/projections/index.ts'
import { submission } from '../projections/support.ts'

export const APP = 'demo'
const DAY = 24 * 3600_000
const OWN = { by: 'system' } as const
const ERROR: TaskError = { type: 'Error', message: 'broken', retryable: false }

export async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'capsule-retention-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return made
}

export type StoreName = 'memory' | 'sqlite'

export async function world(name: StoreName = 'memory') {
  const clock = new ManualClock()
  const now = () => clock.now()
  const store =
    name === 'memory' ? openMemoryStore({ now }) : await openSqliteStore({ directory: await directory(), now })
  onTestFinished(() => store.close())
  return new World(store, clock, await directory())
}

export class World {
  readonly store: EventStore
  readonly clock: ManualClock
  readonly archive: string
  readonly system: ActorSystem

  constructor(store: EventStore, clock: ManualClock, archive: string) {
    this.store = store
    this.clock = clock
    this.archive = archive
    this.system = new ActorSystem({ app: APP, store, clock })
  }

  async submit(id: string, changes: Partial<Submission> = {}): Promise<void> {
    await this.system.execute(taskKind, id, { type: 'submit', submission: submission(changes) }, OWN)
  }

  /** A task that ended now. */
  async task(id: string, end: 'completed' | 'failed' | 'cancelled', changes: Partial<Submission> = {}): Promise<void> {
    await this.submit(id, changes)
    await this.end(id, end)
  }

  async end(id: string, end: 'completed' | 'failed' | 'cancelled'): Promise<void> {
    if (end === 'cancelled') {
      await this.system.execute(taskKind, id, { type: 'cancel' }, OWN)
      return
    }
    const { state } = await this.system.execute(taskKind, id, { type: 'start', node: 'n' }, OWN)
    const claim = state.context.claim?.id ?? ''
    const command =
      end === 'completed'
        ? ({ type: 'complete', claim, result: { of: id } } as const)
        : ({ type: 'fail', claim, error: ERROR, delayMs: 0 } as const)
    await this.system.execute(taskKind, id, command, OWN)
  }

  async session(id: string): Promise<void> {
    await this.system.execute(sessionKind, id, { type: 'start', ownerId: 'local' }, OWN)
    await this.system.execute(sessionKind, id, { type: 'receive', messageId: `of-${id}`, text: 'hello' }, OWN)
  }

  async lock(key: string, taskId: string): Promise<void> {
    const acquire = { type: 'acquire', key, taskId, name: 'build_report', ownerId: 'local', onLocked: 'queue' } as const
    await this.system.execute(lockKind, key, acquire, OWN)
  }

  async unlock(key: string, taskId: string): Promise<void> {
    await this.system.execute(lockKind, key, { type: 'release', taskId, reason: 'ended' }, OWN)
  }

  async schedule(name: string): Promise<void> {
    const definition = { cron: '0 * * * *', timezone: 'UTC', overlap: 'skip', missed: 'latest' } as const
    await this.system.execute(scheduleKind, name, { type: 'register', name, definition }, OWN)
  }

  days(n: number): Promise<void> {
    return this.clock.advance(n * DAY)
  }

  async events(): Promise<readonly RecordedEvent[]> {
    return this.store.readAll({ from: START, limit: 100_000 })
  }

  /** Names of the streams in the log, without the app's. */
  async streams(): Promise<string[]> {
    return [...new Set((await this.events()).map(({ stream }) => stream.slice(APP.length + 1)))].sort()
  }

  /** Streams whose going is recorded, in order. */
  async recorded(): Promise<string[]> {
    const audit = await this.store.readStream(`${APP}.audit`)
    return audit.map(({ data }) => String(data.stream).slice(APP.length + 1))
  }

  /** A process of its own: what is resident is of this one alone. It sees `store`, which may fail it. */
  async process(store: EventStore = this.store): Promise<Process> {
    const reads = await openReadModels({ app: APP, store, onError: () => {} })
    const system = new ActorSystem({ app: APP, store, clock: this.clock })
    return new Process(this, { system, store, reads, archive: this.archive, by: 'system' }, reads)
  }

  /** One run of a process of its own: what ended 90 days ago goes. */
  async retire(options: Partial<RetireOptions> = {}, parts: Partial<RetireParts> = {}): Promise<RetireOutcome> {
    const process = await this.process(parts.store)
    try {
      return await process.retire(options, parts)
    } finally {
      await process.close()
    }
  }
}

export class Process {
  readonly reads: ReadModels
  readonly #world: World
  readonly #parts: RetireParts

  constructor(world: World, parts: RetireParts, reads: ReadModels) {
    this.#world = world
    this.#parts = parts
    this.reads = reads
  }

  retire(options: Partial<RetireOptions> = {}, parts: Partial<RetireParts> = {}): Promise<RetireOutcome> {
    const before = this.#world.clock.now() - 90 * DAY
    return retire({ ...this.#parts, ...parts }, { before, ...options })
  }

  async close(): Promise<void> {
    await this.reads.close()
  }
}
