/** Topics over the live connection: snapshots, the deltas that continue them, and what makes it ask anew. */
import { describe, expect, test } from 'vitest'
import type { Job, Schedule, Session } from '../../src/http/wire.ts'
import { BACKOFF, comparePositions } from '../../web-components/client/index.ts'
import { live } from './client-given.ts'
import { aJob, aProblem } from './fake-board-server.ts'

const job = (facts: Partial<Job> = {}) => aJob({ id: 'task-1', ...facts })

describe('topics', () => {
  test('a snapshot, then deltas that continue it', async () => {
    const { connection, line } = await live()
    const seen: (number | null | undefined)[] = []
    const topic = connection.subscribe('job', { id: 'task-1' }, () => seen.push(topic.data?.progress?.fraction))
    const [subscribe] = line().of('subscribe')
    const id = subscribe?.id ?? ''
    const progress = (fraction: number) => job({ progress: { fraction, message: null } })
    line().hear({ type: 'snapshot', id, position: '10', data: progress(0.1) })
    line().hear({ type: 'delta', id, from: '10', to: '12', changes: [progress(0.2)] })
    line().hear({ type: 'delta', id, from: '12', to: '13', changes: [progress(0.3), progress(0.4)] })
    expect(seen).toEqual([0.1, 0.2, 0.4])
    expect(topic.position).toBe('13')
    expect(connection.position).toBe('13')
  })

  test('a delta that skips events is not applied: it subscribes again from where it stands', async () => {
    const { connection, line } = await live()
    const topic = connection.subscribe('job', { id: 'task-1' }, () => {})
    const first = line().of('subscribe')[0]?.id ?? ''
    line().hear({ type: 'snapshot', id: first, position: '10', data: job() })
    line().hear({ type: 'delta', id: first, from: '14', to: '15', changes: [job({ status: 'completed' })] })
    expect(topic.data?.status).toBe('pending')
    expect(
      line()
        .of('unsubscribe')
        .map((frame) => frame.id),
    ).toEqual([first])
    const again = line().of('subscribe').at(-1)
    expect(again).toMatchObject({ topic: 'job', from: '10' })
    line().hear({ type: 'delta', id: first, from: '10', to: '20', changes: [job({ status: 'failed' })] })
    expect(topic.data?.status).toBe('pending')
    line().hear({ type: 'delta', id: again?.id ?? '', from: '10', to: '15', changes: [job({ status: 'completed' })] })
    expect(topic.data?.status).toBe('completed')
  })

  test('a delta that a snapshot overtook is passed over', async () => {
    const { connection, line } = await live()
    const topic = connection.subscribe('job', { id: 'task-1' }, () => {})
    const id = line().of('subscribe')[0]?.id ?? ''
    line().hear({ type: 'snapshot', id, position: '20', data: job({ status: 'completed' }) })
    line().hear({ type: 'delta', id, from: '9', to: '12', changes: [job({ status: 'running' })] })
    expect(topic.data?.status).toBe('completed')
    expect(line().of('subscribe')).toHaveLength(1)
  })

  test('a refusal is the topic’s, and goes with the next snapshot', async () => {
    const { connection, line } = await live()
    const topic = connection.subscribe('job', { id: 'nobody' }, () => {})
    const id = line().of('subscribe')[0]?.id ?? ''
    line().hear({ type: 'error', id, problem: aProblem('not-found', 'No such job', 'There is no job nobody.', 404) })
    expect(topic.problem?.title).toBe('No such job')
    line().hear({ type: 'snapshot', id, position: '11', data: job() })
    expect(topic.problem).toBeUndefined()
  })

  test('one that the server could not serve is asked for again from the start, as after its log was begun anew', async () => {
    const { connection, line, advance } = await live()
    const subscription = connection.subscribe('job', { id: 'task-1' }, () => {})
    const [first] = line().of('subscribe')
    line().hear({ type: 'snapshot', id: first?.id ?? '', position: '41', data: job() })
    line().hear({
      type: 'error',
      id: first?.id ?? '',
      problem: aProblem('read-model-behind', 'Not caught up', '', 503),
    })
    expect(subscription.problem?.title).toBe('Not caught up')
    await advance(5_000)
    const again = line().of('subscribe').at(-1)
    expect(line().of('subscribe')).toHaveLength(2)
    expect(again).not.toHaveProperty('from')
    line().hear({ type: 'snapshot', id: again?.id ?? '', position: '6', data: job({ title: 'after' }) })
    expect([subscription.position, subscription.data?.title, subscription.problem]).toEqual(['6', 'after', undefined])
  })

  test('one that the server will not serve is not asked for again', async () => {
    const { connection, line, advance } = await live()
    connection.subscribe('job', { id: 'task-1' }, () => {})
    line().hear({
      type: 'error',
      id: line().of('subscribe')[0]?.id ?? '',
      problem: aProblem('not-found', 'No', '', 404),
    })
    await advance(5_000)
    expect(line().of('subscribe')).toHaveLength(1)
  })

  test('closing tells the server and is quiet ever after', async () => {
    const { connection, line } = await live()
    let calls = 0
    const topic = connection.subscribe('job', { id: 'task-1' }, () => {
      calls += 1
    })
    const id = line().of('subscribe')[0]?.id ?? ''
    topic.close()
    line().hear({ type: 'snapshot', id, position: '10', data: job() })
    expect(line().of('unsubscribe')).toEqual([{ type: 'unsubscribe', id }])
    expect(calls).toBe(0)
  })

  test('lists take a change by its key, new or known', async () => {
    const { connection, line } = await live()
    const sessions = connection.subscribe('sessions', {}, () => {})
    const schedules = connection.subscribe('schedules', {}, () => {})
    const [a, b] = line()
      .of('subscribe')
      .map((frame) => frame.id)
    const session = (id: string, updated_at: string) => ({ id, updated_at }) as Session
    const schedule = (name: string, paused: boolean) => ({ name, paused }) as Schedule
    line().hear({
      type: 'snapshot',
      id: a ?? '',
      position: '10',
      data: [session('one', '2026-01-02'), session('two', '2026-01-01')],
    })
    line().hear({ type: 'snapshot', id: b ?? '', position: '10', data: [schedule('digest', false)] })
    line().hear({
      type: 'delta',
      id: a ?? '',
      from: '10',
      to: '11',
      changes: [{ session: session('two', '2026-01-03') }, { session: session('new', '2026-01-04') }],
    })
    line().hear({ type: 'delta', id: b ?? '', from: '10', to: '11', changes: [schedule('digest', true)] })
    expect(sessions.data?.map((each) => each.id)).toEqual(['new', 'two', 'one'])
    expect(schedules.data).toEqual([{ name: 'digest', paused: true }])
  })
})

