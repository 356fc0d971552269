/** What only the embedded store promises: its schema, deletions, an event loop that goes on. */
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  openSqliteReader,
  openSqliteStore,
  type Position,
  StoreUnavailable,
  StreamDeleted,
} from '../../src/events/index.ts'
import { toFailure } from '../../src/events/stores/sqlite/file.ts'
import { appendingProcess, directory, event, givenDirectory, openStore, tamper } from './sqlite-given.ts'

givenDirectory()

describe('a log of schema version 1', () => {
  /** As that version made it, with two streams of two events. */
  function versionOne(): void {
    tamper(`
      PRAGMA journal_mode = WAL;
      CREATE TABLE events (
        position    INTEGER PRIMARY KEY,
        stream      TEXT    NOT NULL,
        revision    INTEGER NOT NULL,
        recorded_at INTEGER NOT NULL,
        id          TEXT    NOT NULL,
        type        TEXT    NOT NULL,
        metadata    TEXT    NOT NULL,
        data        TEXT    NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX events_by_stream ON events (stream, revision);
      PRAGMA application_id = 0x63617073;
      PRAGMA user_version = 1;
      INSERT INTO events VALUES
        (0, 'a.task-1', 0, 5, 'i0', 'A', '{"v":1}', '{}'), (1, 'a.task-2', 0, 5, 'i1', 'B', '{"v":1}', '{}'),
        (2, 'a.task-2', 1, 5, 'i2', 'C', '{"v":1}', '{}'), (3, 'a.task-1', 1, 5, 'i3', 'D', '{"v":1}', '{}');
    `)
  }

  function versionOf(): unknown {
    const db = new DatabaseSync(join(directory, 'events.db'))
    const [version] = db.prepare('PRAGMA user_version').all()
    db.close()
    return version
  }

  // A promise: see docs/promises.md.
  it('is brought up to date at open, with all it holds', async () => {
    versionOne()
    const one = await openStore()
    expect((await one.readAll()).map(({ type, position }) => [type, position])).toEqual([
      ['A', 0n],
      ['B', 1n],
      ['C', 2n],
      ['D', 3n],
    ])
    expect(await one.head()).toBe(3n)
    await one.deleteStream('a.task-1', 1n)
    expect((await one.append('a.task-2', 1n, [event()])).position).toBe(4n)
    await one.close()
    expect(versionOf()).toEqual({ user_version: 2 })
    expect(await (await openStore()).readStream('a.task-1')).toEqual([])
  })

  // A promise: see docs/promises.md.
  it('is left as it was when it cannot be brought up to date', async () => {
    versionOne()
    // The second of the new tables is there already: the first must not stay.
    tamper('CREATE TABLE caps (a)')
    await expect(openSqliteStore({ directory })).rejects.toBeInstanceOf(StoreUnavailable)
    expect(versionOf()).toEqual({ user_version: 1 })
    tamper('DROP TABLE caps')
    expect(await (await openStore()).readAll()).toHaveLength(4)
  })

  it('is read without that, and as what it becomes under the reader', async () => {
    versionOne()
    const reader = openSqliteReader({ directory })
    onTestFinished(() => reader.close())
    expect(await reader.head()).toBe(3n)
    expect(await reader.readStream('a.task-2')).toHaveLength(2)
    expect(versionOf()).toEqual({ user_version: 1 })
    const one = await openStore()
    await one.deleteStream('a.task-1', 1n)
    expect(await reader.head()).toBe(3n)
    expect(await reader.readStream('a.task-1')).toEqual([])
    expect(reader.readAllSync({ from: 2n as Position })).toEqual({ events: [], scannedTo: 3n })
  })
})

