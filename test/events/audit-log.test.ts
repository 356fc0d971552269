/** A whole log against its chain, in one pass: the first break is named, whichever way it was made. */
import { describe, expect, it } from 'vitest'
import { openMemoryStore, type RecordedEvent, seal, verifyLog } from '../../src/events/index.ts'

const GENESIS = '0'.repeat(64)
const metadata = { at: '2026-01-01T00:00:00.000Z', by: 'system', correlationId: 'c', causationId: 'c', v: 1 } as const

/** Three events each of two streams of two apps, one after the other. */
async function log() {
  const store = openMemoryStore()
  const last = new Map<string, string>()
  for (let n = 0; n < 3; n++) {
    for (const stream of ['demo.task-a', 'demo.task-b', 'other.task-a']) {
      const event = { id: `${stream}-${n}`, type: 'E', data: { n }, metadata }
      const sealed = seal(stream, BigInt(n), last.get(stream) ?? GENESIS, event)
      last.set(stream, sealed.metadata.hash)
      await store.append(stream, n === 0 ? 'no-stream' : BigInt(n - 1), [sealed])
    }
  }
  return (await store.readAll()).slice()
}

/** A log of just these events, in pages of two. */
function reading(events: readonly RecordedEvent[]) {
  return {
    readAll: async ({ from = -1n, prefixes = [''] }: { from?: bigint; prefixes?: readonly string[] } = {}) =>
      events
        .filter((one) => one.position > from && prefixes.some((prefix) => one.stream.startsWith(prefix)))
        .slice(0, 2),
    readStream: async (stream: string, { from = 0n }: { from?: bigint } = {}) =>
      events
        .filter((one) => one.stream === stream && one.revision >= from)
        .sort((a, b) => Number(a.revision - b.revision)),
  }
}

function brokenBy(change: (events: RecordedEvent[]) => RecordedEvent[]) {
  return async () => {
    const { broken } = await verifyLog(reading(change(await log())))
    return broken && `${broken.stream} ${broken.revision} ${broken.reason}`
  }
}

const renumbered = (events: RecordedEvent[]) =>
  events.map((event, i) => ({ ...event, position: BigInt(i) as RecordedEvent['position'] }))

describe('a log', () => {
  it('that is as it was appended holds: all apps, or one', async () => {
    const events = await log()
    expect(await verifyLog(reading(events))).toMatchObject({ broken: undefined, events: 9, streams: 3, retired: 0 })
    expect(await verifyLog(reading(events), { app: 'demo' })).toMatchObject({
      broken: undefined,
      events: 6,
      streams: 2,
    })
  })

  // A promise: see docs/promises.md.
  it.each([
    [
      'altered data',
      (all: RecordedEvent[]) => all.with(4, { ...(all[4] as RecordedEvent), data: { n: 7 } }),
      'demo.task-b 1 altered',
    ],
    ['a missing event', (all: RecordedEvent[]) => all.toSpliced(3, 1), 'demo.task-a 1 missing'],
    ['a missing first event', (all: RecordedEvent[]) => all.toSpliced(2, 1), 'other.task-a 0 missing'],
    [
      'two events in each other’s place',
      (all: RecordedEvent[]) => renumbered(all.with(0, all[3] as RecordedEvent).with(3, all[0] as RecordedEvent)),
      'demo.task-a 0 reordered',
    ],
    [
      'an event without a hash',
      (all: RecordedEvent[]) => all.with(8, { ...(all[8] as RecordedEvent), metadata }),
      'other.task-a 2 unsealed',
    ],
  ])('with %s is broken there', async (_, change, expected) => {
    expect(await brokenBy(change)()).toBe(expected)
  })

  it('tells how far it is', async () => {
    const told: number[] = []
    await verifyLog(reading(await log()), { onProgress: ({ events }) => told.push(events) })
    expect(told).toEqual([2, 4, 6, 8, 9])
  })
})
