import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/actors/index.ts'
import { healthOf } from '../../src/app/health.ts'
import { type Position, START, StoreUnavailable } from '../../src/events/index.ts'
import { ReadModelBehind, ReadModelsUnavailable } from '../../src/projections/index.ts'

const system = { noAnswer: undefined, clock: systemClock }
const store = { head: async () => 7n as Position }
const behind = new ReadModelBehind({ wanted: 7n as Position, actual: START, timeoutMs: 1000 })

describe('health', () => {
  test('is of the log and of the read models, which are asked for the head of now', async () => {
    const asked: Position[] = []
    const reads = { waitFor: async (position: Position) => void asked.push(position) }
    expect(await healthOf(store, reads, system)).toEqual([
      { name: 'event store', status: 'healthy' },
      { name: 'read models', status: 'healthy' },
    ])
    expect(asked).toEqual([7n])
  })

  test.each([
    ['degraded', 'do not keep up', behind],
    ['unhealthy', 'do not answer', new ReadModelsUnavailable('gone')],
  ])('is %s when the read models %s', async (status, _, error) => {
    const [log, models] = await healthOf(store, { waitFor: () => Promise.reject(error) }, system)
    expect([log?.status, models?.status]).toEqual(['healthy', status])
    expect(models?.detail).toBeTruthy()
  })

  test('is unhealthy when the log does not answer, and says why', async () => {
    const away = { head: () => Promise.reject(new StoreUnavailable('The disk is gone.', { retryable: true })) }
    expect(await healthOf(away, { waitFor: async () => {} }, system)).toMatchObject([
      { status: 'unhealthy', detail: 'The disk is gone.' },
      { status: 'degraded' },
    ])
  })

  test.each([
    ['unhealthy', 'just now', 0],
    ['degraded', 'and none was tried for a minute', 60_000],
  ])('is %s when an append had no answer %s, though the log can be read', async (status, _, ago) => {
    const error = new StoreUnavailable('The disk is full.', { retryable: true })
    const noAnswer = { error, at: systemClock.monotonic() - ago }
    const [log] = await healthOf(store, { waitFor: async () => {} }, { noAnswer, clock: systemClock })
    expect(log).toMatchObject({ status, detail: expect.stringContaining('The disk is full.') })
  })
})
