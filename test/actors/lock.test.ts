import { describe, expect, test } from 'vitest'
import { type LockCommand, type LockContext, LockHeldError, lockKind, placeOf } from '../../src/actors/index.ts'
import type { LockFact } from '../../src/events/index.ts'
import { type Past, spec, submission } from './given.ts'

const { given } = spec<LockFact, LockCommand, LockContext>(lockKind)

type Given = Past<LockFact>
type Acquire = Extract<LockCommand, { type: 'acquire' }>

const party = (taskId: string, more: { name?: string; ownerId?: string } = {}) => ({
  key: 'report:daily',
  taskId,
  name: more.name ?? 'build_report',
  ownerId: more.ownerId ?? 'ada',
})
const acquired = (taskId: string): Given => ({ type: 'LockAcquired', data: party(taskId) })
const queued = (taskId: string, more: { name?: string; ownerId?: string; replaces?: string[] } = {}): Given => ({
  type: 'LockQueued',
  data: { ...party(taskId, more), ...(more.replaces ? { replaces: more.replaces } : {}) },
})
const released = (taskId: string): Given => ({ type: 'LockReleased', data: { taskId, reason: 'completed' } })
const takenOver = (from: string, to: string): Given => ({
  type: 'LockTakenOver',
  data: { from, to, reason: 'completed' },
})

const acquire = (taskId: string, onLocked: Acquire['onLocked'], more: Partial<Acquire> = {}): LockCommand => ({
  type: 'acquire',
  ...party(taskId),
  onLocked,
  ...more,
})
const release = (taskId: string): LockCommand => ({ type: 'release', taskId, reason: 'completed' })
const waiting = ({ context }: { context: LockContext }) => context.queue.map(({ taskId }) => taskId)

describe('a free lock', () => {
  test.each(['join', 'queue', 'reject', 'replace'] as const)('goes to whoever asks with onLocked %s', (onLocked) => {
    const state = given().when(acquire('t1', onLocked)).records(acquired('t1'))
    expect(state).toMatchObject({ value: 'held', context: { holder: { taskId: 't1', revision: 0 } } })
  })

  test('carries what any node needs to finish the submit', () => {
    given()
      .when(acquire('t1', 'join', { submission: submission() }))
      .records({ type: 'LockAcquired', data: { ...party('t1'), submission: submission() } })
    given()
      .when(acquire('t1', 'queue', { requeue: true }))
      .records({ type: 'LockAcquired', data: { ...party('t1'), requeue: true } })
  })
})

describe('a held lock', () => {
  test('is joined by the same task of the same owner', () => {
    const state = given(acquired('t1')).when(acquire('t2', 'join')).recordsA('LockJoined')
    expect(state.context).toMatchObject({ holder: { taskId: 't1' }, queue: [] })
  })

  test('is queued for by another task, and by another owner', () => {
    given(acquired('t1'))
      .when(acquire('t2', 'join', { name: 'other' }))
      .records(queued('t2', { name: 'other' }))
    given(acquired('t1'))
      .when(acquire('t2', 'join', { ownerId: 'bob' }))
      .records(queued('t2', { ownerId: 'bob' }))
  })

  test('with a waiter of the same task and owner: that one is joined', () => {
    const facts = [acquired('t1'), queued('t2', { ownerId: 'bob' })]
    const state = given(...facts)
      .when(acquire('t3', 'join', { ownerId: 'bob' }))
      .recordsA('LockJoined')
    expect(waiting(state)).toEqual(['t2'])
  })

  test('queues, first come first served', () => {
    const state = given(acquired('t1'), queued('t2')).when(acquire('t3', 'queue')).records(queued('t3'))
    expect(waiting(state)).toEqual(['t2', 't3'])
    expect(['t1', 't2', 't3', 'x'].map((id) => placeOf(id, state.context))).toEqual([0, 1, 2, undefined])
  })

  test('rejects, and says who holds it', () => {
    given(acquired('t1'))
      .when(acquire('t2', 'reject'))
      .refused(
        LockHeldError,
        /report:daily is held by task t1\. .* submit again: only a task that is declared with onLocked/,
      )
  })

  test('rejects another owner without saying whose it is, nor which', () => {
    given(acquired('t1'))
      .when(acquire('t2', 'reject', { ownerId: 'bob' }))
      .refused(LockHeldError, /^(?!.*t1).*report:daily is held by a task of somebody else\. .* submit again/)
  })

  test('is replaced: the holder and earlier waiters are displaced', () => {
    const state = given(acquired('t1'), queued('t2'), queued('t3'))
      .when(acquire('t4', 'replace'))
      .records(queued('t4', { replaces: ['t1', 't2', 't3'] }))
    expect(state.context.holder?.taskId).toBe('t1')
    expect(waiting(state)).toEqual(['t4'])
  })

  test.each(['join', 'queue', 'reject', 'replace'] as const)(
    'is asked for again by its holder or a waiter (%s): nothing',
    (onLocked) => {
      given(acquired('t1'), queued('t2')).when(acquire('t1', onLocked)).nothing()
      given(acquired('t1'), queued('t2')).when(acquire('t2', onLocked)).nothing()
    },
  )

  test('of a submit that joined, asked for again: it stays joined, even when the joined one has ended', () => {
    const joined = given(acquired('t1')).when(acquire('t2', 'join')).recordsA('LockJoined')
    expect(joined.context.joins).toEqual([{ asker: 't2', taskId: 't1', asked: 0 }])
    const again: Given = { type: 'LockJoined', data: { taskId: 't1', asker: 't2' } }
    given(acquired('t1'), again).when(acquire('t2', 'join')).nothing()
    given(acquired('t1'), again, released('t1')).when(acquire('t2', 'join')).nothing()
  })
})

