/** Made again beside those in use: until the end nobody sees it, then everybody does, and a crash in between costs nothing. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import type { Position, RecordedEvent } from '../../src/events/index.ts'
import {
  nothingTouched,
  openProjectionEngine,
  openReadCore,
  type Projection,
  type ProjectionEngine,
  type ReadCore,
  type ReadModel,
  readWork,
  UnknownReadModel,
} from '../../src/projections/index.ts'
import { JOBS } from '../../src/projections/models/jobs-table.ts'
import { cut, historyOf, steps } from './random-history.ts'
import { APP, completed, History, ManualClock, started, submitted } from './support.ts'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

interface Opened {
  readonly db: DatabaseSync
  readonly core: ReadCore
}

function open(file = ':memory:'): Opened {
  const db = new DatabaseSync(file)
  return { db, core: openReadCore({ db, app: APP, clock: new ManualClock() }) }
}

function file(): string {
  const directory = mkdtempSync(join(tmpdir(), 'rebuild-'))
  directories.push(directory)
  return join(directory, 'read.db')
}

/** One page of the log for what is made again, as a host gives it. */
function turn({ engine }: Pick<ReadCore, 'engine'>, log: readonly RecordedEvent[], limit: number): boolean {
  const from = engine.rebuildPosition
  if (from === undefined) return false
  const events = log.filter(({ position }) => position > from).slice(0, limit)
  return engine.takeIn({ from, events, isLast: events.length < limit })
}

/** All that anybody can ask. */
function answersOf({ core, db }: Opened) {
  const windows = [{ after: 0, limit: 50 }]
  const statuses = ['pending', 'scheduled', 'retry', 'running', 'completed', 'failed', 'timeout', 'cancelled'] as const
  return {
    position: core.engine.position,
    jobs: core.ask('jobs', { limit: 500 }),
    mine: core.ask('jobs', { ownerId: 'ada', status: ['pending', 'running'], name: 'build_report' }),
    board: core.ask('board', { filter: {}, columns: [{ label: 'All', statuses }], windows }),
    sessions: core.ask('sessions', {}),
    transcripts: ['s1', 's2'].map((id) => core.ask('transcript', id)),
    schedules: core.ask('schedules'),
    locks: core.ask('locks'),
    work: workOf(db),
  }
}

function workOf(db: DatabaseSync) {
  const work = readWork(db)
  return { ...work, waiting: [...work.waiting] }
}

function setsOf(db: DatabaseSync): string[] {
  const tables = db
    .prepare(`SELECT name FROM sqlite_schema WHERE type IN ('table', 'index') AND name GLOB '*_v*'`)
    .all()
  const prefixes = tables.map(({ name }) => /^[a-z]+_v\d+(?:r\d+)?_/.exec(String(name))?.[0])
  return [...new Set(prefixes.filter((prefix) => prefix !== undefined))].sort()
}

