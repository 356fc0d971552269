/** What can go wrong while read models are made again, and that it is no concern of those in use. */
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { openMemoryStore, StoreClosed, StoreUnavailable } from '../../src/events/index.ts'
import { openReadCore } from '../../src/projections/index.ts'
import { JOBS } from '../../src/projections/models/jobs-table.ts'
import { Rebuilder } from '../../src/projections/rebuilder.ts'
import { APP, append, ManualClock, submitted } from './support.ts'

const LARGE = 'x'.repeat(20_000)

async function rebuilding(count: number) {
  const store = openMemoryStore()
  for (let n = 0; n < count; n++) {
    await append(store, 'task', `t${n}`, [submitted({ params: { text: LARGE } })])
  }
  const db = new DatabaseSync(':memory:')
  const clock = new ManualClock()
  const core = openReadCore({ db, app: APP, clock })
  core.apply(await store.readAll())
  const errors: Error[] = []
  const failures: unknown[] = []
  const hidden = { from: Number.POSITIVE_INFINITY, isDeleted: false }
  const log: Pick<typeof store, 'readAll' | 'readStream'> = {
    async readAll(options) {
      if (failures.length > 0) throw failures.shift()
      return (await store.readAll(options)).filter(({ position }) => position < hidden.from)
    },
    readStream: async (...of) => (hidden.isDeleted ? [] : store.readStream(...of)),
  }
  const rebuilder = new Rebuilder({ core, log, clock, onError: (error) => errors.push(error) })
  core.ask('rebuild', 'jobs')
  return { core, db, clock, errors, failures, hidden, rebuilder, status: () => core.engine.status()[0] }
}

describe('Rebuilder', () => {
  it('has a turn whenever there is something to read, until it has caught up', async () => {
    const { core, rebuilder, status } = await rebuilding(5)
    expect(rebuilder.dueIn).toBe(0)
    expect(await rebuilder.turn(2)).toBe(2)
    expect(status()).toMatchObject({ rebuild: { position: 1n, events: 2 } })
    expect([await rebuilder.turn(2), await rebuilder.turn(2)]).toEqual([2, 1])
    expect(rebuilder.dueIn).toBeUndefined()
    expect(status()).toMatchObject({ rebuilding: false, failed: undefined })
    expect(core.ask('countJobs', {})).toBe(5)
    expect(await rebuilder.turn(2)).toBe(0)
  })

  it('does not take a server that lags behind for the end of the log', async () => {
    const { core, rebuilder, clock, hidden, status } = await rebuilding(3)
    hidden.from = 2
    expect(await rebuilder.turn(10)).toBe(2)
    expect(await rebuilder.turn(10)).toBe(0)
    expect(status()).toMatchObject({ rebuilding: true, rebuild: { position: 1n } })
    expect(core.ask('countJobs', {})).toBe(3)
    expect(rebuilder.dueIn).toBe(100)
    hidden.from = Number.POSITIVE_INFINITY
    clock.advance(100)
    await rebuilder.turn(10)
    expect(status()).toMatchObject({ rebuilding: false })
    expect(core.ask('countJobs', {})).toBe(3)
  })

  it('comes to the end of a log of which the last events were deleted', async () => {
    const { core, rebuilder, hidden, status } = await rebuilding(3)
    hidden.from = 2
    hidden.isDeleted = true
    await rebuilder.turn(10)
    expect(status()).toMatchObject({ rebuilding: false, position: 2n })
    expect(core.ask('countJobs', {})).toBe(2)
  })

  it('tries again after a while when the log does not answer', async () => {
    const { rebuilder, clock, errors, failures, status } = await rebuilding(1)
    const away = new StoreUnavailable('away', { retryable: true })
    failures.push(away, away)
    await rebuilder.turn(10)
    expect(rebuilder.dueIn).toBe(100)
    clock.advance(100)
    await rebuilder.turn(10)
    expect(rebuilder.dueIn).toBe(200)
    clock.advance(200)
    await rebuilder.turn(10)
    expect(errors).toEqual([away, away])
    expect(status()).toMatchObject({ rebuilding: false, failed: undefined })
  })

  it('ends with the log, and leaves what it made for the next start', async () => {
    const { rebuilder, failures, status } = await rebuilding(1)
    failures.push(new StoreClosed())
    await rebuilder.turn(10)
    expect(rebuilder.dueIn).toBeUndefined()
    expect(status()).toMatchObject({ rebuilding: true })
  })

  it('gives up for an event that cannot be taken in, and says which', async () => {
    const { core, db, rebuilder, errors, status } = await rebuilding(3)
    db.exec(
      `CREATE TRIGGER refuse BEFORE INSERT ON ${JOBS.replace(/_v\d+/, '$&r1')} WHEN new.id = 't1' BEGIN SELECT raise(ABORT, 'no'); END`,
    )
    await rebuilder.turn(10)
    expect(errors).toMatchObject([{ code: 'poison-event', position: 1n }])
    expect(status()).toMatchObject({
      rebuilding: false,
      failed: expect.stringMatching(/jobs.*task-t1 at position 1: no/),
    })
    expect(core.ask('countJobs', {})).toBe(3)
    expect(rebuilder.dueIn).toBeUndefined()
  })

  it('is not begun where there is no room for its first tables: the answer says so, and nothing is left of it', async () => {
    const { core, db, rebuilder, status } = await rebuilding(0)
    while (rebuilder.dueIn !== undefined) await rebuilder.turn(10)
    const pages = Number(db.prepare('PRAGMA page_count').get()?.page_count)
    db.exec(`PRAGMA max_page_count = ${pages}`)
    expect(() => core.ask('rebuild')).toThrow(
      expect.objectContaining({ code: 'store-unavailable', message: expect.stringContaining('Make room') }),
    )
    expect(status()).toMatchObject({ rebuilding: false })
    expect(core.ask('countJobs', {})).toBe(0)
  })

  it('gives up when there is no room for both, and those in use have room again', async () => {
    const { core, db, rebuilder, errors, status } = await rebuilding(10)
    const pages = Number(db.prepare('PRAGMA page_count').get()?.page_count)
    db.exec(`PRAGMA max_page_count = ${pages + 20}`)
    for (let turns = 0; turns < 10 && rebuilder.dueIn !== undefined; turns++) await rebuilder.turn(1)
    expect(errors).toMatchObject([{ message: expect.stringContaining('full') }])
    expect(status()).toMatchObject({ rebuilding: false, failed: expect.stringContaining('Make room') })
    const store = openMemoryStore()
    for (let n = 0; n < 13; n++) await append(store, 'task', `u${n}`, [submitted({ params: { text: LARGE } })])
    core.apply((await store.readAll()).slice(10))
    expect(core.ask('countJobs', {})).toBe(13)
  })
})
