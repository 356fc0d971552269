/** What only the embedded store promises: one process per directory, no lost append, a damaged or full disk told apart. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, open, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import {
  DataDirectoryInUse,
  type EventData,
  lockDirectory,
  openSqliteReader,
  openSqliteStore,
  type Position,
  type RecordedEvent,
  type SqliteStore,
  START,
  StoreClosed,
  StoreCorrupt,
  StoreUnavailable,
  StreamDeleted,
} from '../../src/events/index.ts'
import { toFailure } from '../../src/events/stores/sqlite/file.ts'
import { LOOK_EVERY_MS } from '../../src/events/stores/sqlite/place.ts'

let directory: string
let store: SqliteStore | undefined

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'capsule-sqlite-'))
})

afterEach(async () => {
  await store?.close()
  store = undefined
  await rm(directory, { recursive: true })
})

async function openStore(now?: () => number): Promise<SqliteStore> {
  store = await openSqliteStore({ directory, ...(now && { now }) })
  return store
}

function event(type = 'Noted', text = 'x'): EventData {
  return {
    id: randomUUID(),
    type,
    data: { text },
    metadata: { at: '2025-01-01T00:00:00.000Z', by: 'system', correlationId: 'c', causationId: 'c', v: 1 },
  }
}

/** Starts a process with the log open; resolves when it has it. */
async function appendingProcess(
  mode: 'idle' | 'busy' | 'delete',
  env: NodeJS.ProcessEnv = {},
): Promise<{ child: ChildProcess; lines: AsyncIterator<string> }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'append-child.ts'), directory, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  expect((await lines.next()).value).toBe('open')
  return { child, lines }
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** Changes the closed log behind the store's back. */
function tamper(sql: string): void {
  const db = new DatabaseSync(join(directory, 'events.db'))
  db.exec(sql)
  db.close()
}

