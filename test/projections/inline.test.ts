/** The read side on this thread over a real store: it follows, answers, waits, and starts where it was. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { EventStore, Position } from '../../src/events/index.ts'
import { openMemoryStore } from '../../src/events/index.ts'
import { openReadModels, ReadModelBehind, ReadModelsClosed } from '../../src/projections/index.ts'
import { APP, append, completed, eventData, ManualClock, started, submitted } from './support.ts'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

function file(): string {
  const directory = mkdtempSync(join(tmpdir(), 'read-'))
  directories.push(directory)
  return join(directory, 'read.db')
}

describe('openReadModels', () => {
  it('answers with what was appended, once it is waited for', async () => {
    const store = openMemoryStore()
    const reads = await openReadModels({ app: APP, store })
    const position = await append(store, 'task', 't1', [submitted(), started(), completed()])
    await reads.waitFor(position)
    expect(reads.position).toBe(position)
    expect(await reads.job('t1')).toMatchObject({
      id: 't1',
      status: 'completed',
      result: { ok: true },
      attempt: 1,
      position,
    })
    expect(await reads.countJobs({ status: ['completed'] })).toBe(1)
    await reads.close()
    await expect(reads.job('t1')).rejects.toThrow(ReadModelsClosed)
  })

  it('gives up waiting for a position that does not come', async () => {
    const clock = new ManualClock()
    const reads = await openReadModels({ app: APP, store: openMemoryStore(), clock })
    const waiting = reads.waitFor(7n as Position, 5000)
    clock.advance(5000)
    await expect(waiting).rejects.toThrow(ReadModelBehind)
    await reads.close()
  })

  it('goes on from its file, and begins again when the file is of another log or was deleted', async () => {
    const path = file()
    const store = openMemoryStore()
    await append(store, 'task', 't1', [submitted()])
    const first = await openReadModels({ app: APP, store, file: path })
    await first.waitFor(await store.head())
    await first.close()

    const second = await openReadModels({ app: APP, store, file: path })
    expect(second.position).toBe(await store.head())
    expect(await second.job('t1')).toBeDefined()
    await second.close()

    const other = openMemoryStore()
    await append(other, 'task', 't2', [submitted()])
    const third = await openReadModels({ app: APP, store: other, file: path })
    await third.waitFor(await other.head())
    expect(await third.job('t1')).toBeUndefined()
    expect(await third.job('t2')).toBeDefined()
    await third.close()

    rmSync(path)
    const fourth = await openReadModels({ app: APP, store, file: path })
    await fourth.waitFor(await store.head())
    expect(await fourth.job('t1')).toBeDefined()
    await fourth.close()
  })

  it('begins again beside another log also when nothing but signs of life came in before', async () => {
    const path = file()
    const store = openMemoryStore()
    await signOfLife(store)
    await signOfLife(store)
    const first = await openReadModels({ app: APP, store, file: path })
    await first.waitFor(await store.head())
    await first.close()

    const other = openMemoryStore()
    await append(other, 'task', 't1', [submitted()])
    await append(other, 'task', 't2', [submitted(), started(), completed()])
    const second = await openReadModels({ app: APP, store: other, file: path })
    await second.waitFor(await other.head())
    expect((await second.jobs({})).items.map(({ id }) => id)).toEqual(['t2', 't1'])
    await second.close()
  })

  it('goes on though it stands past the end of the app’s log, as it does where others write, and misses nothing', async () => {
    const path = file()
    const store = openMemoryStore()
    await append(store, 'task', 't1', [submitted()])
    const mark = await store.head()
    // A cluster has caught up at its own last event, which may be anybody's.
    const asCluster = (theirs: bigint): EventStore =>
      Object.assign(Object.create(store) as EventStore, {
        append: store.append.bind(store),
        readStream: store.readStream.bind(store),
        head: () => store.head(),
        subscribe: ((options, subscriber) =>
          store.subscribe(options, {
            events: (batch) => subscriber.events(batch),
            caughtUp: (position) => subscriber.caughtUp?.((position + theirs) as Position),
          })) satisfies EventStore['subscribe'],
      })
    const first = await openReadModels({ app: APP, store: asCluster(3n), file: path })
    await first.waitFor((mark + 3n) as Position)
    await first.close()

    // Its tables are as they were, and what comes where it stood already is taken in.
    await append(store, 'task', 't2', [submitted()])
    const second = await openReadModels({ app: APP, store: asCluster(0n), file: path })
    expect(second.position).toBe(mark)
    await second.waitFor(await store.head())
    expect((await second.jobs({})).items.map(({ id }) => id)).toEqual(['t2', 't1'])
    await second.close()
  })

  it('makes read models again while it answers and follows, and goes on with it at its next start', async () => {
    const path = file()
    const store = openMemoryStore()
    for (let n = 0; n < 700; n++) await append(store, 'task', `t${n}`, [submitted()])
    const first = await openReadModels({ app: APP, store, file: path })
    await first.waitFor(await store.head())
    await first.rebuild('jobs')
    const during = await append(store, 'task', 't1', [started()])
    await first.waitFor(during)
    expect(await first.job('t1')).toMatchObject({ status: 'running' })
    expect(first.work().waiting).toHaveLength(699)
    await first.close()

    const reads = await openReadModels({ app: APP, store, file: path })
    expect(await reads.countJobs({})).toBe(700)
    const status = async () => (await reads.status()).find(({ name }) => name === 'jobs')
    while ((await status())?.rebuilding) await new Promise(setImmediate)
    expect(await status()).toMatchObject({ position: during, failed: undefined })
    expect(await reads.countJobs({})).toBe(700)
    expect(reads.work().running).toMatchObject([{ id: 't1' }])
    await reads.waitFor(await append(store, 'task', 't2', [started()]))
    expect(await reads.job('t2')).toMatchObject({ status: 'running' })
    await reads.close()
  })

  it('comes to the end of making one again although the log never stands still', async () => {
    const store = openMemoryStore()
    const reads = await openReadModels({ app: APP, store })
    let turns = 0
    const read = store.readAll.bind(store)
    store.readAll = async (options) => {
      const page = await read(options)
      await append(store, 'task', `t${++turns}`, [submitted()])
      for (let i = 0; i < 5; i++) await new Promise(setImmediate)
      return page
    }
    await reads.rebuild('jobs')
    while (turns < 20 && (await reads.status()).some(({ rebuilding }) => rebuilding)) await new Promise(setImmediate)
    expect(turns).toBeLessThan(5)
    await reads.waitFor(await store.head())
    expect(await reads.countJobs({})).toBe(turns)
    await reads.close()
  })

  // A promise: see docs/promises.md.
  it('are right when streams were deleted while they were away, also the one of their mark', async () => {
    const path = file()
    const store = openMemoryStore()
    await append(store, 'task', 't1', [submitted(), started(), completed()])
    await append(store, 'task', 't2', [submitted()])
    await append(store, 'task', 't3', [submitted(), started(), completed()])
    const first = await openReadModels({ app: APP, store, file: path })
    await first.waitFor(await store.head())
    await first.close()

    // The last event of the log, which the file remembers, goes: it cannot tell another log by it, and is made again.
    await store.deleteStream(`${APP}.task-t3`, 2n)
    await store.deleteStream(`${APP}.task-t1`, 2n)
    const second = await openReadModels({ app: APP, store, file: path })
    await second.waitFor(await store.head())
    expect((await second.jobs({})).items.map(({ id, status }) => [id, status])).toEqual([['t2', 'pending']])
    expect(await second.job('t3')).toBeUndefined()
    const position = await append(store, 'task', 't4', [submitted()])
    await second.waitFor(position)
    expect(await second.countJobs({})).toBe(2)
    await second.close()
  })

  it('take in what is left of a stream of which the first events are gone', async () => {
    const store = openMemoryStore()
    const reads = await openReadModels({ app: APP, store, onError: (error) => expect(error).toBeUndefined() })
    // As a scavenge under way leaves it: the rest of it goes next.
    await append(store, 'task', 't1', [started(), completed()])
    await append(store, 'session', 's1', [{ type: 'MessageReceived', data: { messageId: 'm1', text: 'hi' } }])
    await append(store, 'schedule', 'x', [{ type: 'SchedulePaused', data: {} }])
    await append(store, 'lock', 'l', [{ type: 'LockReleased', data: { taskId: 't1', reason: 'completed' } }])
    const position = await append(store, 'task', 't2', [submitted()])
    await reads.waitFor(position)
    expect((await reads.jobs({})).items.map(({ id }) => id)).toEqual(['t2'])
    await reads.close()
  })
})

async function signOfLife(store: EventStore): Promise<void> {
  const { data: _, ...event } = eventData(submitted(), Date.now())
  await store.append(`${APP}.node-n1`, 'any', [{ ...event, type: 'NodeHeartbeat', data: {} }])
}