describe('a deletion', () => {
  // A promise: see docs/promises.md.
  it.each([
    { fault: 'store:before-delete', left: 1 },
    { fault: 'store:after-delete', left: 0 },
  ])(
    'is there or not after a crash at $fault, and may be repeated',
    async ({ fault, left }) => {
      const { child } = await appendingProcess('delete', { CAPSULE_FAULT: fault })
      await once(child, 'exit')
      const one = await openStore()
      expect(await one.readStream('child.task-1')).toHaveLength(left)
      expect(await one.head()).toBe(0n)
      await one.deleteStream('child.task-1', 0n)
      await expect(one.append('child.task-1', 'any', [event()])).rejects.toBeInstanceOf(StreamDeleted)
      expect((await one.append('child.task-2', 'any', [event()])).position).toBe(1n)
    },
    20_000,
  )

  it('is not kept by a full disk, and deletes when there is room again', async () => {
    process.env.CAPSULE_FAULT = 'store:full-delete:2'
    onTestFinished(() => {
      delete process.env.CAPSULE_FAULT
    })
    const one = await openStore()
    for (const i of [1, 2, 3]) await one.append(`a.task-${i}`, 'no-stream', [event()])
    await one.deleteStream('a.task-1', 0n)
    await expect(one.deleteStream('a.task-3', 0n)).rejects.toMatchObject({ code: 'store-unavailable', retryable: true })
    expect(await one.readStream('a.task-3')).toHaveLength(1)
    await one.append('a.task-3', 0n, [event()])
    await one.deleteStream('a.task-3', 1n)
    expect((await one.readAll()).map(({ position }) => position)).toEqual([1n])
    expect((await one.append('a.task-2', 0n, [event()])).position).toBe(4n)
  })

  it('gives its room to what comes', async () => {
    const one = await openStore()
    const file = join(directory, 'events.db')
    const write = async (stream: string) => {
      for (let i = 0; i < 20; i++) {
        const batch = Array.from({ length: 50 }, () => event('Noted', 'z'.repeat(2000)))
        await one.append(stream, 'any', batch)
      }
      await one.deleteStream(stream, 999n)
    }
    await write('a.task-0')
    const { size } = await stat(file)
    expect(size).toBeGreaterThan(1_500_000)
    for (let i = 1; i < 6; i++) await write(`a.task-${i}`)
    expect((await stat(file)).size).toBeLessThan(size * 2)
  }, 20_000)

  it('does not pass for the whole of a stream that is read meanwhile', async () => {
    const one = await openStore()
    await one.append(
      'a.task-1',
      'no-stream',
      Array.from({ length: 1200 }, () => event()),
    )
    const reading = one.readStream('a.task-1')
    await one.deleteStream('a.task-1', 1199n)
    expect([0, 1200]).toContain((await reading).length)
  })

  it('of the newest events lets a reader reach the head', async () => {
    const one = await openStore()
    await one.append('a.task-1', 'no-stream', [event(), event()])
    await one.append('a.task-2', 'no-stream', [event(), event()])
    await one.deleteStream('a.task-2', 1n)
    const reader = openSqliteReader({ directory, signal: one.signal })
    onTestFinished(() => reader.close())
    expect(await reader.head()).toBe(3n)
    const { events, scannedTo } = reader.readAllSync({ limit: 2 })
    expect(events).toHaveLength(2)
    expect(scannedTo).toBe(1n)
    expect(reader.readAllSync({ from: scannedTo, limit: 2 })).toEqual({ events: [], scannedTo: 3n })
  })
})

it('says of a log that may not be written to what to do, to who only reads it, too', () => {
  using db = new DatabaseSync(':memory:')
  db.exec('PRAGMA query_only = 1')
  let refused: unknown
  try {
    db.exec('CREATE TABLE t (a)')
  } catch (error) {
    refused = error
  }
  expect(toFailure(refused)).toMatchObject({
    kind: 'unavailable',
    message: expect.stringMatching(/attempt to write a readonly database.*give the directory, with all that is in it/),
  })
})

describe('the event loop', () => {
  it('goes on while the disk is awaited', async () => {
    const one = await openStore()
    let turns = 0
    let done = false
    const appended = Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        one.append(`a.task-${i}`, 'no-stream', [event('Noted', 'z'.repeat(50_000))]),
      ),
    ).then(() => {
      done = true
    })
    while (!done) {
      turns++
      await new Promise(setImmediate)
    }
    await appended
    // A store that committed in this thread would have let the loop turn a handful of times.
    expect(turns).toBeGreaterThan(20)
  })

  it('turns between answers, however long those take who waited for them', async () => {
    const log = await openStore()
    let turn = 0
    const count = (): void => {
      turn++
      counting = setImmediate(count)
    }
    let counting = setImmediate(count)
    const heardIn = new Set<number>()
    // Chains by turns, each of which takes longer over an answer than a commit: another's is there before it is done.
    const chain = async (stream: string): Promise<void> => {
      for (let i = 0; i < 50; i++) {
        await log.append(stream, 'any', [event()])
        heardIn.add(turn)
        const began = performance.now()
        while (performance.now() - began < 3);
      }
    }
    const chains: Promise<void>[] = []
    for (let i = 0; i < 8; i++) {
      chains.push(chain(`chain-${i}`))
      await new Promise(setImmediate)
    }
    await Promise.all(chains)
    clearImmediate(counting)
    // Without turns between them nearly all of the 400 answers would be heard in one.
    expect(heardIn.size).toBeGreaterThan(25)
  })
})

describe('the store as a whole', () => {
  it('numbers events from 0 without gaps, also beside appends that fail', async () => {
    const one = await openStore(() => 1234)
    await Promise.allSettled([
      one.append('a.task-1', 'no-stream', [event(), event()]),
      one.append('a.task-1', 'no-stream', [event()]),
      one.append('a.task-2', 'no-stream', [event()]),
    ])
    const all = await one.readAll()
    expect(all.map((each) => each.position)).toEqual([0n, 1n, 2n])
    expect(all.map((each) => each.recordedAt)).toEqual([1234, 1234, 1234])
  })

  it('keeps its write-ahead log small, and empties it at the end', async () => {
    const one = await openStore()
    const wal = join(directory, 'events.db-wal')
    for (let i = 0; i < 60; i++) {
      await Promise.all(
        Array.from({ length: 10 }, (_, k) =>
          one.append(`a.task-${i}-${k}`, 'no-stream', [event('Noted', 'w'.repeat(50_000))]),
        ),
      )
    }
    expect((await stat(join(directory, 'events.db'))).size).toBeGreaterThan(20_000_000)
    expect((await stat(wal)).size).toBeLessThan(10_000_000)
    await one.close()
    expect(await stat(wal).catch(() => 'gone')).toBe('gone')
  }, 20_000)
})
