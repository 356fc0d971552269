/** What the embedded store makes of damage, of a full disk and of the death of its writer: it says so, and keeps nothing back. */
import { once } from 'node:events'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openSqliteStore, type RecordedEvent, StoreCorrupt, StoreUnavailable } from '../../src/events/index.ts'
import { directory, event, givenDirectory, openStore, tamper } from './sqlite-given.ts'

givenDirectory()

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
