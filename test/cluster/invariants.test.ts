/** The check of a real cluster is only worth something if it notices what is broken. */
import { expect, test } from 'vitest'
import { GENESIS, newId, type Position, type RecordedEvent, seal } from '../../src/events/index.ts'
import { violations } from './invariants.ts'

type Told = readonly [stream: string, type: string, data?: Record<string, string | number>]

/** What was told, as a log in that order; each stream with its hash chain. */
function log(...told: readonly Told[]) {
  const last = new Map<string, { revision: bigint; hash: string }>()
  const events = told.map(([key, type, data = {}], index): RecordedEvent => {
    const stream = `demo.${key}`
    const { revision, hash } = last.get(stream) ?? { revision: -1n, hash: GENESIS }
    const metadata = {
      at: '2026-01-01T00:00:00.000Z',
      by: 'system',
      correlationId: 'c',
      causationId: 'c',
      v: 1,
    } as const
    const sealed = seal(stream, revision + 1n, hash, { id: String(data.id ?? newId()), type, data, metadata })
    last.set(stream, { revision: revision + 1n, hash: sealed.metadata.hash ?? '' })
    return { ...sealed, stream, revision: revision + 1n, position: BigInt(index) as Position, recordedAt: 0 }
  })
  return { app: 'demo', events }
}

const kinds = (of: ReturnType<typeof log>) => violations(of, { narrow: 1 }).map((broken) => broken.split(':')[0])

const under = (id: string): Told => [`task-${id}`, 'TaskSubmitted', { name: 'locked', lockKey: 'one' }]
const narrow = (id: string): Told => [`task-${id}`, 'TaskSubmitted', { name: 'narrow' }]
const started = (id: string, claim: string): Told => [`task-${id}`, 'TaskStarted', { id: claim, node: 'n' }]
const completed = (id: string, claim: string): Told => [`task-${id}`, 'TaskCompleted', { claim }]

const first = 'c0000000-0000-4000-8000-000000000001'
const second = 'c0000000-0000-4000-8000-000000000002'

test('a good log breaks nothing', () => {
  const good = log(
    ['lock-one', 'LockAcquired', { taskId: 'a' }],
    under('a'),
    under('b'),
    ['lock-one', 'LockQueued', { taskId: 'b' }],
    started('a', first),
    ['task-a', 'TaskInterrupted', { claim: first, cause: 'crash' }],
    started('a', second),
    ['task-a', 'TaskWriteRefused', { claim: first, tried: 'complete' }],
    completed('a', second),
    ['lock-one', 'LockReleased', { taskId: 'a' }],
    ['lock-one', 'LockTakenOver', { from: 'a', to: 'b' }],
    started('b', first),
    completed('b', first),
    narrow('c'),
    started('c', first),
    completed('c', first),
    ['schedule-tick', 'OccurrenceDue', { due: '2026-01-01T00:00:01.000Z' }],
    ['schedule-tick', 'OccurrenceSkipped', { due: '2026-01-01T00:00:02.000Z' }],
    ['schedule-tick', 'OccurrenceDue', { due: '2026-01-01T00:00:03.000Z' }],
  )
  expect(kinds(good)).toEqual([])
})

test('a second end of a run, an attempt beside another and one that never ended are seen', () => {
  expect(kinds(log(narrow('a'), started('a', first), completed('a', first), completed('a', first)))).toContain('runs')
  expect(kinds(log(narrow('a'), started('a', first), started('a', second), completed('a', second)))).toEqual(['runs'])
  expect(kinds(log(narrow('a'), started('a', first)))).toEqual(['runs'])
})

test('an end by a claim that was lost is seen', () => {
  const lost = log(
    narrow('a'),
    started('a', first),
    ['task-a', 'TaskInterrupted', { claim: first, cause: 'crash' }],
    started('a', second),
    completed('a', first),
  )
  expect(kinds(lost)).toEqual(['runs'])
})

test('a lock that is held twice is seen', () => {
  const twice = log(
    ['lock-one', 'LockAcquired', { taskId: 'a' }],
    under('a'),
    under('b'),
    started('a', first),
    ['lock-one', 'LockTakenOver', { from: 'a', to: 'b' }],
    completed('a', first),
    started('b', first),
    completed('b', first),
  )
  expect(kinds(twice)).toEqual(['locks'])
  const without = log(
    ['lock-one', 'LockAcquired', { taskId: 'b' }],
    under('a'),
    started('a', first),
    completed('a', first),
  )
  expect(kinds(without)).toEqual(['locks'])
})

test('one attempt too many at the same time is seen', () => {
  const many = log(
    narrow('a'),
    narrow('b'),
    started('a', first),
    started('b', second),
    completed('a', first),
    completed('b', second),
  )
  expect(kinds(many)).toEqual(['limits'])
})

test('a due second that was left out, or decided twice, is seen', () => {
  const due = (second: number): Told => ['schedule-tick', 'OccurrenceDue', { due: `2026-01-01T00:00:0${second}.000Z` }]
  expect(kinds(log(due(1), due(3)))).toEqual(['ticks'])
  expect(kinds(log(due(1), due(2), due(2)))).toEqual(['ticks'])
})

test('a stream that was tampered with is seen', () => {
  const { app, events } = log(narrow('a'), started('a', first), completed('a', first))
  const altered = events.map((event) => (event.type === 'TaskStarted' ? { ...event, data: { node: 'other' } } : event))
  expect(kinds({ app, events: altered })).toContain('chain')
})
