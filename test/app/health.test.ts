import { describe, expect, test } from 'vitest'
import { healthOf } from '../../src/app/health.ts'
import { type Position, START, StoreUnavailable } from '../../src/events/index.ts'
import { ReadModelBehind, ReadModelsUnavailable } from '../../src/projections/index.ts'

const store = { head: async () => 7n as Position }
const behind = new ReadModelBehind({ wanted: 7n as Position, actual: START, timeoutMs: 1000 })

describe('health', () => {
  test('is of the log and of the read models, which are asked for the head of now', async () => {
    const asked: Position[] = []
    const reads = { waitFor: async (position: Position) => void asked.push(position) }
    expect(await healthOf(store, reads)).toEqual([
      { name: 'event store', status: 'healthy' },
      { name: 'read models', status: 'healthy' },
    ])
    expect(asked).toEqual([7n])
  })

  test.each([
    ['degraded', 'do not keep up', behind],
    ['unhealthy', 'do not answer', new ReadModelsUnavailable('gone')],
  ])('is %s when the read models %s', async (status, _, error) => {
    const [log, models] = await healthOf(store, { waitFor: () => Promise.reject(error) })
    expect([log?.status, models?.status]).toEqual(['healthy', status])
    expect(models?.detail).toBeTruthy()
  })

  test('is unhealthy when the log does not answer, and says why', async () => {
    const away = { head: () => Promise.reject(new StoreUnavailable('The disk is gone.', { retryable: true })) }
    expect(await healthOf(away, { waitFor: async () => {} })).toMatchObject([
      { status: 'unhealthy', detail: 'The disk is gone.' },
      { status: 'degraded' },
    ])
  })
})
