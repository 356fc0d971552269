/** A server with keys, from outside: what each scope reaches, and what is another's. */
import { describe, expect, it } from 'vitest'
import type { ClientFrame, HistoryEvent, Job, Problem, Session } from '../../src/http/wire.ts'
import { auth, keyed, made, type Name } from './keyed.ts'
import { codeOf, LiveClient, serving, uuid } from './serving.ts'

describe('a reader', () => {
  // A promise: see docs/promises.md.
  it.each([
    ['POST', '/api/v1/tasks/greet/$submit'],
    ['POST', '/api/v1/tasks/greet/$execute'],
    ['POST', '/api/v1/tasks/greet/$submit-many'],
    ['POST', '/api/v1/sessions'],
    ['POST', '/api/v1/jobs/$cancel'],
    ['DELETE', '/api/v1/jobs/x'],
  ])('may not %s %s', async (method, path) => {
    const { ask } = await keyed()
    const { status, body } = await ask<Problem>('dash', method, path, {})
    expect([status, codeOf(body)]).toEqual([403, 'not-permitted'])
    expect(body.detail).toContain('Use a key with the scope write')
  })

  // A promise: see docs/promises.md.
  it('sees what is of its name, by HTTP and live, and commands nothing', async () => {
    const { ask, submit, live } = await keyed()
    const mine = await submit('ann')
    expect((await ask<Job>('dash', 'GET', `/api/v1/jobs/${mine.id}`)).body.id).toBe(mine.id)
    const { client } = await live('dash')
    client.send({ type: 'command', id: uuid(1), name: 'task.submit', payload: { name: 'greet' } })
    const { problem } = await client.next('error')
    expect([problem.status, codeOf(problem)]).toEqual([403, 'not-permitted'])
  })
})

