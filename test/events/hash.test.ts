/** The hash chain: canonical JSON by RFC 8785, and a chain in which every kind of tampering shows. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  canonicalJson,
  type EventMetadata,
  GENESIS,
  type JsonObject,
  type JsonValue,
  type Position,
  type RecordedEvent,
  seal,
  verifyChain,
} from '../../src/events/index.ts'

const METADATA: EventMetadata = {
  at: '2025-01-02T03:04:05.678Z',
  by: 'system',
  correlationId: 'correlation',
  causationId: 'causation',
  v: 1,
}

/** A sound chain of `count` events, as a store gives it back. */
function chain(stream: string, count: number): RecordedEvent[] {
  const events: RecordedEvent[] = []
  let previous = GENESIS
  for (let i = 0; i < count; i++) {
    const revision = BigInt(i)
    const sealed = seal(stream, revision, previous, { id: `id-${i}`, type: 'Noted', data: { i }, metadata: METADATA })
    previous = sealed.metadata.hash
    const { json: _, ...event } = sealed
    events.push({ ...event, stream, revision, position: revision as Position, recordedAt: 0 })
  }
  return events
}

describe('canonical JSON (RFC 8785)', () => {
  it('is the same text whatever order the keys are in, and reads as what was written', () => {
    const reversed = (value: JsonValue): JsonValue => {
      if (Array.isArray(value)) return value.map(reversed)
      if (typeof value !== 'object' || value === null) return value
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, member]) => [key, reversed(member ?? null)]),
      )
    }
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (any) => {
        const value = JSON.parse(JSON.stringify(any)) as JsonValue
        const text = canonicalJson(value)
        expect(canonicalJson(reversed(value))).toBe(text)
        expect(JSON.parse(text)).toEqual(value)
      }),
    )
  })

  it.each<[string, JsonValue, string]>([
    [
      'the sample of section 3.2.2',
      {
        // As text: no double is exactly this number, and that is the point of the sample.
        numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
        string: '\u20ac$\u000f\u000aA\'\u0042\u0022\u005c\\"/',
        literals: [null, true, false],
      },
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    ],
    [
      'the sorting sample of section 3.2.3',
      {
        '\u20ac': 'Euro Sign',
        '\r': 'Carriage Return',
        '\ufb33': 'Hebrew Letter Dalet With Dagesh',
        '1': 'One',
        '\ud83d\ude00': 'Emoji: Grinning Face',
        '\u0080': 'Control',
        '\u00f6': 'Latin Small Letter O With Diaeresis',
      },
      '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis",' +
        '"€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    ],
    ['the smallest number', 5e-324, '5e-324'],
    ['the largest number', 1.7976931348623157e308, '1.7976931348623157e+308'],
    ['minus zero', -0, '0'],
    ['a number at the edge of exponents', 1e21, '1e+21'],
    ['a number below the edge', 999999999999999700000, '999999999999999700000'],
    ['a small number at the edge', 0.000001, '0.000001'],
    ['a small number past the edge', 1e-7, '1e-7'],
    ['nothing', {}, '{}'],
    ['nested objects', { b: { d: 1, c: [{ z: 1, y: 2 }] }, a: [] }, '{"a":[],"b":{"c":[{"y":2,"z":1}],"d":1}}'],
    ['a member that is undefined', { a: undefined, b: 1 }, '{"b":1}'],
  ])('writes %s', (_, value, expected) => {
    expect(canonicalJson(value)).toBe(expected)
  })
})

