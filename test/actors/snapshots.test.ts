/** Long streams start from snapshots, and nothing but the time of a load ever shows that they do. */
import { deserialize, serialize } from 'node:v8'
import { describe, expect, test } from 'vitest'
import {
  type ActorKind,
  ActorSystem,
  type ActorSystemOptions,
  HistoryCorrupt,
  type LimitCommand,
  type LimitContext,
  limitKind,
  ManualClock,
  MemorySnapshots,
  type Origin,
  type SettingCommand,
  type SettingContext,
  type Snapshot,
  type SnapshotStore,
  sessionKind,
  settingKind,
  taskKind,
} from '../../src/actors/index.ts'
import { type EventStore, openMemoryStore, StoreUnavailable } from '../../src/events/index.ts'
import { submission } from './given.ts'
import { CountingStore, unavailable, withAppend } from './stores.ts'

const BY: Origin = { by: 'user:ada' }
const EVERY = 5
const SCOPE = 'demo.setting-s'

/** Notes what it is asked. */
class WatchedSnapshots extends MemorySnapshots {
  readonly saved: { readonly stream: string; readonly revision: number }[] = []
  readonly dropped: string[] = []

  override save(stream: string, version: string, snapshot: Snapshot): void {
    this.saved.push({ stream, revision: snapshot.revision })
    super.save(stream, version, snapshot)
  }

  override drop(stream: string): void {
    this.dropped.push(stream)
    super.drop(stream)
  }
}

function systemOn(
  store: EventStore,
  snapshots: SnapshotStore,
  { every = EVERY, ...options }: Partial<ActorSystemOptions> & { readonly every?: number } = {},
): ActorSystem {
  const report = (error: unknown): never => {
    throw error
  }
  const clock = new ManualClock()
  return new ActorSystem({ app: 'demo', store, clock, snapshots: { store: snapshots, every, report }, ...options })
}

const set = (value: number, key = 'k'): SettingCommand => ({ type: 'set', key, value })

async function setMany(system: ActorSystem, count: number, from = 0): Promise<void> {
  for (let value = from; value < from + count; value++) await system.execute(settingKind, 's', set(value), BY)
  await saved()
}

/** Snapshots wait for turns of the event loop. */
async function saved(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve))
}

const valuesOf = async (system: ActorSystem) => (await system.read(settingKind, 's')).state.context.values

