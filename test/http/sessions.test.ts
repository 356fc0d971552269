import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import * as schemas from '../../src/http/schemas/index.ts'
import type { ItemView } from '../../src/projections/index.ts'
import { at, sessionView, T0 } from './fake-app.ts'
import { codeOf, serving, until } from './serving.ts'

const message = (id: string, index: number, state: 'queued' | 'running' | 'answered'): ItemView => ({
  kind: 'message',
  id,
  index,
  at: T0,
  text: 'run',
  by: 'user:local',
  state,
  error: undefined,
})
const items: ItemView[] = [
  message('m1', 0, 'answered'),
  { kind: 'reply', id: 'r1', index: 1, at: T0, text: 'Done', streaming: false, taskId: undefined },
  { kind: 'notice', id: 'n1', index: 2, at: T0, text: 'b', earlier: [{ text: 'a', at: T0 }] },
  { kind: 'task', id: 't1', index: 3, at: T0, jobId: 'j', message: undefined },
  { kind: 'block', id: 'b1', index: 4, at: T0, block: { kind: 'text' } },
]

describe('conversations', () => {
  it('are started, with a title or an id of the client', async () => {
    const { post } = await serving()
    const answer = await post('/api/v1/sessions', { id: 'my-own', title: 'Reports' })
    expect(answer).toMatchObject({ status: 201, headers: { location: '/api/v1/sessions/my-own', 'x-position': '1' } })
    expect(schemas.session.parse(answer.body)).toMatchObject({ id: 'my-own', title: 'Reports', owner_id: 'local' })
  })

  it('are the same one again for the same Idempotency-Key', async () => {
    const { app, post } = await serving()
    const first = await post('/api/v1/sessions', undefined, { 'idempotency-key': 'k' })
    const second = await post('/api/v1/sessions', undefined, { 'idempotency-key': 'k' })
    const other = await post('/api/v1/sessions', undefined, { 'idempotency-key': 'k2' })
    expect(second.body).toEqual(first.body)
    expect(schemas.session.parse(other.body).id).not.toBe(schemas.session.parse(first.body).id)
    expect(app.reads.transcripts.size).toBe(2)
  })

  it('refuse an id that is none', async () => {
    const { refusal } = await serving()
    expect(await refusal('POST', '/api/v1/sessions', { body: { id: 'a/b' } })).toMatchObject({
      errors: [{ path: 'id' }],
    })
  })

  it('are listed to their owner only', async () => {
    const { app, get } = await serving()
    app.reads.transcripts.set('mine', { session: sessionView('mine'), items: [] })
    app.reads.transcripts.set('theirs', { session: sessionView('theirs', { ownerId: 'other' }), items: [] })
    const { body, headers } = await get('/api/v1/sessions')
    expect(
      z
        .array(schemas.session)
        .parse(body)
        .map(({ id }) => id),
    ).toEqual(['mine'])
    expect(headers).not.toHaveProperty('x-total-count')
  })

  it('are listed in pages, the last active first', async () => {
    const { app, get } = await serving()
    for (const [id, minutes] of [
      ['a', 2],
      ['b', 3],
      ['c', 1],
    ] as const) {
      app.reads.transcripts.set(id, { session: sessionView(id, { updatedAt: T0 + minutes * 60_000 }), items: [] })
    }
    const first = await get('/api/v1/sessions?limit=2')
    expect(first.body).toMatchObject([{ id: 'b' }, { id: 'a' }])
    const [, next = ''] = /<(.*)>; rel="next"/.exec(String(first.headers.link)) ?? []
    const second = await get(next)
    expect(second.body).toMatchObject([{ id: 'c' }])
    expect(second.headers).not.toHaveProperty('link')
  })

  it('are found with their turn and their data', async () => {
    const { app, get } = await serving()
    const session = sessionView('s', { turn: { id: 't', status: 'running', startedAt: T0 }, data: { step: 3 } })
    app.reads.transcripts.set('s', { session, items: [] })
    expect((await get('/api/v1/sessions/s')).body).toMatchObject({
      turn: { id: 't', status: 'running', started_at: '2026-01-05T09:00:00.000Z' },
    })
    expect((await get('/api/v1/sessions/s/data')).body).toEqual({ step: 3 })
  })

  it.each(['', '/messages', '/data'])('are refused when there is none: GET /{id}%s', async (path) => {
    const { refusal } = await serving()
    expect(codeOf(await refusal('GET', `/api/v1/sessions/nope${path}`))).toBe('not-found')
  })

  it('stop their turn', async () => {
    const { app, post } = await serving()
    app.reads.transcripts.set('s', { session: sessionView('s'), items: [] })
    expect(await post('/api/v1/sessions/s/$stop')).toMatchObject({ status: 200, body: { id: 's' } })
    expect(app.calls).toMatchObject([{ command: 'stopTurn', args: ['s'] }])
  })
})