describe('read models that are made again', () => {
  // A promise: see docs/promises.md.
  it('change no answer at any time, however the log comes in and whatever comes in meanwhile', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(steps, sizes, fc.integer({ min: 1, max: 30 }), fc.nat(20), (list, batches, limit, begin) => {
        const { events } = historyOf(list)
        const used = open()
        const control = open()
        for (const [i, batch] of [...cut(events, batches)].entries()) {
          if (i === begin) used.core.ask('rebuild')
          used.core.apply(batch)
          control.core.apply(batch)
          // The log is ahead of those that are in use.
          turn(used.core, events, limit)
          expect(answersOf(used)).toEqual(answersOf(control))
        }
        used.core.ask('rebuild')
        while (used.core.engine.rebuildPosition !== undefined) turn(used.core, events, limit)
        expect(answersOf(used)).toEqual(answersOf(control))
        expect(used.core.engine.status().map(({ rebuilding }) => rebuilding)).not.toContain(true)
        expect(setsOf(used.db)).toHaveLength(5)
      }),
      { numRuns: 60 },
    )
  })

  it('say where they stand, whatever code of another version left in the file', () => {
    const { db, core } = open()
    const log = new History()
    for (const id of ['a', 'b']) log.task(id, submitted())
    core.apply(log.events)
    // A read model that only newer code has, which was taken back.
    db.exec(`INSERT INTO checkpoints VALUES ('collections', 1, 0, NULL)`)
    expect(workOf(db).position).toBe(core.engine.position)
  })

  it('answer as before until they have caught up, then as the log says, and those who watch are told', async () => {
    const history = new History()
    for (const id of ['a', 'b', 'c']) history.task(id, submitted(), started())
    const { core, db } = open()
    core.apply(history.events)
    db.exec(`UPDATE ${JOBS} SET status = 0 WHERE id = 'a'`)
    const told: unknown[] = []
    const tell = { snapshot: (_: Position, job: unknown) => told.push(job), delta: () => {}, failed: () => {} }
    core.hub.watch('job', { id: 'a' }, tell)
    await Promise.resolve()
    expect(told).toMatchObject([{ status: 'pending' }])

    core.ask('rebuild', 'jobs')
    expect(core.engine.status()[0]).toMatchObject({
      rebuilding: true,
      rebuild: { position: -1n, until: 5n, events: 0 },
    })
    core.takeIn({ from: -1n as Position, events: history.events.slice(0, 4), isLast: false })
    expect(core.ask('job', 'a')).toMatchObject({ status: 'pending' })
    expect(core.engine.status()[0]).toMatchObject({ position: 5n, rebuild: { position: 3n, until: 5n, events: 4 } })
    expect(workOf(db).waiting).toMatchObject([{ id: 'a' }])

    core.takeIn({ from: 3n as Position, events: history.events.slice(4), isLast: true })
    expect(core.ask('job', 'a')).toMatchObject({ status: 'running' })
    expect(core.engine.status()[0]).toMatchObject({ rebuilding: false, rebuild: undefined, position: 5n })
    expect(told).toMatchObject([{ status: 'pending' }, { status: 'running' }])
    expect(workOf(db)).toMatchObject({ waiting: [], running: [{ id: 'a' }, { id: 'b' }, { id: 'c' }] })

    core.apply(history.task('a', completed()))
    expect(core.ask('job', 'a')).toMatchObject({ status: 'completed' })
  })

  // A promise: see docs/promises.md.
  it('go on where they were when the process died, and those in use answer meanwhile', () => {
    const history = new History()
    for (let n = 0; n < 20; n++) history.task(`t${n}`, submitted())
    const path = file()
    const before = open(path)
    before.core.apply(history.events)
    const answers = answersOf(before)
    before.core.ask('rebuild')
    turn(before.core, history.events, 7)
    // Nothing is closed: that is what a kill leaves.

    const after = open(path)
    expect(answersOf(after)).toEqual(answers)
    expect(after.core.engine.rebuildPosition).toBe(6n)
    turn(after.core, history.events, 7)
    turn(after.core, history.events, 7)
    expect(after.core.engine.rebuildPosition).toBeUndefined()
    expect(answersOf(after)).toEqual(answers)

    const again = open(path)
    expect(answersOf(again)).toEqual(answers)
    expect(setsOf(again.db)).toEqual(setsOf(after.db))
    for (const { db } of [before, after, again]) db.close()
  })

  it('are one rebuild when asked twice; one that is asked for later begins at the beginning', () => {
    const history = new History()
    for (const id of ['a', 'b', 'c']) history.task(id, submitted())
    const { core } = open()
    core.apply(history.events)
    core.ask('rebuild', 'jobs')
    turn(core, history.events, 2)
    core.ask('rebuild', 'jobs')
    expect(core.engine.rebuildPosition).toBe(1n)
    // A page that was read before the other one was asked for is not its beginning.
    core.ask('rebuild', 'owed')
    core.takeIn({ from: 1n as Position, events: history.events.slice(2), isLast: true })
    const rebuilding = () => core.engine.status().flatMap((model) => (model.rebuilding ? [model.name] : []))
    expect(rebuilding()).toEqual(['owed'])
    expect(core.engine.rebuildPosition).toBe(-1n)
    turn(core, history.events, 10)
    expect(rebuilding()).toEqual([])
    expect(() => core.ask('rebuild', 'jbos')).toThrow(UnknownReadModel)
  })
})

