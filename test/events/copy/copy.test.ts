/** A copy of a history is that history, whichever stores it goes between, and however often it is cut off on the way. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  ChainBroken,
  CopyRefused,
  copyHistory,
  type EventStore,
  openEventStoreDB,
  openMemoryStore,
  openSqliteStore,
  StoreUnavailable,
} from '../../../src/events/index.ts'
import { FakeServer, Log } from '../eventstoredb/server.ts'
import { historyOf, Writer, writeHistory } from './histories.ts'

type Opened = EventStore & { readonly directory?: string }

const openers: Readonly<Record<string, () => Promise<Opened>>> = {
  memory: async () => openMemoryStore(),
  sqlite: async () => openSqliteStore({ directory: await temporary() }),
  eventstoredb: async () => {
    const server = await FakeServer.start({ log: new Log() })
    onTestFinished(() => server.kill())
    return openEventStoreDB({ url: server.url, prefix: 'demo.' })
  },
}

async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-copy-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }))
  return directory
}

async function open(kind: string): Promise<Opened> {
  const opener = openers[kind]
  if (!opener) throw new Error(`No store is called ${kind}`)
  const store = await opener()
  onTestFinished(() => store.close())
  return store
}

function copy(from: EventStore, to: EventStore, more: Partial<Parameters<typeof copyHistory>[0]> = {}) {
  return copyHistory({
    from: { store: from, called: 'the source' },
    to: { store: to, called: 'the target' },
    app: 'demo',
    pause: async () => {},
    ...more,
  })
}

describe('a copy', () => {
  // A promise: see docs/promises.md.
  it.each([
    ['memory', 'sqlite'],
    ['sqlite', 'memory'],
    ['sqlite', 'eventstoredb'],
    ['eventstoredb', 'sqlite'],
  ])('from %s to %s has the same ids, revisions, data and metadata in the same order', async (from, to) => {
    const source = await open(from)
    await writeHistory(source)
    const target = await open(to)
    const { events, appended } = await copy(source, target, { together: to === 'eventstoredb' ? 1 : 1000 })
    const expected = await historyOf(source)
    expect(expected.length).toBe(36)
    expect(await historyOf(target)).toEqual(expected)
    expect({ events, appended }).toEqual({ events: 36, appended: 36 })
    expect(await target.readAll({ prefixes: ['demo.node-'] })).toEqual([])
  })

  it('has every byte as it was stored, back from a cluster too', async () => {
    const source = await open('sqlite')
    await writeHistory(source)
    const cluster = await open('eventstoredb')
    await copy(source, cluster)
    const target = await open('sqlite')
    await copy(cluster, target, { together: 1000 })
    const stored = ({ directory = '' }: Opened) => {
      const db = new DatabaseSync(join(directory, 'events.db'), { readOnly: true })
      const sql =
        "SELECT id, data, metadata FROM events WHERE stream LIKE 'demo.task-%' OR stream LIKE 'demo.session-%'"
      const rows = db.prepare(`${sql} ORDER BY position`).all()
      db.close()
      return rows
    }
    expect(stored(target)).toEqual(stored(source))
    expect(stored(source).some(({ data }) => String(data).includes('\\ud800'))).toBe(true)
  })

  it('makes one append of neighbours of one stream', async () => {
    const source = openMemoryStore()
    await writeHistory(source)
    const appends: string[][] = []
    const target = watched(openMemoryStore(), (stream, events) => void appends.push([stream, ...events.map(() => '.')]))
    await copy(source, target)
    const mixed = await historyOf(source)
    const runs = mixed.filter(({ stream }, i) => stream !== mixed[i - 1]?.stream).length
    expect(appends.length).toBe(runs)
    expect(appends.filter(([stream]) => stream === 'demo.session-1').map((one) => one.length - 1)).toEqual([2, 2, 2])
  })

  it('keeps an append within what a server takes', async () => {
    const source = await open('sqlite')
    const writer = new Writer(source)
    const data = { text: 'ä'.repeat(120_000) }
    for (let i = 0; i < 12; i++) await writer.append('demo.task-1', { data })
    for (let i = 0; i < 500; i++) await writer.append('demo.task-2', {})
    const target = await open('eventstoredb')
    expect(await copy(source, target)).toMatchObject({ events: 512 })
  })

  it('leaves out what comes after the head it began with', async () => {
    const source = openMemoryStore()
    await writeHistory(source)
    const before = await historyOf(source)
    const late = new Writer(source)
    const target = watched(openMemoryStore(), () => late.append(`demo.late-${randomUUID()}`, {}))
    await copy(source, target)
    expect(await historyOf(target)).toEqual(before)
  })

  it('tells how far it is', async () => {
    const source = openMemoryStore()
    await writeHistory(source)
    const told: string[] = []
    await copy(source, openMemoryStore(), {
      onProgress: ({ phase, events, part }) => {
        expect(part).toBeLessThanOrEqual(1)
        told.push(`${phase} ${events}`)
      },
    })
    expect(told).toContain('copying 36')
    expect(told.at(-1)).toMatch(/^verifying/)
  })
})

describe('a copy that was cut off', () => {
  // A promise: see docs/promises.md.
  it('goes on where it was, wherever that is', async () => {
    const source = openMemoryStore()
    await writeHistory(source, 1)
    const expected = await historyOf(source)
    let cuts = 0
    for (const moment of ['before', 'after'] as const) {
      for (let nth = 1; ; nth++) {
        const kept = openMemoryStore()
        const dies = cutOff(kept, nth, moment)
        const ended = await copy(source, dies).then(
          () => true,
          (error: unknown) => {
            expect(error).toBeInstanceOf(Cut)
            return false
          },
        )
        if (ended) break
        cuts++
        const had = (await historyOf(kept)).length
        expect(await copy(source, kept)).toMatchObject({ events: expected.length, appended: expected.length - had })
        expect(await historyOf(kept)).toEqual(expected)
        expect(await copy(source, kept)).toMatchObject({ appended: 0 })
      }
    }
    expect(cuts).toBe(12)
  })

  it('goes on in the middle of what was one append', async () => {
    const source = openMemoryStore()
    await writeHistory(source, 1)
    const target = openMemoryStore()
    const [first] = await source.readAll({ prefixes: ['demo.task-'] })
    if (!first) throw new Error('The source is empty')
    await target.append(first.stream, 'no-stream', [first])
    await copy(source, target)
    expect(await historyOf(target)).toEqual(await historyOf(source))
  })

  it('repeats an append that had no answer, kept or not, and gives up in the end', async () => {
    const source = openMemoryStore()
    await writeHistory(source, 1)
    for (const kept of [true, false]) {
      const store = openMemoryStore()
      let failures = 3
      const target: EventStore = like(store, {
        append: async (...args: Parameters<EventStore['append']>) => {
          if (failures-- <= 0) return store.append(...args)
          if (kept) await store.append(...args)
          throw new StoreUnavailable('no answer', { retryable: true })
        },
      })
      await copy(source, target, { together: 10 })
      expect(await historyOf(store)).toEqual(await historyOf(source))
      failures = 1_000
      await expect(copy(source, like(target, { readAll: async () => [] }))).rejects.toThrow('no answer')
    }
  })
})

describe('a stream that was retired', () => {
  async function retired(source: EventStore): Promise<void> {
    await writeHistory(source, 1)
    const audit = { type: 'StreamRetired', data: { stream: 'demo.task-1', lastRevision: 3, lastHash: '…' } }
    await new Writer(source).append('demo.audit', audit)
  }

  // A promise: see docs/promises.md.
  it.each([
    ['memory', 'sqlite', 'deleted'],
    ['sqlite', 'eventstoredb', 'deleted'],
    ['eventstoredb', 'sqlite', 'deleted'],
    ['sqlite', 'memory', 'there still'],
  ])('from %s to %s is not copied (%s at the source), and can never be begun again', async (from, to, state) => {
    const source = await open(from)
    await retired(source)
    const [last] = await source.readStream('demo.task-1', { direction: 'backwards', limit: 1 })
    if (state === 'deleted') await source.deleteStream('demo.task-1', last?.revision ?? 0n)
    const target = await open(to)
    expect(await copy(source, target)).toMatchObject({ retired: 1 })
    const streams = new Set((await historyOf(target)).map(({ stream }) => stream))
    expect([...streams].sort()).toEqual(['demo.audit', 'demo.session-1', 'demo.task-0', 'demo.task-2'])
    await expect(new Writer(target).append('demo.task-1', {})).rejects.toMatchObject({ code: 'stream-deleted' })
    // Again, with the tombstones in place.
    expect(await copy(source, target)).toMatchObject({ appended: 0, retired: 1 })
  })

  it('and has grown before it was deleted is copied: what came after it was archived is nowhere else', async () => {
    const source = openMemoryStore()
    const writer = new Writer(source)
    await writer.append('demo.task-1', {}, {})
    const audit = { type: 'StreamRetired', data: { stream: 'demo.task-1', lastRevision: 1, lastHash: '…' } }
    await writer.append('demo.audit', audit)
    await writer.append('demo.task-1', { type: 'TaskWriteRefused' })
    const target = openMemoryStore()
    expect(await copy(source, target)).toMatchObject({ events: 4, retired: 0 })
    expect(await historyOf(target)).toEqual(await historyOf(source))
    expect(await target.readStream('demo.task-1')).toHaveLength(3)
  })

  it('is retired at a target that has it from before', async () => {
    const source = openMemoryStore()
    await writeHistory(source, 1)
    const target = openMemoryStore()
    await copy(source, target)
    const audit = { type: 'StreamRetired', data: { stream: 'demo.task-1', lastRevision: 3, lastHash: '…' } }
    await new Writer(source).append('demo.audit', audit)
    await source.deleteStream('demo.task-1', 3n)
    expect(await copy(source, target)).toMatchObject({ appended: 1, retired: 1 })
    expect(await historyOf(target)).toEqual(await historyOf(source))
    expect(await target.readStream('demo.task-1')).toEqual([])
  })
})

describe('a copy is refused', () => {
  it('when the target has another history of the app', async () => {
    const source = openMemoryStore()
    await writeHistory(source)
    const target = openMemoryStore()
    await writeHistory(target)
    const before = await historyOf(target)
    await expect(copy(source, target)).rejects.toMatchObject({ code: 'copy-refused', reason: 'other-events' })
    expect(await historyOf(target)).toEqual(before)
  })

  it('when the target has more of the same history', async () => {
    const source = openMemoryStore()
    await writeHistory(source)
    const target = openMemoryStore()
    await copy(source, target)
    await new Writer(target).append('demo.task-new', {})
    await expect(copy(source, target)).rejects.toThrow(/other events of the app: revision 0 of demo\.task-new/)
  })

  it('but not for the events of other apps, or the signs of life of nodes', async () => {
    const source = openMemoryStore()
    await writeHistory(source)
    const target = openMemoryStore()
    await new Writer(target).append('democracy.task-1', {})
    await new Writer(target).sign('demo.node-9')
    await copy(source, target)
    expect(await historyOf(target)).toEqual(await historyOf(source))
  })

  it('when somebody else writes to the target meanwhile', async () => {
    const source = openMemoryStore()
    await writeHistory(source)
    const store = openMemoryStore()
    const other = new Writer(store)
    let calls = 0
    const target = watched(store, async () => {
      if (++calls === 2) await other.append('demo.task-2', {})
    })
    const error = await copy(source, target).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(CopyRefused)
  })

  it('when the target counts on where a stream was deleted', async () => {
    const source = openMemoryStore()
    await writeHistory(source)
    const store = openMemoryStore()
    let appends = 0
    const target = like(store, {
      append: async (...args: Parameters<EventStore['append']>) => {
        const result = await store.append(...args)
        appends++
        return { ...result, revision: result.revision + 7n }
      },
    })
    await expect(copy(source, target)).rejects.toMatchObject({ reason: 'other-events' })
    expect(appends).toBe(1)
  })

  it('when the source is not as it was appended: it names the event', async () => {
    const source = openMemoryStore()
    await writeHistory(source)
    const lies: EventStore = like(source, {
      readAll: async (...args: Parameters<EventStore['readAll']>) =>
        (await source.readAll(...args)).map((event) =>
          event.stream === 'demo.task-1' && event.revision === 3n ? { ...event, data: { round: 7 } } : event,
        ),
    })
    const error = await copy(lies, openMemoryStore()).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ChainBroken)
    expect(error).toMatchObject({ stream: 'demo.task-1', revision: 3n, fault: 'altered' })
  })

  it('when the target does not give back what was appended', async () => {
    const source = openMemoryStore()
    await writeHistory(source)
    const target = openMemoryStore()
    const forgets: EventStore = like(target, {
      readAll: async (...args: Parameters<EventStore['readAll']>) =>
        (await target.readAll(...args)).filter(({ stream, revision }) => stream !== 'demo.session-1' || revision < 5n),
    })
    await expect(copy(source, forgets)).rejects.toThrow(/does not have revision 5 of demo\.session-1/)
  })
})

class Cut extends Error {}

/** The store until its n-th append: there everything ends, with the append kept or not. */
function cutOff(store: EventStore, nth: number, moment: 'before' | 'after'): EventStore {
  let appends = 0
  return like(store, {
    append: async (...args: Parameters<EventStore['append']>) => {
      appends++
      if (appends === nth && moment === 'after') await store.append(...args)
      if (appends >= nth) throw new Cut()
      return store.append(...args)
    },
  })
}

/** The store, and who is told before each append. */
function watched(
  store: EventStore,
  before: (stream: string, events: readonly unknown[]) => void | Promise<void>,
): EventStore {
  return like(store, {
    append: async (...args: Parameters<EventStore['append']>) => {
      await before(args[0], args[2])
      return store.append(...args)
    },
  })
}

/** The store with some of its calls changed. */
function like(store: EventStore, changes: Partial<EventStore>): EventStore {
  return new Proxy(store, {
    get(target, key) {
      const found: unknown = Reflect.get(key in changes ? changes : target, key)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
}