describe('a long stream', () => {
  // A promise: see docs/promises.md.
  test('of 10,000 events is loaded by reading no more than those after its snapshot', { timeout: 30_000 }, async () => {
    const store = new CountingStore()
    const snapshots = new MemorySnapshots()
    const writer = systemOn(store, snapshots, { every: 500, exclusive: true })
    await setMany(writer, 10_000)
    const before = await writer.read(settingKind, 's')
    const reader = systemOn(store, snapshots, { every: 500, exclusive: true })
    expect(await store.during(() => reader.read(settingKind, 's'))).toBeLessThanOrEqual(501)
    expect(await reader.read(settingKind, 's')).toEqual(before)
    expect(reader.peek(settingKind, 's')).toEqual(before.state)
  })

  test('is never read into memory as a whole, with and without a snapshot', async () => {
    const store = new CountingStore()
    const snapshots = new WatchedSnapshots()
    await setMany(systemOn(store, snapshots, { every: 500, exclusive: true }), 500)
    await setMany(systemOn(store, new MemorySnapshots(), { exclusive: true }), 5500, 500)
    const whole = await valuesOf(systemOn(store, new MemorySnapshots()))
    expect(await valuesOf(systemOn(store, snapshots, { every: 10_000 }))).toEqual(whole)
    expect(snapshots.dropped).toEqual([])
    expect(store.read).toBeGreaterThan(11_000)
    expect(store.most).toBeLessThanOrEqual(2000)
  })

  test('that is deleted while it is read is one that never was', async () => {
    const store = new CountingStore()
    const snapshots = new WatchedSnapshots()
    await setMany(systemOn(store, snapshots, { every: 500, exclusive: true }), 500)
    await setMany(systemOn(store, new MemorySnapshots(), { exclusive: true }), 5500, 500)
    for (const kept of [snapshots, new MemorySnapshots()]) {
      const deleting = new CountingStore(store)
      const { readStream } = deleting
      let reads = 0
      deleting.readStream = async (...of) => (++reads > 2 ? [] : readStream.apply(deleting, of))
      expect((await systemOn(deleting, kept).read(settingKind, 's')).state.context.revision).toBe(-1)
    }
    expect(snapshots.dropped).toEqual([SCOPE])
  })

  test('keeps its snapshot when the log gives no answer on the way', async () => {
    const store = new CountingStore()
    const snapshots = new WatchedSnapshots()
    await setMany(systemOn(store, snapshots, { every: 500, exclusive: true }), 500)
    await setMany(systemOn(store, new MemorySnapshots(), { exclusive: true }), 5500, 500)
    const failing = new CountingStore(store)
    const { readStream } = failing
    let reads = 0
    failing.readStream = async (...of) => {
      if (++reads > 1) throw new StoreUnavailable('no answer', { retryable: false })
      return readStream.apply(failing, of)
    }
    const system = systemOn(failing, snapshots)
    await expect(system.read(settingKind, 's')).rejects.toThrow('no answer')
    expect(snapshots.dropped).toEqual([])
    reads = Number.NEGATIVE_INFINITY
    expect((await system.read(settingKind, 's')).state.context.revision).toBe(5999)
  })

  test('that has none yet gets one when it is first read', async () => {
    const store = new CountingStore()
    const snapshots = new MemorySnapshots()
    await setMany(systemOn(store, new MemorySnapshots()), 23)
    const events = async () => store.during(() => valuesOf(systemOn(store, snapshots)))
    expect(await events()).toBe(23)
    await saved()
    expect(await events()).toBe(1)
  })

  test('comes back from its snapshot after it was dropped from memory, and goes on', async () => {
    const store = new CountingStore()
    const system = systemOn(store, new MemorySnapshots(), { residents: 1 })
    await setMany(system, 23)
    await system.read(settingKind, 'other')
    expect(await store.during(() => setMany(system, 2, 23))).toBeLessThanOrEqual(EVERY + 1)
    expect(await valuesOf(system)).toEqual({ k: 24 })
    // The chain of hashes goes on from the snapshot's.
    expect(await valuesOf(systemOn(store, new MemorySnapshots()))).toEqual({ k: 24 })
  })

  test('gets a snapshot each time it has grown by so many events, after the answer', async () => {
    const store = openMemoryStore()
    const snapshots = new WatchedSnapshots()
    const system = systemOn(store, snapshots)
    for (let value = 0; value < EVERY; value++) await system.execute(settingKind, 's', set(value), BY)
    expect(snapshots.saved).toEqual([])
    await saved()
    for (let value = EVERY; value < 3 * EVERY; value++) {
      await system.execute(settingKind, 's', set(value), BY)
      await saved()
    }
    expect(snapshots.saved.map(({ revision }) => revision)).toEqual([4, 9, 14])
  })

  test('with a large state is kept more seldom, in proportion', async () => {
    const snapshots = new WatchedSnapshots()
    const system = systemOn(openMemoryStore(), snapshots)
    await system.execute(settingKind, 's', { type: 'set', key: 'large', value: 'x'.repeat(100 * 1024) }, BY)
    for (let value = 1; value < 30; value++) {
      await system.execute(settingKind, 's', set(value), BY)
      await saved()
    }
    expect(snapshots.saved.map(({ revision }) => revision)).toEqual([4, 14, 24])
  })

  test('is watched by an inspector from the snapshot on', async () => {
    const store = openMemoryStore()
    const snapshots = new MemorySnapshots()
    await setMany(systemOn(store, snapshots), 23)
    let seen: unknown
    const inspect: ActorSystemOptions['inspect'] = (event) => {
      if (event.type === '@xstate.snapshot' && 'context' in event.snapshot) seen = event.snapshot.context
    }
    const { state } = await systemOn(store, snapshots, { inspect }).read(settingKind, 's')
    expect(seen).toEqual(state.context)
  })

  test('is what a task seldom has: a short one is never kept', async () => {
    const snapshots = new WatchedSnapshots()
    const system = systemOn(openMemoryStore(), snapshots, { every: 500 })
    for (let n = 0; n < 20; n++) {
      await system.execute(taskKind, `t${n}`, { type: 'submit', submission: submission() }, { ...BY, fresh: true })
      await system.execute(taskKind, `t${n}`, { type: 'start', node: 'n1' }, BY)
    }
    await saved()
    expect(snapshots.saved).toEqual([])
  })
})