describe('boards', () => {
  const column = (jobs: Job[], count = jobs.length) =>
    ({ label: 'Queued', statuses: ['pending'], order: 'oldest first', after: 0, count, jobs }) as const

  async function board(jobs: Job[]) {
    const world = await live()
    const topic = world.connection.subscribe('board', {}, () => {})
    const id = world.line().of('subscribe')[0]?.id ?? ''
    const data = { position: '10', total: jobs.length, columns: [{ ...column(jobs), statuses: ['pending' as const] }] }
    world.line().hear({ type: 'snapshot', id, position: '10', data })
    return { ...world, topic, id }
  }

  test('takes new ids and changed cards, keeps the others as they are', async () => {
    const [a, b, c] = [job({ id: 'a' }), job({ id: 'b' }), job({ id: 'c' })]
    const { topic, line, id } = await board([a, b])
    const before = topic.data?.columns[0]?.jobs[1]
    line().hear({
      type: 'delta',
      id,
      from: '10',
      to: '11',
      changes: [{ column: 0, count: 2, after: 0, ids: ['c', 'b'], jobs: [c] }],
    })
    expect(topic.data?.columns[0]?.jobs.map((each) => each.id)).toEqual(['c', 'b'])
    expect(topic.data?.columns[0]?.jobs[1]).toBe(before)
    line().hear({
      type: 'delta',
      id,
      from: '11',
      to: '12',
      changes: [{ column: 0, count: 7, after: 0, jobs: [{ ...b, status: 'retry' }] }],
    })
    expect(topic.data?.columns[0]?.jobs.map((each) => each.status)).toEqual(['pending', 'retry'])
    expect(topic.data?.total).toBe(7)
  })

  test('a card it was never sent makes it ask for all', async () => {
    const { topic, line, id } = await board([job({ id: 'a' })])
    line().hear({
      type: 'delta',
      id,
      from: '10',
      to: '11',
      changes: [{ column: 0, count: 2, after: 0, ids: ['a', 'ghost'], jobs: [] }],
    })
    expect(topic.data?.columns[0]?.jobs).toHaveLength(1)
    expect(line().of('subscribe').at(-1)).not.toHaveProperty('from')
    expect(line().of('subscribe')).toHaveLength(2)
  })

  test('a moved window is moved again after a reconnect', async () => {
    const { topic, line, id, advance, welcome } = await board([job({ id: 'a' })])
    topic.window(0, 40, 50)
    expect(line().of('window')).toEqual([{ type: 'window', id, column: 0, after: 40, limit: 50 }])
    line().end(1006)
    await advance(BACKOFF.base)
    welcome()
    expect(line().of('subscribe')[0]?.params).toEqual({ windows: [{ after: 40, limit: 50 }] })
  })
})

test('positions compare by value, whatever their length', () => {
  expect(['9', '10', '100', '99'].sort(comparePositions)).toEqual(['9', '10', '99', '100'])
})