describe('messages', () => {
  it('are listed in order, in pages', async () => {
    const { app, get } = await serving()
    app.reads.transcripts.set('s', { session: sessionView('s'), items })
    const all = z.array(schemas.transcriptItem).parse((await get('/api/v1/sessions/s/messages')).body)
    expect(all.map(({ kind }) => kind)).toEqual(['message', 'reply', 'notice', 'task', 'block'])
    expect(all[2]).toMatchObject({ earlier: [{ text: 'a', at: '2026-01-05T09:00:00.000Z' }] })
    const page = await get('/api/v1/sessions/s/messages?limit=2&after=0')
    expect(page.headers).toMatchObject({ link: '</api/v1/sessions/s/messages?limit=2&after=2>; rel="next"' })
    expect(page.body).toMatchObject([{ id: 'r1' }, { id: 'n1' }])
  })

  it('are recorded once per Idempotency-Key', async () => {
    const { app, post } = await serving()
    app.reads.transcripts.set('s', { session: sessionView('s'), items: [] })
    const answer = await post('/api/v1/sessions/s/messages', { text: 'run' }, { 'idempotency-key': 'm1' })
    expect(answer).toMatchObject({ status: 202, body: { message_id: 'm1' }, headers: { 'x-position': '1' } })
    expect(app.calls).toMatchObject([{ args: ['s', { text: 'run' }], caller: { commandId: 'm1' } }])
  })

  it.each([
    ['have no text', {}],
    ['are blank', { text: '  ' }],
    ['are no text', { text: 3 }],
    ['are too long', { text: 'x'.repeat(100_001) }],
  ])('that %s are refused', async (_what, body) => {
    const { refusal } = await serving()
    expect(await refusal('POST', '/api/v1/sessions/s/messages', { body })).toMatchObject({ errors: [{ path: 'text' }] })
  })

  it('to no conversation are refused', async () => {
    const { refusal } = await serving()
    const problem = await refusal('POST', '/api/v1/sessions/nope/messages', { body: { text: 'hi' } })
    expect(codeOf(problem)).toBe('not-found')
  })

  it('with Prefer: wait are answered with what came of them', async () => {
    const { app, post } = await serving()
    const session = sessionView('s')
    app.reads.transcripts.set('s', { session, items: [message('m0', 0, 'answered')] })
    const posting = post('/api/v1/sessions/s/messages', { text: 'run' }, { prefer: 'wait=5', 'idempotency-key': 'm1' })
    await until(() => app.reads.open('session').length === 1)
    const [sink] = app.reads.sinks('session')
    sink?.snapshot(at(1), { session, items: [message('m0', 0, 'answered'), message('m1', 1, 'queued')] })
    sink?.delta(at(1), at(2), [{ kind: 'item', item: message('m1', 1, 'running') }])
    const reply: ItemView = {
      kind: 'reply',
      id: 'r',
      index: 2,
      at: T0,
      text: 'Hi',
      streaming: false,
      taskId: undefined,
    }
    const ended = message('m1', 1, 'answered')
    app.reads.transcripts.set('s', { session, items: [message('m0', 0, 'answered'), ended, reply] })
    sink?.delta(at(2), at(3), [{ kind: 'item', item: ended }])
    expect(await posting).toMatchObject({
      status: 200,
      headers: { 'preference-applied': 'wait=5' },
      body: {
        message_id: 'm1',
        items: [
          { id: 'm1', state: 'answered' },
          { id: 'r', text: 'Hi' },
        ],
      },
    })
    expect(app.reads.open('session')).toEqual([])
  })

  it('with Prefer: wait are answered 202 when that was not enough', async () => {
    const { app, clock, post } = await serving()
    app.reads.transcripts.set('s', { session: sessionView('s'), items: [] })
    const posting = post('/api/v1/sessions/s/messages', { text: 'run' }, { prefer: 'wait=5' })
    await until(() => app.reads.open('session').length === 1)
    await clock.advance(5000)
    expect(await posting).toMatchObject({ status: 202, body: { message_id: 'message-new' } })
    expect(app.reads.open('session')).toEqual([])
  })
})