describe('a snapshot', () => {
  /** A log with 23 events whose last snapshot is of the first 20. */
  async function kept() {
    const store = new CountingStore()
    const snapshots = new WatchedSnapshots()
    await setMany(systemOn(store, snapshots), 23)
    return { store, snapshots }
  }

  test('of a stream that was deleted is not kept, nor one that was still to be', async () => {
    const store = openMemoryStore()
    const snapshots = new WatchedSnapshots()
    const system = systemOn(store, snapshots, { exclusive: true })
    for (let value = 0; value < EVERY; value++) await system.execute(settingKind, 's', set(value), BY)
    await system.deleteStream(SCOPE, BigInt(EVERY - 1))
    await saved()
    expect(snapshots.saved).toEqual([])
  })

  // A promise: see docs/promises.md.
  test('of a log that is not this one is dropped: of one that a backup has set back', async () => {
    const { store, snapshots } = await kept()
    const restored = openMemoryStore()
    for (const { id, type, data, metadata, revision } of (await store.readStream(SCOPE)).slice(0, 12)) {
      await restored.append(SCOPE, revision === 0n ? 'no-stream' : revision - 1n, [{ id, type, data, metadata }])
    }
    expect(await valuesOf(systemOn(restored, snapshots))).toEqual({ k: 11 })
    expect(snapshots.dropped).toEqual([SCOPE])
  })

  test('of a log that is not this one is dropped: of one that went on otherwise', async () => {
    const { store, snapshots } = await kept()
    const other = openMemoryStore()
    for (const { id, type, data, metadata, revision } of (await store.readStream(SCOPE)).slice(0, 12)) {
      await other.append(SCOPE, revision === 0n ? 'no-stream' : revision - 1n, [{ id, type, data, metadata }])
    }
    await setMany(systemOn(other, new MemorySnapshots()), 30, 100)
    expect(await valuesOf(systemOn(other, snapshots))).toEqual({ k: 129 })
    expect(snapshots.dropped).toEqual([SCOPE])
  })

  test.each([
    ['hash', { hash: 'f'.repeat(64), id: undefined }],
    ['id', { hash: undefined, id: crypto.randomUUID() }],
  ])('of an event that has another %s is dropped', async (_, changed) => {
    const { store, snapshots } = await kept()
    const forged = openMemoryStore()
    for (const { id, type, data, metadata, revision } of await store.readStream(SCOPE)) {
      const { hash = metadata.hash ?? '', ...last } = revision === 19n ? changed : { id: undefined }
      const event = { id: last.id ?? id, type, data, metadata: { ...metadata, hash } }
      await forged.append(SCOPE, revision === 0n ? 'no-stream' : revision - 1n, [event])
    }
    expect(await valuesOf(systemOn(forged, snapshots))).toEqual({ k: 22 })
    expect(snapshots.dropped).toEqual([SCOPE])
  })

  test('that other code took is not used, whichever of the two ran last', async () => {
    const { store, snapshots } = await kept()
    const counts = { ...settingKind, version: settingKind.version + 1, evolve: countSettings }
    const newer = async () => (await systemOn(store, snapshots).read(counting(counts), 's')).state.context.values
    expect(await newer()).toEqual({ count: 23 })
    await saved()
    expect(await valuesOf(systemOn(store, snapshots))).toEqual({ k: 22 })
    await saved()
    expect(await newer()).toEqual({ count: 23 })
  })

  test('after which the rest does not fit is not believed: the whole stream is', async () => {
    const store = openMemoryStore()
    const snapshots = new MemorySnapshots()
    const system = systemOn(store, snapshots)
    const messages = async (from: number, to: number) => {
      for (let n = from; n < to; n++) {
        await system.execute(
          sessionKind,
          'c',
          { type: 'receive', messageId: `m${n}`, text: 'hi', createFor: 'ada' },
          BY,
        )
      }
      await saved()
    }
    await messages(0, 7)
    // What an unnoticed change of the machine would leave: a state in which nothing may follow.
    const altered = new Altered(snapshots, (state) => ({ ...state, value: 'ended' }))
    const { state } = await systemOn(store, altered).read(sessionKind, 'c')
    expect(state.value).toBe('idle')
    expect(state.context.queue).toHaveLength(7)
  })

  test('hides no history that cannot be', async () => {
    const { store, snapshots } = await kept()
    const metadata = {
      at: new Date(0).toISOString(),
      by: 'system',
      correlationId: 'x',
      causationId: 'x',
      v: 1,
    } as const
    await store.append(SCOPE, 'any', [{ id: crypto.randomUUID(), type: 'Unheard', data: {}, metadata }])
    await expect(systemOn(store, snapshots).read(settingKind, 's')).rejects.toMatchObject({
      code: expect.stringMatching(/history-corrupt|written-by-newer-code/),
    })
  })

  test.each([
    ['was not recorded', false, 4],
    ['was recorded', true, 5],
  ])('is never of a state whose append had no answer: it %s', async (_, recorded, last) => {
    const log = openMemoryStore()
    const snapshots = new WatchedSnapshots()
    const store = withAppend(log, (append) => async (stream, expected, events) => {
      const isLost = events[0]?.data.value === 4
      if (recorded || !isLost) await append(stream, expected, events)
      if (isLost) throw unavailable()
      return append(stream, expected, events)
    })
    const system = systemOn(store, snapshots, { patienceMs: 0 })
    await setMany(system, 4)
    await expect(system.execute(settingKind, 's', set(4), BY)).rejects.toThrow('no answer')
    await saved()
    expect(snapshots.saved).toEqual([])
    await setMany(system, 1, 5)
    expect(snapshots.saved.map(({ revision }) => revision)).toEqual([last])
    expect(await valuesOf(systemOn(log, snapshots))).toEqual({ k: 5 })
  })

  test('after a conflict is of what the log says, not of what was decided in vain', async () => {
    const log = openMemoryStore()
    const snapshots = new WatchedSnapshots()
    const [here, there] = [systemOn(log, snapshots), systemOn(log, new MemorySnapshots())]
    for (let value = 0; value < 40; value += 2) {
      await Promise.all([
        here.execute(settingKind, 's', set(value), BY),
        there.execute(settingKind, 's', set(value + 1), BY),
      ])
      await saved()
    }
    expect(snapshots.saved.length).toBeGreaterThan(3)
    const whole = await systemOn(log, new MemorySnapshots()).read(settingKind, 's')
    expect(await systemOn(log, snapshots).read(settingKind, 's')).toEqual(whole)
  })

  test('keeps what time has to do with: a permit counts in its window, however the actor came back', async () => {
    const store = openMemoryStore()
    const clock = new ManualClock()
    const snapshots = new MemorySnapshots()
    const adjust = (claim: string): LimitCommand => ({
      type: 'adjust',
      wants: [{ taskId: claim, claim }],
      returns: [],
      rules: { rate: { limit: EVERY, perMs: 60_000 } },
    })
    const system = systemOn(store, snapshots, { clock })
    for (let n = 0; n < EVERY; n++) await system.execute(limitKind, 'l', adjust(`c${n}`), BY)
    await saved()
    await clock.advance(59_000)
    const taken = async () => {
      const { facts } = await systemOn(store, snapshots, { clock }).execute(limitKind, 'l', adjust('more'), BY)
      return facts.length
    }
    expect(await taken()).toBe(0)
    await clock.advance(1_000)
    expect(await taken()).toBe(1)
  })

  test('is not of another stream, though its key is nearly the same', async () => {
    const { store, snapshots } = await kept()
    expect((await systemOn(store, snapshots).read(settingKind, 's2')).state.context).toMatchObject({ values: {} })
  })
})

