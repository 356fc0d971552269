/** The engine: a batch and its checkpoint are one, and whatever cannot be trusted is made again from the log. */
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, expect, it } from 'vitest'
import { type AuditFact, NO_KEY, type Position } from '../../src/events/index.ts'
import {
  nothingTouched,
  openProjectionEngine,
  PoisonEvent,
  type Projection,
  type ProjectionEngine,
  type ReadModel,
} from '../../src/projections/index.ts'
import { APP, History, started, submitted } from './support.ts'

let db: DatabaseSync
beforeEach(() => {
  db = new DatabaseSync(':memory:')
})

/** Writes the id of each event's stream; fails at one of them. */
function listModel(options: { version?: number; name?: string; failAt?: () => string | undefined } = {}): ReadModel {
  const { version = 1, name = 'list', failAt } = options
  const table = `${name}_v${version}_rows`
  return {
    name,
    version,
    kinds: ['task'],
    tables: `CREATE TABLE ${table} (id TEXT);`,
    open(db): Projection {
      return {
        apply(events) {
          for (const { key } of events) {
            if (key === failAt?.()) throw new Error('cannot')
            db.prepare(`INSERT INTO ${table} VALUES (?)`).run(key)
          }
        },
        forget() {},
      }
    },
  }
}

function open(...models: ReadModel[]): ProjectionEngine {
  return openProjectionEngine({ db, app: APP, models })
}

function rows(table: string): unknown[] {
  return db
    .prepare(`SELECT id FROM ${table}`)
    .all()
    .map(({ id }) => id)
}

function tables(): unknown[] {
  return db
    .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'list%' ORDER BY name`)
    .all()
    .map(({ name }) => name)
}

describe('the engine', () => {
  it('keeps a batch and its checkpoint together', () => {
    const history = new History()
    for (const id of ['a', 'b', 'c']) history.task(id, submitted())
    let failing: string | undefined = 'c'
    const other = listModel({ name: 'list_other' })
    const engine = open(other, listModel({ failAt: () => failing }))
    expect(() => engine.apply(history.events, nothingTouched())).toThrow(PoisonEvent)
    // Those before the poison are in, in both; the poison is in neither.
    expect(rows('list_v1_rows')).toEqual(['a', 'b'])
    expect(rows('list_other_v1_rows')).toEqual(['a', 'b'])
    expect(engine.position).toBe(1n)
    failing = undefined
    engine.apply(history.events, nothingTouched())
    expect(rows('list_v1_rows')).toEqual(['a', 'b', 'c'])
    expect(engine.position).toBe(2n)
  })

  it('names the read model, the stream and the position of a poison event', () => {
    const history = new History()
    for (const id of ['a', 'b']) history.task(id, submitted())
    const engine = open(listModel({ failAt: () => 'b' }))
    const failure = { readModel: 'list', stream: `${APP}.task-b`, type: 'TaskSubmitted', position: 1n }
    expect(() => engine.apply(history.events, nothingTouched())).toThrow(expect.objectContaining(failure))
  })

  it('takes no event twice', () => {
    const history = new History()
    history.task('a', submitted())
    const engine = open(listModel())
    engine.apply(history.events, nothingTouched())
    history.task('b', submitted())
    engine.apply(history.events, nothingTouched())
    expect(rows('list_v1_rows')).toEqual(['a', 'b'])
  })

  it('goes on from the checkpoint, with the mark of the log', () => {
    const history = new History()
    const [event] = history.task('a', submitted())
    open(listModel()).apply(history.events, nothingTouched())
    const again = open(listModel())
    expect(again.position).toBe(0n)
    expect(again.mark).toEqual({ stream: `${APP}.task-a`, revision: 0n, id: event?.id, position: 0n })
  })

  it('rebuilds a new version beside the old one, which stays until then', () => {
    const history = new History()
    for (const id of ['a', 'b']) history.task(id, submitted())
    open(listModel()).apply(history.events, nothingTouched())

    const engine = open(listModel({ version: 2 }))
    expect(engine.position).toBe(-1n)
    expect(engine.status()).toMatchObject([{ name: 'list', version: 2, position: -1n, rebuilding: true }])
    engine.apply(history.events.slice(0, 1), nothingTouched())
    expect(tables()).toEqual(['list_v1_rows', 'list_v2_rows'])
    engine.apply(history.events.slice(1), nothingTouched())
    expect(tables()).toEqual(['list_v2_rows'])
    expect(rows('list_v2_rows')).toEqual(['a', 'b'])
    expect(engine.status()[0]?.rebuilding).toBe(false)
  })

  it('rebuilds only what is new, and leaves the others as they are', () => {
    const history = new History()
    history.task('a', submitted())
    open(listModel()).apply(history.events, nothingTouched())
    const engine = open(listModel(), listModel({ name: 'list_other' }))
    expect(engine.position).toBe(-1n)
    engine.apply(history.events, nothingTouched())
    expect(rows('list_v1_rows')).toEqual(['a'])
    expect(rows('list_other_v1_rows')).toEqual(['a'])
  })

  it('passes over what newer code wrote and what is of other apps, counts the first, and rebuilds once it knows it', () => {
    const history = new History()
    history.task('a', submitted())
    history.add('task', 'a', started(), { v: 99 })
    const [event] = history.task('b', submitted())
    if (event !== undefined) history.events.push({ ...event, stream: 'another.task-c', position: 3n as Position })
    const engine = open(listModel())
    engine.apply(history.events, nothingTouched())
    expect(rows('list_v1_rows')).toEqual(['a', 'b'])
    expect(engine).toMatchObject({ skipped: 1, position: 3n })
    expect(open(listModel()).position).toBe(3n)
    // As if this code had been the older one, that did not know version 1.
    db.exec('UPDATE skipped SET v = 1')
    expect(open(listModel())).toMatchObject({ skipped: 0, position: -1n })
  })

  it('rebuilds also for what was done to the log itself, once it knows it', () => {
    const history = new History()
    history.task('a', submitted())
    const { data } = history.retire('task', 'a')
    history.events.pop()
    history.add('audit', NO_KEY, { type: 'StreamRetired', data: data as AuditFact['data'] }, { v: 99 })
    const engine = open(listModel())
    engine.apply(history.events, nothingTouched())
    expect(engine.skipped).toBe(1)
    db.exec('UPDATE skipped SET v = 1')
    expect(open(listModel())).toMatchObject({ skipped: 0, position: -1n })
  })

  it('forgets everything for another app', () => {
    const history = new History()
    history.task('a', submitted())
    open(listModel()).apply(history.events, nothingTouched())
    expect(openProjectionEngine({ db, app: 'another', models: [listModel()] }).position).toBe(-1n)
    expect(rows('list_v1_rows')).toEqual([])
  })
})
