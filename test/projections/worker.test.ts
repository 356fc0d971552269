/** The read side in its own thread over a real embedded store. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { openSqliteStore, type Position, type SqliteStore, StoreCorrupt, startAhead } from '../../src/events/index.ts'
import {
  BadCursor,
  openReadModelsInWorker,
  type ReadModels,
  ReadModelsClosed,
  ReadModelsUnavailable,
  UnknownReadModel,
  type WatchSink,
  WatchTargetMissing,
} from '../../src/projections/index.ts'
import { JOBS } from '../../src/projections/models/jobs-table.ts'
import { APP, append, completed, started, submitted } from './support.ts'

let directory: string
let store: SqliteStore
let reads: ReadModels
const errors: Error[] = []

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'read-'))
  errors.length = 0
  store = await openSqliteStore({ directory })
  reads = await open()
})

afterEach(async () => {
  await reads.close()
  await store.close()
  rmSync(directory, { recursive: true })
})

async function caughtUp(): Promise<void> {
  while ((await reads.status()).some(({ rebuilding }) => rebuilding)) await pause(10)
}

function open(): Promise<ReadModels> {
  return openReadModelsInWorker({ app: APP, directory, signal: store.signal, onError: (error) => errors.push(error) })
}

/** Resolves with each thing told, in order. */
function listen<T extends 'job' | 'session'>() {
  const told: { position: Position; what: unknown }[] = []
  const waiting: (() => void)[] = []
  const add = (position: Position, what: unknown) => {
    told.push({ position, what })
    for (const wake of waiting.splice(0)) wake()
  }
  const sink: WatchSink<T> = {
    snapshot: (position, data) => add(position, data),
    delta: (_from, to, changes) => add(to, changes),
    failed: (error) => add(-2n as Position, error),
  }
  const until = async (count: number) => {
    while (told.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
    return told
  }
  return { sink, until }
}

describe('openReadModelsInWorker', () => {
  it('follows the store and answers', async () => {
    const position = await append(store, 'task', 't1', [submitted(), started(), completed()])
    await reads.waitFor(position)
    expect(await reads.job('t1')).toMatchObject({ status: 'completed', position })
    expect(await reads.jobs({})).toMatchObject({ total: 1, items: [{ id: 't1' }] })
    expect(await reads.locks()).toEqual([])
    expect((await reads.status()).map(({ name, rebuilding }) => ({ name, rebuilding }))).toContainEqual({
      name: 'jobs',
      rebuilding: false,
    })
  })

  it('takes the thread that was started for it, and makes one where there is none', async () => {
    const made: unknown[] = []
    const note = (worker: unknown) => made.push(worker)
    process.on('worker', note)
    onTestFinished(() => void process.off('worker', note))
    const position = await append(store, 'task', 't1', [submitted()])
    startAhead('capsule-read-models')
    startAhead('capsule-read-models')
    for (const threads of [1, 2]) {
      await reads.close()
      reads = await open()
      expect(made).toHaveLength(threads)
      await reads.waitFor(position)
      expect(await reads.job('t1')).toMatchObject({ status: 'pending' })
    }
  })

  it('hands errors over with their class and facts', async () => {
    await expect(reads.jobs({ cursor: 'nonsense' })).rejects.toThrow(BadCursor)
    const missing = listen<'job'>()
    reads.watch('job', { id: 'nobody' }, missing.sink)
    expect((await missing.until(1))[0]?.what).toBeInstanceOf(WatchTargetMissing)
  })

  it('tells a watch of each change', async () => {
    await reads.waitFor(await append(store, 'task', 't1', [submitted()]))
    const job = listen<'job'>()
    const watch = reads.watch('job', { id: 't1' }, job.sink)
    await job.until(1)
    await append(store, 'task', 't1', [started()])
    const told = await job.until(2)
    expect(told[1]?.what).toMatchObject([{ id: 't1', status: 'running' }])
    watch.close()
  })

  it('ends a watch whose sink throws, and no other', async () => {
    await reads.waitFor(await append(store, 'task', 't1', [submitted()]))
    const [broken, job] = [listen<'job'>(), listen<'job'>()]
    const snapshot = () => {
      throw new Error('gone')
    }
    reads.watch('job', { id: 't1' }, { ...broken.sink, snapshot })
    reads.watch('job', { id: 't1' }, job.sink)
    await job.until(1)
    await append(store, 'task', 't1', [started()])
    await job.until(2)
    expect((await broken.until(1)).map(({ what }) => what)).toEqual([new Error('gone')])
  })

  it('reads the work on this thread, in the order of submission', async () => {
    for (const id of ['a', 'b', 'c']) await append(store, 'task', id, [submitted({ priority: 1 })])
    await append(store, 'task', 'b', [started()])
    await append(store, 'session', 's1', [
      { type: 'SessionStarted', data: { ownerId: 'local' } },
      { type: 'MessageReceived', data: { messageId: 'm1', text: 'hi' } },
    ])
    const head = await store.head()
    await reads.waitFor(head)
    const work = reads.work()
    expect(work.position).toBe(head)
    expect(work.running).toMatchObject([{ id: 'b', node: 'n1' }])
    expect(work.openTurns).toEqual([{ sessionId: 's1', running: false }])
    expect([...work.waiting].map(({ id, status }) => ({ id, status }))).toEqual([
      { id: 'a', status: 'pending' },
      { id: 'c', status: 'pending' },
    ])
  })

  it('goes on where it was, and begins again when read.db is damaged or gone', async () => {
    const head = await append(store, 'task', 't1', [submitted()])
    await reads.waitFor(head)
    await reads.close()
    await expect(reads.job('t1')).rejects.toThrow(ReadModelsClosed)

    reads = await open()
    expect(reads.position).toBe(head)
    await reads.close()

    for (const suffix of ['', '-wal', '-shm']) rmSync(join(directory, `read.db${suffix}`), { force: true })
    reads = await open()
    await reads.waitFor(head)
    expect(await reads.job('t1')).toBeDefined()
  })

  it('says that the log has lost its end, and begins again with what is left', async () => {
    await reads.waitFor(await append(store, 'task', 't1', [submitted()]))
    await reads.close()
    reads = await open()
    expect(errors).toEqual([])
    await reads.close()
    await store.close()
    for (const suffix of ['', '-wal', '-shm']) rmSync(join(directory, `events.db${suffix}`), { force: true })
    store = await openSqliteStore({ directory })
    reads = await open()
    expect(errors).toMatchObject([
      { code: 'store-corrupt', message: expect.stringMatching(/ends at .* is gone\..*wal/) },
    ])
    await reads.waitFor(await append(store, 'task', 't2', [submitted()]))
    expect(await reads.jobs({})).toMatchObject({ total: 1, items: [{ id: 't2' }] })
  })

  it('begins again whatever page of read.db is damaged, where SQLite finds it only on reading it', async () => {
    const head = await append(store, 'task', 't1', [submitted()])
    await reads.waitFor(head)
    for (const page of [1, 2, 3, 4]) {
      await reads.close()
      const file = await openFile(join(directory, 'read.db'), 'r+')
      await file.write(Buffer.alloc(4096, 0xff), 0, 4096, page * 4096)
      await file.close()
      reads = await open()
      await reads.waitFor(head)
      expect(await reads.job('t1')).toMatchObject({ status: 'pending' })
    }
  })

  it('names the file when it cannot be used, for the log may be sound', async () => {
    await reads.close()
    rmSync(join(directory, 'read.db'))
    mkdirSync(join(directory, 'read.db'))
    await expect(open()).rejects.toThrow(/^\S+read\.db cannot be used \(.+\)\. .*it is made again from the log\.$/)
    rmSync(join(directory, 'read.db'), { recursive: true })
    reads = await open()
  })

  // A promise: see docs/promises.md.
  it('makes read models again while it answers, follows and tells who watches, and starts as if nothing had been', async () => {
    await Promise.all(Array.from({ length: 300 }, (_, n) => append(store, 'task', `t${n}`, [submitted()])))
    const before = await append(store, 'task', 't0', [started()])
    await reads.waitFor(before)
    // What is wrong in the tables is so until the new ones take their place.
    const db = new DatabaseSync(join(directory, 'read.db'))
    db.exec(`UPDATE ${JOBS} SET attempt = 7 WHERE id = 't1'`)
    db.close()
    const job = listen<'job'>()
    reads.watch('job', { id: 't1' }, job.sink)
    await job.until(1)

    const begun = await reads.rebuild()
    expect(begun.map(({ rebuilding }) => rebuilding)).toEqual([true, true, true, true, true])
    expect((await reads.rebuild('jobs')).map(({ name }) => name)).toContain('jobs')
    const during = await append(store, 'task', 't2', [started()])
    await reads.waitFor(during)
    expect(await reads.job('t2')).toMatchObject({ status: 'running' })
    expect(reads.work().running.map(({ id }) => id)).toEqual(['t0', 't2'])
    expect(await reads.countJobs({})).toBe(300)

    await caughtUp()
    expect(reads.position >= during).toBe(true)
    expect(await reads.countJobs({})).toBe(300)
    expect(await reads.job('t1')).toMatchObject({ attempt: 0 })
    expect([...reads.work().waiting]).toHaveLength(298)
    expect((await job.until(2)).map(({ what }) => what)).toMatchObject([{ attempt: 7 }, { attempt: 0 }])
    await reads.waitFor(await append(store, 'task', 't1', [started()]))
    expect((await job.until(3))[2]?.what).toMatchObject([{ status: 'running' }])
    await expect(reads.rebuild('jbos')).rejects.toThrow(UnknownReadModel)
    expect(errors).toEqual([])

    await reads.close()
    reads = await open()
    expect(reads.position).toBe(await store.head())
    expect(await reads.job('t1')).toMatchObject({ status: 'running' })
    expect(reads.work().running.map(({ id }) => id)).toEqual(['t0', 't1', 't2'])
  })

  it('goes on at its start with what was made again when it ended', async () => {
    await Promise.all(Array.from({ length: 300 }, (_, n) => append(store, 'task', `t${n}`, [submitted()])))
    await reads.waitFor(await store.head())
    await reads.rebuild()
    await reads.close()
    reads = await open()
    expect(await reads.countJobs({})).toBe(300)
    await caughtUp()
    expect(await reads.countJobs({})).toBe(300)
    expect((await reads.status()).every(({ failed }) => failed === undefined)).toBe(true)
  })

  it('reaches the head though the newest events were deleted, and rests there', async () => {
    await append(store, 'task', 't1', [submitted()])
    await append(store, 'task', 't2', [submitted()])
    await reads.close()
    await store.deleteStream(`${APP}.task-t2`, 0n)
    for (const suffix of ['', '-wal', '-shm']) rmSync(join(directory, `read.db${suffix}`), { force: true })
    reads = await open()
    const head = await store.head()
    await reads.waitFor(head)
    expect(reads.position).toBe(head)
    expect((await reads.jobs({})).items.map(({ id }) => id)).toEqual(['t1'])
    await reads.waitFor(await append(store, 'task', 't3', [submitted()]))
    expect(await reads.countJobs({})).toBe(2)
  })

  it('names an event that it cannot take in, takes in those before it, and goes on once it can', async () => {
    const before = await append(store, 'task', 't1', [submitted()])
    await reads.waitFor(before)
    const db = new DatabaseSync(join(directory, 'read.db'))
    db.exec(
      `CREATE TRIGGER refuse BEFORE INSERT ON ${JOBS} WHEN new.id = 'poison' BEGIN SELECT raise(ABORT, 'refused'); END`,
    )
    await append(store, 'task', 't2', [submitted()])
    const poison = await append(store, 'task', 'poison', [submitted()])
    const after = await append(store, 'task', 't3', [submitted()])
    while (errors.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(errors[0]).toMatchObject({ code: 'poison-event', stream: `${APP}.task-poison`, position: poison })
    expect(await reads.job('t2')).toBeDefined()
    expect(await reads.job('t3')).toBeUndefined()
    db.exec('DROP TRIGGER refuse')
    db.close()
    await reads.waitFor(after)
    expect(await reads.job('poison')).toBeDefined()
    expect(await reads.job('t3')).toBeDefined()
  })

  it('names read.db when it cannot be written, and goes on once it can', async () => {
    const db = new DatabaseSync(join(directory, 'read.db'))
    onTestFinished(() => db.close())
    db.exec('BEGIN IMMEDIATE')
    const position = await append(store, 'task', 't1', [submitted()])
    while (errors.length === 0) await pause(10)
    expect(errors[0]).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/^\S+read\.db cannot be used \(database is locked\)\. Make room/),
    })
    db.exec('ROLLBACK')
    await reads.waitFor(position)
    expect(await reads.job('t1')).toBeDefined()
  })

  it('lets nobody wait for the end of a damaged log, and goes on when it is put right', async () => {
    await reads.close()
    const position = await append(store, 'task', 't1', [submitted()])
    const file = new DatabaseSync(join(directory, 'events.db'))
    onTestFinished(() => file.close())
    file.exec("UPDATE events SET id = data, data = 'no JSON'")
    reads = await open()
    await expect(reads.waitFor(position, 60_000)).rejects.toBeInstanceOf(StoreCorrupt)
    await expect(reads.waitFor(position, 60_000)).rejects.toThrow('is not JSON any more')
    expect(errors.every((error) => error instanceof StoreCorrupt)).toBe(true)
    file.exec('UPDATE events SET data = id')
    while (reads.position < position) await pause(10)
    await reads.waitFor(position)
    expect(await reads.job('t1')).toMatchObject({ position })
  })

  it('starts its thread again when read.db turns out to be damaged, and watches go on', async () => {
    await reads.waitFor(await append(store, 'task', 't1', [submitted()]))
    const job = listen<'job'>()
    reads.watch('job', { id: 't1' }, job.sink)
    await job.until(1)

    damage()
    const position = await append(store, 'task', 't1', [started()])
    await reads.waitFor(position)
    expect(await reads.job('t1')).toMatchObject({ status: 'running' })
    expect(errors.some((error) => error instanceof ReadModelsUnavailable)).toBe(true)
    const told = await job.until(2)
    expect(told[1]).toMatchObject({ position, what: [{ status: 'running' }] })
  })

  it('fails the questions under way when its thread dies, and answers those that come after', async () => {
    await reads.waitFor(await append(store, 'task', 't1', [submitted()]))
    damage()
    const [first, second] = await Promise.allSettled([reads.job('t1'), reads.job('t1')])
    expect(first).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('malformed') } })
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'read-models-unavailable' } })
    await reads.countJobs({})
    await reads.waitFor(await store.head())
    expect(await reads.job('t1')).toMatchObject({ status: 'pending' })
  })
})

function damage(): void {
  const db = new DatabaseSync(join(directory, 'read.db'), { defensive: false })
  db.exec(`PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'nonsense' WHERE name = '${JOBS}';
    PRAGMA schema_version = 999`)
  db.close()
}
