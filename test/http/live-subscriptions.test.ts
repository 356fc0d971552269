/** Subscriptions over the live socket: snapshots and the deltas that join up, windows, and what ends one. */
import { describe, expect, it } from 'vitest'
import { WatchTargetMissing } from '../../src/projections/index.ts'
import { at, jobView, scheduleView, sessionView, T0 } from './fake-app.ts'
import { codeOf, connected, until } from './serving.ts'

describe('a subscription', () => {
  it('gets a snapshot, then deltas that join up', async () => {
    const { app, client } = await connected()
    client.send({ type: 'subscribe', id: 'b', topic: 'board', params: { filter: { task_name: 'greet' } } })
    await until(() => app.reads.open('board').length === 1)
    const [sink] = app.reads.sinks('board')
    const column = { label: 'Queued', statuses: ['pending'], count: 1, order: 'oldest first', after: 0 } as const
    sink?.snapshot(at(5), { position: at(5), total: 1, columns: [{ ...column, jobs: [jobView('j')] }] })
    expect(await client.next('snapshot')).toMatchObject({
      id: 'b',
      position: '5',
      data: { position: '5', total: 1, columns: [{ label: 'Queued', jobs: [{ id: 'j', task_name: 'greet' }] }] },
    })
    sink?.delta(at(5), at(7), [{ column: 0, count: 2, after: 0, ids: ['j', 'k'], jobs: [jobView('k')] }])
    sink?.delta(at(7), at(8), [{ column: 0, count: 2, after: 0, ids: undefined, jobs: [jobView('k')] }])
    expect(await client.next('delta')).toMatchObject({
      from: '5',
      to: '7',
      changes: [{ column: 0, count: 2, ids: ['j', 'k'], jobs: [{ id: 'k' }] }],
    })
    const second = await client.next('delta')
    expect(second).toMatchObject({ from: '7', to: '8' })
    expect(second.changes[0]).not.toHaveProperty('ids')
  })

  it('to a board asks with every default filled in', async () => {
    const { app, client } = await connected()
    client.send({ type: 'subscribe', id: 'b', topic: 'board', params: { filter: { since: '2026-01-05T09:00:00Z' } } })
    await until(() => app.reads.open('board').length === 1)
    expect(app.reads.open('board')[0]?.params).toMatchObject({
      filter: { since: T0 },
      columns: [
        { label: 'Scheduled' },
        { label: 'Queued' },
        { label: 'Running' },
        { label: 'Completed' },
        { label: 'Failed' },
      ],
      windows: Array.from({ length: 5 }, () => ({ after: 0, limit: 50 })),
    })
  })

  it('to a board moves its windows', async () => {
    const { app, client } = await connected()
    client.send({ type: 'subscribe', id: 'b', topic: 'board', params: {} })
    client.send({ type: 'window', id: 'b', column: 1, after: 100, limit: 20 })
    client.send({ type: 'window', id: 'b', column: 9, after: 0, limit: 20 })
    expect(codeOf((await client.next('error')).problem)).toBe('invalid-input')
    await until(() => app.reads.open('board').length === 1)
    expect(app.reads.open('board')[0]?.params).toMatchObject({
      windows: [{ after: 0 }, { after: 100, limit: 20 }, { after: 0 }, { after: 0 }, { after: 0 }],
    })
  })

  it('resumes from where the client stands, and waits until the reads are there', async () => {
    const { app, client } = await connected()
    app.reads.position = at(10)
    client.send({ type: 'subscribe', id: 's', topic: 'sessions', params: {}, from: '7' })
    await until(() => app.reads.open('sessions').length === 1)
    expect(app.reads.open('sessions')[0]).toMatchObject({ from: 7n, params: { ownerId: 'local' } })
    client.send({ type: 'subscribe', id: 't', topic: 'sessions', params: {}, from: '99' })
    expect(await client.next('error')).toMatchObject({ id: 't', problem: { status: 503 } })
  })

  it('takes the place of one with the same id', async () => {
    const { app, client } = await connected()
    client.send({ type: 'subscribe', id: 's', topic: 'schedules', params: {} })
    await until(() => app.reads.watches.length === 1)
    client.send({ type: 'subscribe', id: 's', topic: 'schedules', params: {} })
    await until(() => app.reads.watches.length === 2)
    expect(app.reads.open('schedules')).toHaveLength(1)
  })

  it('ends when asked to', async () => {
    const { app, client } = await connected()
    client.send({ type: 'subscribe', id: 's', topic: 'schedules', params: {} })
    await until(() => app.reads.open('schedules').length === 1)
    client.send({ type: 'unsubscribe', id: 's' })
    await until(() => app.reads.open('schedules').length === 0)
  })

  it('tells of sessions, transcripts, schedules and jobs', async () => {
    const { app, client } = await connected()
    const session = sessionView('s')
    app.reads.transcripts.set('s', { session, items: [] })
    app.put(jobView('j'))
    client.send({ type: 'subscribe', id: '1', topic: 'session', params: { id: 's' } })
    client.send({ type: 'subscribe', id: '2', topic: 'sessions', params: {} })
    client.send({ type: 'subscribe', id: '3', topic: 'schedules', params: {} })
    client.send({ type: 'subscribe', id: '4', topic: 'job', params: { id: 'j' } })
    await until(() => app.reads.watches.length === 4)

    app.reads.sinks('session')[0]?.snapshot(at(2), { session, items: [] })
    expect(await client.next('snapshot')).toMatchObject({ id: '1', data: { session: { id: 's' }, items: [] } })
    const item = { kind: 'reply', id: 'r', index: 0, at: T0, text: 'Hi', streaming: true, taskId: undefined } as const
    app.reads.sinks('session')[0]?.delta(at(2), at(3), [
      { kind: 'item', item },
      { kind: 'session', session },
    ])
    expect(await client.next('delta')).toMatchObject({
      changes: [
        { kind: 'item', item: { text: 'Hi' } },
        { kind: 'session', session: { id: 's' } },
      ],
    })

    app.reads.sinks('sessions')[0]?.snapshot(at(2), [session])
    expect(await client.next('snapshot')).toMatchObject({ id: '2', data: [{ id: 's' }] })
    app.reads.sinks('sessions')[0]?.delta(at(2), at(3), [{ session }])
    expect(await client.next('delta')).toMatchObject({ changes: [{ session: { id: 's' } }] })

    app.reads.sinks('schedules')[0]?.snapshot(at(2), [scheduleView('digest')])
    expect(await client.next('snapshot')).toMatchObject({ id: '3', data: [{ name: 'digest' }] })
    app.reads.sinks('schedules')[0]?.delta(at(2), at(3), [scheduleView('digest', { paused: true })])
    expect(await client.next('delta')).toMatchObject({ changes: [{ name: 'digest', paused: true }] })

    app.reads.sinks('job')[0]?.snapshot(at(2), jobView('j'))
    expect(await client.next('snapshot')).toMatchObject({ id: '4', data: { id: 'j', status: 'pending' } })
    app.reads.sinks('job')[0]?.delta(at(2), at(3), [jobView('j', { status: 'running' })])
    expect(await client.next('delta')).toMatchObject({ changes: [{ id: 'j', status: 'running' }] })
  })

  it.each([
    ['an unknown topic', { topic: 'weather', params: {} }, 'invalid-input'],
    ['params that do not fit', { topic: 'job', params: {} }, 'invalid-input'],
    ['a filter that is none', { topic: 'board', params: { filter: { name: 'x' } } }, 'invalid-input'],
    ['a job that is not there', { topic: 'job', params: { id: 'nope' } }, 'not-found'],
    ['a session that is not there', { topic: 'session', params: { id: 'nope' } }, 'not-found'],
    ['a position that is none', { topic: 'board', params: {}, from: 'x' }, 'malformed-request'],
  ])('to %s is refused, and the socket stays', async (_what, subscription, code) => {
    const { client } = await connected()
    client.socket.send(JSON.stringify({ type: 'subscribe', id: 'x', ...subscription }))
    const { id, problem } = await client.next('error')
    expect([id, codeOf(problem)]).toEqual(['x', code])
    expect(client.socket.readyState).toBe(client.socket.OPEN)
  })

  it('that would say more than a frame can hold ends, and nothing else does', async () => {
    const { app, client } = await connected()
    app.put(jobView('j'))
    client.send({ type: 'subscribe', id: 'j', topic: 'job', params: { id: 'j' } })
    await until(() => app.reads.open('job').length === 1)
    const toJSON = () => {
      throw new RangeError('Invalid string length')
    }
    app.reads.sinks('job')[0]?.snapshot(at(2), jobView('j', { result: { toJSON } as never }))
    expect(await client.next('error')).toMatchObject({ id: 'j', problem: { status: 413 } })
    expect(app.reads.open('job')).toEqual([])
    client.send({ type: 'subscribe', id: 's', topic: 'schedules', params: {} })
    await until(() => app.reads.open('schedules').length === 1)
  })

  it('past the limit is refused', async () => {
    const { client } = await connected({ limits: { subscriptions: 1 } })
    client.send({ type: 'subscribe', id: 'a', topic: 'schedules', params: {} })
    client.send({ type: 'subscribe', id: 'b', topic: 'schedules', params: {} })
    expect(await client.next('error')).toMatchObject({ id: 'b', problem: { status: 429 } })
  })

  it('ends with a problem when the read models give up', async () => {
    const { app, client } = await connected()
    app.put(jobView('j'))
    client.send({ type: 'subscribe', id: 'j', topic: 'job', params: { id: 'j' } })
    await until(() => app.reads.open('job').length === 1)
    app.reads.sinks('job')[0]?.failed(new WatchTargetMissing({ topic: 'job', id: 'j' }))
    expect(await client.next('error')).toMatchObject({ id: 'j', problem: { status: 404 } })
    expect(app.reads.open('job')).toEqual([])
  })
})