describe('a hash chain', () => {
  it('verifies as it was sealed, with streams mixed', () => {
    const [a, b] = [chain('app.task-a', 3), chain('app.task-b', 3)]
    expect(verifyChain(a.flatMap((event, i) => [event, ...b.slice(i, i + 1)]))).toEqual({ ok: true })
    expect(verifyChain([])).toEqual({ ok: true })
  })

  it('does not depend on the order of keys, nor on members that are undefined', () => {
    const make = (data: JsonObject) => seal('app.task-a', 0n, GENESIS, { id: 'i', type: 'T', data, metadata: METADATA })
    expect(make({ b: 1, a: 2, c: undefined }).metadata.hash).toBe(make({ a: 2, b: 1 }).metadata.hash)
  })

  it('hands the store JSON that says what the event says', () => {
    const sealed = seal('app.task-a', 0n, GENESIS, { id: 'i', type: 'T', data: { b: 'é', a: 1 }, metadata: METADATA })
    expect(JSON.parse(sealed.json?.data ?? '')).toEqual(sealed.data)
    expect(JSON.parse(sealed.json?.metadata ?? '')).toEqual(sealed.metadata)
  })

  it.each<[string, (event: RecordedEvent) => RecordedEvent]>([
    ['data', (event) => ({ ...event, data: { i: 99 } })],
    ['type', (event) => ({ ...event, type: 'Other' })],
    ['id', (event) => ({ ...event, id: 'other' })],
    ['who', (event) => ({ ...event, metadata: { ...event.metadata, by: 'user:mallory' } })],
    ['hash', (event) => ({ ...event, metadata: { ...event.metadata, hash: GENESIS } })],
  ])('names the event whose %s was altered', (_, alter) => {
    const events = chain('app.task-a', 5).map((event, i) => (i === 2 ? alter(event) : event))
    expect(verifyChain(events)).toEqual({ ok: false, stream: 'app.task-a', revision: 2n, reason: 'altered' })
  })

  // A promise: see docs/promises.md.
  it('names the next event when one was altered and sealed anew', () => {
    const events = chain('app.task-a', 4)
    const forged = seal('app.task-a', 1n, events[0]?.metadata.hash ?? '', {
      id: 'id-1',
      type: 'Noted',
      data: { i: 'forged' },
      metadata: METADATA,
    })
    const after = events.map((event, i) =>
      i === 1 ? { ...event, data: forged.data, metadata: forged.metadata } : event,
    )
    expect(verifyChain(after)).toMatchObject({ ok: false, revision: 2n, reason: 'altered' })
  })

  // A promise: see docs/promises.md.
  it.each([0, 2])('names event %i when it is missing', (gone) => {
    const events = chain('app.task-a', 4).filter((_, i) => i !== gone)
    expect(verifyChain(events)).toEqual({ ok: false, stream: 'app.task-a', revision: BigInt(gone), reason: 'missing' })
  })

  it('names the event that comes too late', () => {
    const [a, b, c, d] = chain('app.task-a', 4)
    expect(verifyChain([a, c, b, d].filter((event) => event !== undefined))).toMatchObject({
      revision: 1n,
      reason: 'reordered',
    })
  })

  it.each([
    ['a date', new Date(0)],
    ['what says itself how it is written', { z: 1, toJSON: () => ({ kept: true }) }],
    ['a boxed text', Object('text')],
    ['NaN', Number.NaN],
    ['a list with holes', new Array(2)],
    ['a map', new Map([[1, 2]])],
  ])('covers what is stored of %s, and so does what is made of it before', (_, value) => {
    const data = { value } as unknown as JsonObject
    const { json, ...event } = seal('app.task-a', 0n, GENESIS, { id: 'id', type: 'Noted', data, metadata: METADATA })
    expect(event.data).toEqual(JSON.parse(json?.data ?? ''))
    const stored = { ...event, data: JSON.parse(json?.data ?? ''), stream: 'app.task-a', revision: 0n, recordedAt: 0 }
    expect(verifyChain([{ ...stored, position: 0n as Position }])).toEqual({ ok: true })
  })

  it('finds two events that changed places and revisions', () => {
    const events = chain('app.task-a', 4).map((event, i) => ({ ...event, revision: BigInt([0, 2, 1, 3][i] ?? 0) }))
    expect(verifyChain(events.toSorted((a, b) => Number(a.revision - b.revision)))).toMatchObject({
      revision: 1n,
      reason: 'altered',
    })
  })

  // A promise: see docs/promises.md.
  it('finds an event moved to another stream', () => {
    const events = chain('app.task-a', 2).map((event) => ({ ...event, stream: 'app.task-b' }))
    expect(verifyChain(events)).toMatchObject({ stream: 'app.task-b', revision: 0n, reason: 'altered' })
  })

  it('wants a hash on every stream but those of nodes', () => {
    const unsealed = (stream: string) => chain(stream, 1).map((event) => ({ ...event, metadata: METADATA }))
    expect(verifyChain(unsealed('app.task-a'))).toMatchObject({ ok: false, revision: 0n, reason: 'unsealed' })
    expect(verifyChain(unsealed('app.node-a'))).toEqual({ ok: true })
    expect(verifyChain(unsealed('app.task-x.node-a'))).toMatchObject({ ok: false, reason: 'unsealed' })
  })
})

describe('an event that nests too deep for those who read it', () => {
  const nested = (levels: number): JsonValue => (levels === 0 ? 'x' : [nested(levels - 1)])
  const sealed = (data: JsonObject) => seal('a', 0n, GENESIS, { id: 'i', type: 'Noted', data, metadata: METADATA })

  it('is not sealed', () => {
    expect(() => sealed({ value: nested(4000) })).toThrow(/nests too deep/)
    expect(sealed({ value: nested(500) }).json).toBeDefined()
  })

  it('is verified all the same where it is in the log', () => {
    expect(canonicalJson(nested(2000))).toHaveLength(4003)
  })
})

describe('the keys of user data', () => {
  it('are not kept in memory however long they are', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const used = async () => {
      for (let n = 0; n < 2; n++) {
        await new Promise((resolve) => setImmediate(resolve))
        collect()
      }
      return process.memoryUsage().heapUsed
    }
    const before = await used()
    for (let n = 0; n < 200; n++) canonicalJson(JSON.parse(`{"${n}${'k'.repeat(200_000)}":1}`))
    // They come to 40 MB, and as much again in quotes.
    expect((await used()) - before).toBeLessThan(10_000_000)
  })
})