describe('one process per directory', () => {
  // A promise: see docs/promises.md.
  it('refuses a second store, names the process that has it, and opens once that has closed', async () => {
    const first = await openStore()
    const error = await openSqliteStore({ directory }).catch((reason) => reason)
    expect(error).toBeInstanceOf(DataDirectoryInUse)
    expect(error).toMatchObject({ directory, pid: process.pid })
    await first.append('a.task-1', 'no-stream', [event()])
    await first.close()
    expect(await (await openStore()).readStream('a.task-1')).toHaveLength(1)
  })

  it('refuses while another process has it, and opens at once when that was killed', async () => {
    const { child } = await appendingProcess('idle')
    await expect(openSqliteStore({ directory })).rejects.toMatchObject({
      code: 'data-directory-in-use',
      pid: child.pid,
    })
    await kill(child)
    expect(await (await openStore()).head()).toBe(START)
  }, 20_000)

  // A promise: see docs/promises.md.
  it('has every acknowledged append after kill -9, and no part of one', async () => {
    const { child, lines } = await appendingProcess('busy')
    const acknowledged: string[] = []
    for (let line = await lines.next(); !line.done; line = await lines.next()) {
      acknowledged.push(line.value)
      if (acknowledged.length === 500) child.kill('SIGKILL')
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(500)
    const all = await (await openStore()).readAll({ limit: 1_000_000 })
    const streams = Map.groupBy(all, (one) => one.stream)
    for (const id of acknowledged) expect(streams.has(`child.task-${id}`)).toBe(true)
    for (const [name, recorded] of streams) {
      expect(recorded.map((one) => one.revision)).toEqual([0n, 1n, 2n])
      expect(name).toBe(`child.task-${recorded[0]?.id}`)
    }
    expect(all.map((one) => one.position)).toEqual(all.map((_, i) => BigInt(i)))
  }, 30_000)
})

describe('a directory that cannot be used', () => {
  it('says so when it is a file', async () => {
    const file = join(directory, 'file')
    await writeFile(file, '')
    const error = await openSqliteStore({ directory: file }).catch((reason) => reason)
    expect(error).toBeInstanceOf(StoreUnavailable)
    expect(error).toMatchObject({ retryable: false, message: expect.stringContaining('data directory') })
  })

  it('says so when the file is of another program', async () => {
    tamper('CREATE TABLE other (a)')
    await expect(openSqliteStore({ directory })).rejects.toThrow(/another program/)
  })

  it('says so when a newer version wrote it, and leaves it alone', async () => {
    await (await openStore()).close()
    tamper('PRAGMA user_version = 99')
    await expect(openSqliteStore({ directory })).rejects.toThrow(/newer version.*99/)
    tamper('PRAGMA user_version = 2')
    await openStore()
  })

  it('says so when its lock is not to be written to, which would keep nobody out', async () => {
    lockDirectory(directory).release()
    await chmod(join(directory, 'lock.db'), 0o444)
    await chmod(directory, 0o777)
    // The superuser could write to it all the same.
    const isRoot = process.geteuid?.() === 0
    if (isRoot) process.seteuid?.(65_534)
    try {
      expect(() => lockDirectory(directory)).toThrow(/cannot write to \S+lock\.db, .*Give it to the user/)
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
    await chmod(join(directory, 'lock.db'), 0o644)
    await openStore()
  })

  it('is free again after it could not be opened', async () => {
    tamper('CREATE TABLE other (a)')
    await expect(openSqliteStore({ directory })).rejects.toThrow()
    await expect(openSqliteStore({ directory })).rejects.toThrow(/another program/)
  })
})

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

describe('a damaged log', () => {
  async function written(): Promise<void> {
    const one = await openStore()
    for (let i = 0; i < 200; i++) await one.append('a.task-1', 'any', [event('Noted', 'y'.repeat(400))])
    await one.close()
  }

  it('is not opened when it is not a database', async () => {
    await writeFile(join(directory, 'events.db'), 'not a database '.repeat(100))
    await expect(openSqliteStore({ directory })).rejects.toBeInstanceOf(StoreCorrupt)
  })

  it('is reported by reads when its pages are overwritten', async () => {
    await written()
    const file = await open(join(directory, 'events.db'), 'r+')
    const { size } = await file.stat()
    await file.write(Buffer.alloc(size - 8192, 0xa5), 0, size - 8192, 8192)
    await file.close()
    const error = await openStore()
      .then((one) => one.readAll())
      .catch((reason) => reason)
    expect(error).toBeInstanceOf(StoreCorrupt)
  })

  it('is reported when a revision is missing, forwards and backwards', async () => {
    await written()
    tamper("DELETE FROM events WHERE stream = 'a.task-1' AND revision = 100")
    const one = await openStore()
    await expect(one.readStream('a.task-1')).rejects.toThrow(/revision 101 where 100 belongs/)
    await expect(one.readStream('a.task-1', { direction: 'backwards' })).rejects.toBeInstanceOf(StoreCorrupt)
  })

  it('is reported when the first revision is missing', async () => {
    await written()
    tamper("DELETE FROM events WHERE stream = 'a.task-1' AND revision = 0")
    await expect((await openStore()).readStream('a.task-1')).rejects.toBeInstanceOf(StoreCorrupt)
  })

  it('is reported when a revision of a capped stream is missing, but not when its first ones are', async () => {
    await written()
    const before = await openStore()
    await before.capStream('a.task-1', 50)
    await before.close()
    tamper("DELETE FROM events WHERE stream = 'a.task-1' AND revision = 170")
    const one = await openStore()
    expect(await one.readStream('a.task-1', { from: 100n, limit: 10 })).toHaveLength(10)
    await expect(one.readStream('a.task-1')).rejects.toThrow(/revision 171 where 170 belongs/)
  })

  it('is reported when an event is not JSON any more, and ends a subscription', async () => {
    await written()
    tamper("UPDATE events SET data = '{' WHERE position = 7")
    const one = await openStore()
    await expect(one.readAll()).rejects.toThrow(/Revision 7 of a\.task-1/)
    const dropped = Promise.withResolvers<Error>()
    one.subscribe({}, { events() {}, dropped: dropped.resolve })
    expect(await dropped.promise).toBeInstanceOf(StoreCorrupt)
  })

  it('takes no more appends once the writer has seen it', async () => {
    await written()
    const one = await openStore()
    // Somebody else writes where the next event belongs: the writer cannot know what else is wrong.
    tamper(
      "INSERT INTO events SELECT 200, 'a.task-2', 0, recorded_at, id, type, metadata, data FROM events WHERE position = 0",
    )
    await expect(one.append('a.task-3', 'no-stream', [event()])).rejects.toBeInstanceOf(StoreCorrupt)
    await expect(one.append('a.task-4', 'no-stream', [event()])).rejects.toBeInstanceOf(StoreCorrupt)
    expect(() => one.subscribe({}, { events() {} })).toThrow(StoreCorrupt)
    // Whoever asks how the log is must hear it, too.
    await expect(one.head()).rejects.toBeInstanceOf(StoreCorrupt)
  })
})

describe('a full disk', () => {
  // A promise: see docs/promises.md.
  it('refuses what it cannot keep as retryable, and keeps it when there is room again', async () => {
    process.env.CAPSULE_FAULT = 'store:full-append:Unlucky:2'
    onTestFinished(() => {
      delete process.env.CAPSULE_FAULT
    })
    const one = await openStore()
    const seen: RecordedEvent[] = []
    one.subscribe({ from: 'now' }, { events: (batch) => void seen.push(...batch) })
    const batch = [event('Unlucky')]
    await one.append('a.task-1', 'no-stream', [event('Unlucky')])
    const error = await one.append('a.task-2', 'no-stream', batch).catch((reason) => reason)
    expect(error).toBeInstanceOf(StoreUnavailable)
    expect(error).toMatchObject({ retryable: true, message: expect.stringContaining('full') })
    expect(await one.readStream('a.task-2')).toEqual([])
    expect(await one.append('a.task-2', 'no-stream', batch)).toEqual({ revision: 0n, position: 1n })
    expect(await one.append('a.task-1', 0n, [event()])).toEqual({ revision: 1n, position: 2n })
    await new Promise(setImmediate)
    expect(seen.map((each) => each.position)).toEqual([0n, 1n, 2n])
  })

  it('refuses a fault it does not know', async () => {
    process.env.CAPSULE_FAULT = 'store:sometimes-append:X'
    onTestFinished(() => {
      delete process.env.CAPSULE_FAULT
    })
    await expect(openSqliteStore({ directory })).rejects.toThrow(/before\|after\|full/)
  })
})

describe('files that are not where they were opened', () => {
  it.each(['events.db', 'events.db-wal', 'lock.db'])(
    'take no more events: %s; they do when it is back',
    async (name) => {
      const one = await openStore()
      await one.append('a.task-1', 'no-stream', [event()])
      const file = join(directory, name)
      await rename(file, `${file}.away`)
      await pause(LOOK_EVERY_MS)
      const batch = [event()]
      const error = await one.append('a.task-1', 0n, batch).catch((reason) => reason)
      expect(error).toBeInstanceOf(StoreUnavailable)
      expect(error).toMatchObject({ retryable: true, message: expect.stringContaining(file) })
      await expect(one.head()).rejects.toThrow(/deleted, moved or replaced/)
      expect(await one.readStream('a.task-1')).toHaveLength(1)
      await rename(`${file}.away`, file)
      expect(await one.append('a.task-1', 0n, batch)).toEqual({ revision: 1n, position: 1n })
      expect(await one.head()).toBe(1n)
    },
  )

  it('take no more events when others stand in their place, and leave those alone at the end', async () => {
    const one = await openStore()
    await one.append('a.task-1', 'no-stream', [event()])
    await rm(directory, { recursive: true })
    await mkdir(directory)
    const other = await openSqliteStore({ directory })
    await other.append('a.task-2', 'no-stream', [event()])
    await pause(LOOK_EVERY_MS)
    await expect(one.append('a.task-1', 0n, [event()])).rejects.toThrow(/deleted, moved or replaced/)
    await one.close()
    await other.append('a.task-2', 0n, [event()])
    await other.close()
    expect((await (await openStore()).readAll()).map(({ stream }) => stream)).toEqual(['a.task-2', 'a.task-2'])
  })
})

describe('a writer that dies', () => {
  it('rejects what is under way and what comes, and still lets the directory go', async () => {
    const started = once(process, 'worker')
    const one = await openStore()
    const [writer]: Worker[] = await started
    await one.append('a.task-1', 'no-stream', [event()])
    const dropped = Promise.withResolvers<Error>()
    one.subscribe({}, { events() {}, dropped: dropped.resolve })
    const underWay = Array.from({ length: 5 }, (_, i) => one.append(`a.task-u${i}`, 'no-stream', [event()]))
    const outcomes = Promise.allSettled(underWay)
    await writer?.terminate()
    for (const outcome of await outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(StoreUnavailable)
    }
    await expect(one.append('a.task-2', 'no-stream', [event()])).rejects.toBeInstanceOf(StoreUnavailable)
    expect(await dropped.promise).toBeInstanceOf(StoreUnavailable)
    expect((await one.readStream('a.task-1')).length).toBe(1)
    await one.close()
    expect(await (await openStore()).readStream('a.task-1')).toHaveLength(1)
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

describe('a reader', () => {
  // SQLite itself would wait for it, for five seconds.
  it('that stays at one moment of the log holds up neither appends nor the end of the store', async () => {
    const one = await openStore()
    await one.append('a.task-1', 'no-stream', [event()])
    const other = new DatabaseSync(join(directory, 'events.db'), { readOnly: true })
    onTestFinished(() => other.close())
    other.exec('BEGIN')
    const count = () => other.prepare('SELECT count(*) AS count FROM events').get()?.count
    expect(count()).toBe(1)
    for (let i = 0; i < 20; i++) await one.append('a.task-2', 'any', [event('Noted', 'w'.repeat(200_000))])
    await one.close()
    expect(count()).toBe(1)
    other.exec('COMMIT')
    expect(count()).toBe(21)
    expect(await (await openStore()).head()).toBe(20n)
  }, 4_000)

  it('reads what is committed, at once too, beside the store and after it', async () => {
    const one = await openStore()
    await one.append('a.task-1', 'no-stream', [event('A'), event('B')])
    const reader = openSqliteReader({ directory })
    expect(await reader.readAll()).toEqual(await one.readAll())
    expect(await reader.readStream('a.task-1')).toEqual(await one.readStream('a.task-1'))
    const page = reader.readAllSync({ prefixes: ['a.'], limit: 1 })
    expect(page).toEqual({ events: [expect.objectContaining({ position: 0n, type: 'A' })], scannedTo: 0n })
    await one.close()
    expect(await reader.head()).toBe(1n)
    reader.close()
    await expect(reader.head()).rejects.toBeInstanceOf(StoreClosed)
  })

  it('says when there is no log', () => {
    expect(() => openSqliteReader({ directory })).toThrow(StoreUnavailable)
  })

  it('waits for a head no longer than it was told', async () => {
    const one = await openStore()
    const reader = openSqliteReader({ directory, signal: one.signal })
    expect(await reader.waitForHead(START, 5)).toBe(START)
    const waiting = reader.waitForHead(START, 60_000)
    await one.append('a.task-1', 'no-stream', [event()])
    expect(await waiting).toBe(0n)
    reader.close()
  })

  it('without a signal looks from time to time', async () => {
    const one = await openStore()
    const reader = openSqliteReader({ directory })
    const waiting = reader.waitForHead(START, 60_000)
    await one.append('a.task-1', 'no-stream', [event()])
    expect(await waiting).toBe(0n)
    reader.close()
  })

  it('follows the log in another thread until the store closes', async () => {
    const one = await openStore()
    const worker = new Worker(new URL('./follow-child.ts', import.meta.url), {
      workerData: { directory, signal: one.signal },
    })
    onTestFinished(async () => void (await worker.terminate()))
    const next = async () => (await once(worker, 'message'))[0]
    expect(await next()).toEqual({ following: -1n })
    const woken = next()
    await one.append('a.task-1', 'no-stream', [event(), event()])
    expect(await woken).toEqual({ head: 1n, read: 2 })
    const ended = next()
    await one.close()
    expect(await ended).toEqual({ closed: true })
  }, 20_000)
})