describe('release', () => {
  test('by the holder frees the lock', () => {
    const state = given(acquired('t1')).when(release('t1')).records(released('t1'))
    expect(state).toMatchObject({ value: 'free', context: { holder: undefined } })
  })

  test('hands over to the next in the same append, with a new fencing token', () => {
    const state = given(acquired('t1'), queued('t2'), queued('t3'))
      .when(release('t1'))
      .records(released('t1'), takenOver('t1', 't2'))
    expect(state).toMatchObject({ value: 'held', context: { holder: { taskId: 't2', revision: 4 } } })
    expect(waiting(state)).toEqual(['t3'])
  })

  test('by a waiter leaves the queue, and the holder holds on', () => {
    const state = given(acquired('t1'), queued('t2'), queued('t3')).when(release('t2')).records(released('t2'))
    expect(state).toMatchObject({ value: 'held', context: { holder: { taskId: 't1', revision: 0 } } })
    expect(waiting(state)).toEqual(['t3'])
  })

  test('by anybody else, or twice, is nothing', () => {
    given(acquired('t1')).when(release('t9')).nothing()
    given(acquired('t1'), released('t1')).when(release('t1')).nothing()
    given().when(release('t1')).nothing()
  })

  test('of a run that is over does not take the lock from the next run of the same task', () => {
    const facts: Given[] = [{ type: 'LockAcquired', data: { ...party('t1'), run: 2 } }]
    given(...facts)
      .when({ type: 'release', taskId: 't1', reason: 'failed', run: 1 })
      .nothing()
    given(...facts)
      .when({ type: 'release', taskId: 't1', reason: 'failed', run: 2 })
      .recordsA('LockReleased')
  })
})

describe('a requeue', () => {
  test('by a task that still holds the lock for the run before goes to the end of the queue', () => {
    given(acquired('t1'))
      .when(acquire('t1', 'queue', { requeue: true, run: 2 }))
      .records(
        { type: 'LockReleased', data: { taskId: 't1', reason: 'run 1 has ended' } },
        { type: 'LockAcquired', data: { ...party('t1'), requeue: true, run: 2 } },
      )
    const state = given(acquired('t1'), queued('t2'))
      .when(acquire('t1', 'queue', { requeue: true, run: 2 }))
      .records(
        { type: 'LockReleased', data: { taskId: 't1', reason: 'run 1 has ended' } },
        { type: 'LockTakenOver', data: { from: 't1', to: 't2', reason: 'run 1 has ended' } },
        { type: 'LockQueued', data: { ...party('t1'), requeue: true, run: 2 } },
      )
    expect(state.context.holder?.taskId).toBe('t2')
    expect(waiting(state)).toEqual(['t1'])
  })
})