describe('a writer', () => {
  it('does what is recorded as by them, and as theirs', async () => {
    const { ask, submit } = await keyed()
    const job = await submit('ann')
    expect(job.owner_id).toBe('ann')
    const { body } = await ask<HistoryEvent[]>('ann', 'GET', `/api/v1/jobs/${job.id}/$events`)
    expect(body[0]).toMatchObject({ type: 'TaskSubmitted', by: 'user:ann' })
  })

  // A promise: see docs/promises.md.
  it.each([
    ['GET', ''],
    ['GET', '/$events'],
    ['GET', '/$logs'],
    ['GET', '/$stream'],
    ['POST', '/$cancel'],
    ['POST', '/$retry'],
    ['POST', '/$refresh'],
    ['DELETE', ''],
  ])("finds no job of another's: %s /jobs/{id}%s", async (method, path) => {
    const { ask, submit } = await keyed()
    const { id } = await submit('ann', 'wait', { delay: '1h' })
    const { status, body } = await ask<Problem>('bob', method, `/api/v1/jobs/${id}${path}`)
    expect([status, codeOf(body)]).toEqual([404, 'not-found'])
    expect((await ask<Job>('ann', 'GET', `/api/v1/jobs/${id}`)).body.status).toBe('scheduled')
    const allowed = await ask('root', 'GET', `/api/v1/jobs/${id}/$events`)
    expect(allowed.status).toBe(200)
  })

  it('says nothing in a conversation that another begins at the same moment: it is decided where it is recorded', async () => {
    const { app, server } = await serving({ auth })
    const url = await server.listen()
    for (const [n, who] of (['ann', 'root'] as const).entries()) {
      const client = await new LiveClient(url).opened()
      client.send({ type: 'hello', protocol: 1, token: made[who].key })
      await client.next('welcome')
      const payload = { session_id: 'plans', text: 'hello', create: true }
      client.send({ type: 'command', id: uuid(n), name: 'message.send', payload })
      await client.next('ack')
    }
    expect(app.calls.map(({ args, caller }) => [caller.ownerId, args[1]])).toEqual([
      ['ann', expect.objectContaining({ create: true, own: true })],
      ['root', expect.not.objectContaining({ own: true })],
    ])
  })

  it('finds nothing by an id with half a character in it', async () => {
    const { ask, live } = await keyed()
    const { status, body } = await ask<Problem>('ann', 'POST', '/api/v1/tasks/greet/$submit', { session_id: '\ud83e' })
    expect([status, codeOf(body)]).toEqual([404, 'not-found'])
    const { client } = await live('ann')
    client.send({ type: 'command', id: uuid(1), name: 'job.cancel', payload: { id: '\ud83e' } })
    client.send({ type: 'subscribe', id: 'j', topic: 'job', params: { id: '\ud83e' } })
    for (const problem of [(await client.next('error')).problem, (await client.next('error')).problem]) {
      expect(codeOf(problem)).toBe('not-found')
    }
  })

  it("is not told the id of another's job that holds a lock", async () => {
    const { ask, submit } = await keyed()
    const { id } = await submit('ann', 'alone')
    const asked = (who: Name) => ask<Problem>(who, 'POST', '/api/v1/tasks/alone/$submit', {})
    const [own, other] = [await asked('ann'), await asked('bob')]
    expect([own.status, other.status]).toEqual([409, 409])
    expect(own.body.detail).toContain(id)
    expect(JSON.stringify(other.body)).not.toContain(id)
    const { body } = await ask('bob', 'POST', '/api/v1/tasks/alone/$execute', {})
    expect(JSON.stringify(body)).not.toContain(id)
  })

  it("finds no history of another's deleted job, and still that of their own", async () => {
    const { ask, submit } = await keyed()
    const { id } = await submit('ann')
    expect((await ask('ann', 'DELETE', `/api/v1/jobs/${id}`)).status).toBe(204)
    const history = (who: Name) => ask(who, 'GET', `/api/v1/jobs/${id}/$events`)
    expect([(await history('bob')).status, (await history('ann')).status, (await history('root')).status]).toEqual([
      404, 200, 200,
    ])
  })

  it('lists, counts and sweeps their own jobs only; an admin all', async () => {
    const { ask, submit } = await keyed()
    const mine = await submit('ann', 'wait', { delay: '1h' })
    const other = await submit('bob', 'wait', { delay: '1h' })
    const listed = async (who: Name) => (await ask<Job[]>(who, 'GET', '/api/v1/jobs')).body.map(({ id }) => id)
    expect(await listed('ann')).toEqual([mine.id])
    expect((await listed('root')).sort()).toEqual([mine.id, other.id].sort())
    const board = (who: Name) => ask<{ columns: { count: number }[] }>(who, 'GET', '/api/v1/board')
    expect((await board('ann')).body.columns[0]?.count).toBe(1)
    expect((await board('root')).body.columns[0]?.count).toBe(2)
    const column = await ask<{ jobs: Job[] }>('bob', 'GET', '/api/v1/board/$column?statuses=scheduled')
    expect(column.body.jobs.map(({ id }) => id)).toEqual([other.id])

    const asked = await ask<Problem>('ann', 'GET', '/api/v1/jobs?owner_id=bob')
    expect([asked.status, codeOf(asked.body)]).toEqual([403, 'not-permitted'])
    const cancel = (who: Name) => ask<{ cancelled: number }>(who, 'POST', '/api/v1/jobs/$cancel', { filter: {} })
    expect((await cancel('ann')).body.cancelled).toBe(1)
    expect((await cancel('root')).body.cancelled).toBe(1)
  })

  // A promise: see docs/promises.md.
  it("finds no conversation of another's, and says nothing in it", async () => {
    const { ask, live } = await keyed()
    const { body: session } = await ask<Session>('ann', 'POST', '/api/v1/sessions', { title: 'Mine' })
    const path = `/api/v1/sessions/${session.id}`
    for (const [method, at, body] of [
      ['GET', path],
      ['GET', `${path}/messages`],
      ['GET', `${path}/data`],
      ['POST', `${path}/messages`, { text: 'hello' }],
      ['POST', `${path}/$stop`],
      ['POST', '/api/v1/sessions', { id: session.id }],
      ['POST', '/api/v1/tasks/greet/$submit', { session_id: session.id }],
      ['POST', '/api/v1/tasks/greet/$submit-many', { items: [{ session_id: session.id }] }],
    ] as const) {
      const refused = await ask<Problem>('bob', method, at, body)
      expect([method, at, refused.status, codeOf(refused.body)]).toEqual([method, at, 404, 'not-found'])
    }
    expect((await ask<Session[]>('bob', 'GET', '/api/v1/sessions')).body).toEqual([])
    expect((await ask<Problem>('bob', 'GET', '/api/v1/sessions?owner_id=ann')).status).toBe(403)
    expect((await ask<Session[]>('root', 'GET', '/api/v1/sessions?owner_id=ann')).body).toMatchObject([
      { title: 'Mine' },
    ])
    expect((await ask('root', 'GET', path)).status).toBe(200)

    const { client } = await live('bob')
    const payload = { session_id: session.id, text: 'hello', create: true }
    const frames: ClientFrame[] = [
      { type: 'subscribe', id: uuid(1), topic: 'session', params: { id: session.id } },
      { type: 'command', id: uuid(2), name: 'message.send', payload },
      { type: 'command', id: uuid(3), name: 'message.retry', payload: { session_id: session.id, message_id: 'x' } },
      { type: 'command', id: uuid(4), name: 'turn.stop', payload: { session_id: session.id } },
    ]
    for (const frame of frames) {
      client.send(frame)
      expect(codeOf((await client.next('error')).problem)).toBe('not-found')
    }
    expect((await ask('ann', 'GET', `${path}/messages`)).body).toEqual([])
  })

  // A promise: see docs/promises.md.
  it("follows and commands no job of another's on the live socket, and sees their own on the board", async () => {
    const { submit, live } = await keyed()
    const mine = await submit('ann', 'wait', { delay: '1h' })
    const other = await submit('bob', 'wait', { delay: '1h' })
    const { client } = await live('ann')
    const frames: ClientFrame[] = [
      { type: 'subscribe', id: uuid(1), topic: 'job', params: { id: other.id } },
      { type: 'command', id: uuid(2), name: 'job.cancel', payload: { id: other.id } },
      { type: 'command', id: uuid(3), name: 'job.retry', payload: { id: other.id } },
    ]
    for (const frame of frames) {
      client.send(frame)
      expect(codeOf((await client.next('error')).problem)).toBe('not-found')
    }
    client.send({ type: 'subscribe', id: uuid(4), topic: 'board', params: {} })
    const { data } = await client.next('snapshot')
    expect(JSON.stringify(data)).toContain(mine.id)
    expect(JSON.stringify(data)).not.toContain(other.id)
    client.send({ type: 'subscribe', id: uuid(5), topic: 'board', params: { filter: { owner_id: 'bob' } } })
    expect(codeOf((await client.next('error')).problem)).toBe('not-permitted')
  })

  // A promise: see docs/promises.md.
  it.each([
    ['POST', '/api/v1/schedules/digest/$trigger'],
    ['POST', '/api/v1/schedules/digest/$pause'],
    ['POST', '/api/v1/schedules/digest/$resume'],
    ['POST', '/api/v1/tasks/greet/$pause'],
    ['POST', '/api/v1/tasks/greet/$resume'],
    ['GET', '/api/v1/locks'],
    ['POST', '/api/v1/locks/x/$release'],
    ['POST', '/api/v1/audit/$retire'],
    ['GET', '/api/v1/audit/$verify'],
    ['GET', '/api/v1/audit/events'],
    ['POST', '/api/v1/system/read-models/$rebuild'],
    ['POST', '/api/v1/system/read-models/jobs/$rebuild'],
  ])('may not %s %s, which concerns everybody; an admin may', async (method, path) => {
    const { ask } = await keyed()
    const refused = await ask<Problem>('ann', method, path)
    expect([refused.status, codeOf(refused.body)]).toEqual([403, 'not-permitted'])
    expect((await ask('root', method, path)).status).not.toBe(403)
  })

  // A promise: see docs/promises.md.
  it('may not command schedules on the live socket', async () => {
    const { live } = await keyed()
    const { client } = await live('ann')
    for (const [n, name] of (['schedule.trigger', 'schedule.pause', 'schedule.resume'] as const).entries()) {
      client.send({ type: 'command', id: uuid(n + 1), name, payload: { name: 'digest' } })
      expect(codeOf((await client.next('error')).problem)).toBe('not-permitted')
    }
  })
})
