/** Reading the embedded log beside its store, in the same thread or another. */
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openSqliteReader, START, StoreClosed, StoreUnavailable } from '../../src/events/index.ts'
import { directory, event, givenDirectory, openStore } from './sqlite-given.ts'

givenDirectory()

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