test('a corrupt history is still told by its place when there are snapshots', async () => {
  const store = openMemoryStore()
  const metadata = { at: new Date(0).toISOString(), by: 'system', correlationId: 'x', causationId: 'x', v: 1 } as const
  await store.append('demo.task-t1', 'no-stream', [
    { id: crypto.randomUUID(), type: 'TaskCompleted', data: {}, metadata },
  ])
  await expect(systemOn(store, new MemorySnapshots()).read(taskKind, 't1')).rejects.toThrow(HistoryCorrupt)
})

/** A machine that makes something else of the same facts. */
function countSettings(context: SettingContext): SettingContext {
  const { count = 0 } = context.values
  return { ...context, revision: context.revision + 1, values: { count: Number(count) + 1 } }
}

/** Compiled machines are remembered by their machine: another evolve needs another one. */
function counting(kind: ActorKind<SettingCommand, SettingContext>): typeof kind {
  return { ...kind, machine: kind.machine.provide({}) }
}

type Loose = { readonly value: string; readonly context: LimitContext }

/** Hands out other states than were kept. */
class Altered extends MemorySnapshots {
  readonly #snapshots: MemorySnapshots
  readonly #alter: (state: Loose) => Loose

  constructor(snapshots: MemorySnapshots, alter: (state: Loose) => Loose) {
    super()
    this.#snapshots = snapshots
    this.#alter = alter
  }

  override load(stream: string, version: string): Snapshot | undefined {
    const snapshot = this.#snapshots.load(stream, version)
    return snapshot && { ...snapshot, state: serialize(this.#alter(deserialize(snapshot.state) as Loose)) }
  }
}