/** Writes the id of each event's stream; fails at one of them. */
function listModel(version: number, failAt: () => string | undefined = () => undefined): ReadModel {
  const table = `list_v${version}_rows`
  return {
    name: 'list',
    version,
    kinds: ['task'],
    tables: `CREATE TABLE ${table} (id TEXT);`,
    open(db): Projection {
      return {
        apply(events) {
          for (const { key } of events) {
            if (key === failAt()) throw new Error('cannot')
            db.prepare(`INSERT INTO ${table} VALUES (?)`).run(key)
          }
        },
        forget() {},
      }
    },
  }
}

describe('the engine, making one read model again', () => {
  const history = new History()
  for (const id of ['a', 'b', 'c']) history.task(id, submitted())

  function engineOf(db: DatabaseSync, model: ReadModel): ProjectionEngine {
    return openProjectionEngine({ db, app: APP, models: [model] })
  }

  it('gives it up with the reason when it cannot take in an event, and the one in use goes on', () => {
    const db = new DatabaseSync(':memory:')
    let failing: string | undefined
    const engine = engineOf(
      db,
      listModel(1, () => failing),
    )
    engine.apply(history.events, nothingTouched())
    failing = 'c'
    engine.rebuild()
    expect(() => turn({ engine }, history.events, 10)).toThrow(
      expect.objectContaining({ code: 'poison-event', stream: `${APP}.task-c` }),
    )
    // Those before it are in.
    expect(engine.rebuildPosition).toBe(1n)
    engine.giveUpRebuild('no good', 'list')
    expect(engine.status()).toMatchObject([{ rebuilding: false, failed: 'no good', position: 2n }])
    expect(setsOf(db)).toEqual(['list_v1_'])
    failing = undefined
    engine.rebuild('list')
    expect(engine.status()).toMatchObject([{ rebuilding: true, failed: undefined }])
    expect(turn({ engine }, history.events, 10)).toBe(true)
    engine.db.exec(`DELETE FROM list_v1_rows WHERE id = 'b'`)
    expect(engine.db.prepare('SELECT id FROM list_v1_rows').all()).toEqual([{ id: 'a' }, { id: 'c' }])
    expect(setsOf(db)).toEqual(['list_v1r1_'])
  })

  it('forgets what an older version made, in use or not, once the new one has caught up', () => {
    const db = new DatabaseSync(':memory:')
    const old = engineOf(db, listModel(1))
    old.apply(history.events, nothingTouched())
    old.rebuild()
    turn({ engine: old }, history.events, 10)
    old.rebuild()
    turn({ engine: old }, history.events, 1)
    expect(setsOf(db)).toEqual(['list_v1r1_', 'list_v1r2_'])

    const engine = engineOf(db, listModel(2))
    expect(engine.status()).toMatchObject([{ rebuilding: true, rebuild: { position: -1n, until: 2n } }])
    // It is being made already.
    engine.rebuild()
    expect(engine.rebuildPosition).toBeUndefined()
    // Whoever goes back to the old code finds all of it.
    expect(engineOf(db, listModel(1))).toMatchObject({ position: 2n, rebuildPosition: 0n })
    engine.apply(history.events, nothingTouched())
    expect(setsOf(db)).toEqual(['list_v2_'])
    expect(engineOf(db, listModel(1)).position).toBe(-1n)
  })

  it('takes over a file that was written before there were rebuilds', () => {
    const db = new DatabaseSync(':memory:')
    engineOf(db, listModel(1)).apply(history.events, nothingTouched())
    db.exec(`DROP TABLE generations; UPDATE meta SET value = '1 ${APP}' WHERE key = 'identity'`)
    expect(engineOf(db, listModel(1)).position).toBe(2n)
  })
})
