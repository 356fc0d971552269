/** A table from one description of its columns: what is written comes back, each column when it is due. */
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import type { JsonValue, Position } from '../../src/events/index.ts'
import {
  always,
  asJson,
  column,
  composed,
  type Fields,
  FLAG,
  INT,
  JSON_OR_NULL,
  listOf,
  MAYBE_INT,
  MAYBE_TEXT,
  maybeJson,
  once,
  POSITION,
  RecordTable,
  readOnly,
  TEXT,
} from '../../src/projections/record-table.ts'

interface Parcel {
  readonly id: string
  readonly depot: string | undefined
  readonly heavy: boolean
  readonly weight: number
  readonly sentAt: number | undefined
  readonly arrivedAt: number | undefined
  readonly size: { readonly width: number; readonly height: number }
  readonly stamps: readonly string[]
  readonly label: { readonly to: string }
  readonly note: { readonly by: string } | undefined
  readonly content: JsonValue
  readonly position: Position
  readonly shown: string
}

const FIELDS: Fields<Parcel> = {
  id: once(TEXT),
  depot: once(MAYBE_TEXT, 'place'),
  heavy: always(FLAG),
  weight: always(INT),
  sentAt: once(MAYBE_INT),
  arrivedAt: composed({ arrival: column('on a move', MAYBE_INT, (parcel) => parcel.arrivedAt) }, (row) =>
    typeof row.arrival === 'number' ? row.arrival : undefined,
  ),
  size: composed(
    {
      width: column('always', INT, (parcel) => parcel.size.width),
      height: column('always', INT, (parcel) => parcel.size.height),
    },
    (row) => ({ width: INT.read(row.width), height: INT.read(row.height) }),
  ),
  stamps: always(listOf<string>()),
  label: always(asJson<Parcel['label']>()),
  note: always(maybeJson<{ readonly by: string }>()),
  content: always(JSON_OR_NULL),
  position: always(POSITION),
  shown: readOnly((row) => TEXT.read(row.shown)),
}

const parcels = new RecordTable('parcels', FIELDS)

function opened() {
  const db = new DatabaseSync(':memory:')
  db.exec(parcels.definition)
  const rows = parcels.open(db, undefined)
  const select = db.prepare(`SELECT ${parcels.select('p', { shown: 'upper(p.id)' })} FROM parcels p WHERE p.n = ?`)
  const read = (n: number): Parcel => parcels.read(select.get(n) ?? {})
  return { rows, read, select }
}

const parcel = fc
  .record({
    id: fc.string(),
    depot: fc.option(fc.string(), { nil: undefined }),
    heavy: fc.boolean(),
    weight: fc.integer(),
    sentAt: fc.option(fc.nat(), { nil: undefined }),
    arrivedAt: fc.option(fc.nat(), { nil: undefined }),
    size: fc.record({ width: fc.nat(), height: fc.nat() }, { noNullPrototype: true }),
    stamps: fc.array(fc.string()),
    label: fc.record({ to: fc.string() }, { noNullPrototype: true }),
    note: fc.option(fc.record({ by: fc.string() }, { noNullPrototype: true }), { nil: undefined }),
    content: fc.constantFrom<JsonValue>(null, 0, '', false, [], { a: [null] }),
    position: fc.nat().map((n) => BigInt(n) as Position),
  })
  // SQLite ends a text at NUL for its own functions, and knows capitals of ASCII only.
  .map((made): Parcel => ({ ...made, id: 'a1', shown: 'A1' }))

describe('a table of records', () => {
  it('is made of the columns, in their order', () => {
    expect(parcels.definition.replace(/\s+/g, ' ')).toBe(
      'CREATE TABLE parcels ( n INTEGER PRIMARY KEY, id TEXT NOT NULL, place TEXT, heavy INTEGER NOT NULL, ' +
        'weight INTEGER NOT NULL, sent_at INTEGER, arrival INTEGER, width INTEGER NOT NULL, height INTEGER NOT NULL, ' +
        'stamps TEXT, label TEXT NOT NULL, note TEXT, content TEXT, position INTEGER NOT NULL )',
    )
  })

  it('gives back each field as it was written', () => {
    const { rows, read } = opened()
    fc.assert(
      fc.property(parcel, (written) => {
        expect(read(rows.insert(undefined, written))).toStrictEqual(written)
      }),
    )
  })

  it('writes at each update what is due at each, and the rest on a move or never', () => {
    fc.assert(
      fc.property(parcel, parcel, fc.boolean(), (before, after, moved) => {
        const { rows, read } = opened()
        const n = rows.insert(7, before)
        rows.update(n, after, moved)
        const { id, depot, sentAt } = before
        const { arrivedAt } = moved ? after : before
        expect(read(7)).toStrictEqual({ ...after, id, depot, sentAt, arrivedAt })
      }),
      { numRuns: 30 },
    )
  })

  it('deletes a row by its number, and no other', () => {
    const { rows, select } = opened()
    const [one] = fc.sample(parcel, 1)
    if (one === undefined) throw new Error('no sample')
    const first = rows.insert(undefined, one)
    const second = rows.insert(undefined, one)
    rows.delete(first)
    expect([select.get(first), select.get(second)?.n]).toEqual([undefined, second])
  })

  it('takes no description that lacks a field, or has it as another type', () => {
    const { weight: _, ...lacking } = FIELDS
    expectTypeOf<typeof lacking>().not.toExtend<Fields<Parcel>>()
    expectTypeOf<Omit<typeof FIELDS, 'weight'> & { weight: Fields<Parcel>['id'] }>().not.toExtend<Fields<Parcel>>()
    expectTypeOf<Omit<typeof FIELDS, 'weight'> & { weight: Fields<Parcel>['sentAt'] }>().not.toExtend<Fields<Parcel>>()
  })
})
