/** What is recorded of a callback: one outcome for each run, in whatever state the task is meanwhile. */
import { describe, test } from 'vitest'
import { taskKind } from '../../src/actors/index.ts'
import type { TaskFact } from '../../src/events/index.ts'
import { spec, submission } from './given.ts'

const { given } = spec<TaskFact, Parameters<typeof taskKind.decide>[0], Parameters<typeof taskKind.evolve>[0]>(taskKind)

const url = 'https://example.org/'
const ended: TaskFact[] = [
  { type: 'TaskSubmitted', data: submission({ callbackUrl: url }) },
  { type: 'TaskCancelled', data: {} },
]
const requeued: TaskFact = { type: 'TaskRequeued', data: { run: 2 } }
const delivered = (run: number): TaskFact => ({ type: 'CallbackDelivered', data: { run, url, status: 204, tries: 2 } })
const settle = (run: number) => ({ type: 'settleCallback', run, url, tries: 2, status: 204 }) as const

describe('the outcome of a callback', () => {
  test('is that it was delivered', () => {
    given(...ended)
      .when(settle(1))
      .records(delivered(1))
  })

  test('or that it was given up, and why', () => {
    given(...ended)
      .when({ type: 'settleCallback', run: 1, url, tries: 7, reason: 'the answer was 500' })
      .records({ type: 'CallbackFailed', data: { run: 1, url, tries: 7, reason: 'the answer was 500' } })
  })

  test('is recorded once for a run', () => {
    given(...ended, delivered(1))
      .when(settle(1))
      .nothing()
  })

  test('is recorded for a run that has been followed by another one, and for that one too', () => {
    given(...ended, requeued)
      .when(settle(1))
      .records(delivered(1))
    given(...ended, requeued, delivered(1), { type: 'TaskCancelled', data: {} })
      .when(settle(2))
      .records(delivered(2))
  })
})
