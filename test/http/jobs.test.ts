import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { CommandRefused } from '../../src/actors/index.ts'
import type { RecordedEvent } from '../../src/events/index.ts'
import * as schemas from '../../src/http/schemas/index.ts'
import { type JobStatus, WatchTargetMissing } from '../../src/projections/index.ts'
import { at, jobView, T0 } from './fake-app.ts'
import { codeOf, serving, until } from './serving.ts'

const ids = (body: unknown) =>
  z
    .array(schemas.job)
    .parse(body)
    .map(({ id }) => id)

describe('jobs', () => {
  it('are listed newest first, in pages that link to the next', async () => {
    const { app, get } = await serving()
    for (const n of [1, 2, 3, 4, 5]) app.put(jobView(`j${n}`))
    const first = await get('/api/v1/jobs?limit=2&status=pending')
    expect(ids(first.body)).toEqual(['j5', 'j4'])
    expect(first.headers).toMatchObject({
      'x-total-count': '5',
      link: '</api/v1/jobs?limit=2&status=pending&cursor=2>; rel="next"',
    })
    const last = await get('/api/v1/jobs?limit=2&status=pending&cursor=4')
    expect(ids(last.body)).toEqual(['j1'])
    expect(last.headers).not.toHaveProperty('link')
  })

  it.each([
    ['task_name=add', ['b']],
    ['status=running', ['b']],
    ['status_filter=running', ['b']],
    ['status=running,failed', ['c', 'b']],
    ['status=running&status=failed', ['c', 'b']],
    ['session_id=s1', ['c']],
    ['tag=nightly', ['a']],
    ['params.report_id=daily', ['a']],
    ['params.n=3', ['b']],
    ['since=2026-01-05T10:00:00Z', ['c']],
    ['since=2026-01-05T11:00:00%2B01:00', ['c']],
    ['since=2026-01-06', []],
  ])('are filtered by ?%s', async (query, expected) => {
    const { app, get } = await serving()
    app.put(jobView('a', { tags: ['nightly'], params: { report_id: 'daily' } }))
    app.put(jobView('b', { name: 'add', status: 'running', params: { n: 3 } }))
    app.put(jobView('c', { status: 'failed', sessionId: 's1', submittedAt: T0 + 7_200_000 }))
    expect(ids((await get(`/api/v1/jobs?${query}`)).body)).toEqual(expected)
  })

  it.each([
    ['statsu=failed'],
    ['status=broken'],
    ['limit=0'],
    ['limit=501'],
    ['since=noon'],
    ['since=12'],
    ['until=2026-02-31'],
    ['params.=x'],
  ])('are not listed for ?%s', async (query) => {
    const { refusal } = await serving()
    expect(await refusal('GET', `/api/v1/jobs?${query}`)).toMatchObject({
      status: 422,
      errors: [{ path: expect.stringContaining(query.split('=')[0] ?? '') }],
    })
  })

  it.each([
    ['limit=1&limit=2', 'limit: is given more than once; give it once.'],
    ['since=2026-01-01&since=2026-01-02', 'since: is given more than once; give it once.'],
    ['params.n=1&params.n=2', 'params.n: is given more than once; give it once.'],
    ['limit=all', 'limit: must be a whole number from 1 to 500.'],
    ['limit=1.5', 'limit: must be a whole number from 1 to 500.'],
    ['offset=-1', 'offset: must be a whole number from 0.'],
  ])('say what is wrong with ?%s', async (query, why) => {
    const { refusal } = await serving()
    const { detail } = await refusal('GET', `/api/v1/jobs?${query}`)
    expect(detail).toBe(`The request does not fit: ${why}`)
  })

  it('have a schema', async () => {
    const { get } = await serving()
    expect((await get('/api/v1/jobs/$schema')).body).toMatchObject({
      type: 'object',
      properties: { status: { enum: expect.arrayContaining(['pending', 'timeout']) } },
    })
  })
})

describe('one job', () => {
  it('includes what this node acknowledged, although reads lag behind', async () => {
    const { app, get } = await serving()
    app.lagging = true
    app.put(jobView('late'))
    expect(await get('/api/v1/jobs/late')).toMatchObject({ status: 200, body: { id: 'late' } })
  })

  it('has every field of the wire, null where there is nothing', async () => {
    const { app, get } = await serving()
    app.put(jobView('j'))
    const { body } = await get('/api/v1/jobs/j')
    expect(Object.keys(schemas.job.parse(body)).sort()).toEqual(Object.keys(schemas.job.shape).sort())
    expect(Object.keys(body as object).sort()).toEqual(Object.keys(schemas.job.shape).sort())
  })

  it('tells facts, instants and errors', async () => {
    const { app, get } = await serving()
    app.put(
      jobView('j', {
        status: 'retry',
        error: { type: 'E', message: 'no', stack: 'E: no\n at x', retryable: true },
        runAt: T0,
        startedAt: T0 - 1000,
        progress: { fraction: 0.5 },
        cancelledBy: 'user:local',
      }),
    )
    expect((await get('/api/v1/jobs/j')).body).toMatchObject({
      error: { type: 'E', message: 'no', retryable: true },
      error_traceback: 'E: no\n at x',
      run_at: '2026-01-05T09:00:00.000Z',
      started_at: '2026-01-05T08:59:59.000Z',
      finished_at: null,
      progress: { fraction: 0.5, message: null },
      cancelled_by: 'user:local',
      position: '2',
    })
  })

  it.each([
    [1, 'lock report:daily, 1st in line'],
    [2, 'lock report:daily, 2nd in line'],
    [3, 'lock report:daily, 3rd in line'],
    [11, 'lock report:daily, 11th in line'],
    [22, 'lock report:daily, 22nd in line'],
  ])('says that it waits for its lock in place %i', async (place, sentence) => {
    const { app, get } = await serving()
    app.put(jobView('j', { lockKey: 'report:daily', lockWait: { holder: 'other', place } }))
    expect((await get('/api/v1/jobs/j')).body).toMatchObject({ waiting_for: sentence, lock_key: 'report:daily' })
  })

  it('says that it waits for its handler, but not once it has ended', async () => {
    const { app, get } = await serving()
    app.put(jobView('j', { name: 'gone' }))
    app.put(jobView('k', { name: 'gone', status: 'failed' }))
    expect((await get('/api/v1/jobs/j')).body).toMatchObject({ waiting_for: 'handler gone' })
    expect((await get('/api/v1/jobs/k')).body).toMatchObject({ waiting_for: null })
  })

  it('offers what its state accepts and says why not the rest', async () => {
    const { app, get } = await serving()
    app.put(jobView('done', { status: 'completed' }))
    app.put(jobView('run', { status: 'running', deadline: T0 }))
    const done = schemas.job.parse((await get('/api/v1/jobs/done')).body)
    expect(done.allowed_actions).not.toContain('cancel')
    expect(done.refused_actions.cancel).toMatch(/\w/)
    const running = schemas.job.parse((await get('/api/v1/jobs/run')).body)
    expect(running.allowed_actions).toEqual(expect.arrayContaining(['cancel', 'refresh']))
    expect(running.refused_actions.retry).toMatch(/\w/)
  })

  it('is refused when it is not there', async () => {
    const { refusal } = await serving()
    const problem = await refusal('GET', '/api/v1/jobs/nope')
    expect(problem).toMatchObject({ status: 404, type: 'urn:capsule:error:not-found' })
    expect(problem.detail).toContain('GET /api/v1/jobs')
  })
})

describe('the history of a job', () => {
  const submitted: RecordedEvent = {
    id: 'e1',
    type: 'TaskSubmitted',
    data: { name: 'greet' },
    metadata: {
      at: '2026-01-05T09:00:00.000Z',
      by: 'user:local',
      correlationId: 'c',
      causationId: 'c',
      v: 1,
      hash: 'abc',
    },
    stream: 'demo.task-j',
    revision: 0n,
    position: at(7),
    recordedAt: T0,
  }

  it('says what happened, when and by whom', async () => {
    const { app, get } = await serving()
    app.histories.set('j', [submitted])
    const { body } = await get('/api/v1/jobs/j/$events')
    expect(z.array(schemas.historyEvent).parse(body)).toEqual([
      {
        type: 'TaskSubmitted',
        at: '2026-01-05T09:00:00.000Z',
        by: 'user:local',
        position: '7',
        revision: 0,
        data: { name: 'greet' },
        hash: 'abc',
      },
    ])
  })

  it('says only what follows a revision, if it is asked so', async () => {
    const { app, get, refusal } = await serving()
    app.put(jobView('j'))
    app.histories.set('j', [submitted, { ...submitted, type: 'TaskStarted', revision: 1n }])
    expect(await get('/api/v1/jobs/j/$events?after=0')).toMatchObject({ body: [{ type: 'TaskStarted', revision: 1 }] })
    expect(await get('/api/v1/jobs/j/$events?after=1')).toMatchObject({ status: 200, body: [] })
    expect(codeOf(await refusal('GET', '/api/v1/jobs/j/$events?after=-1'))).toBe('invalid-input')
  })

  it('is empty for a job whose own stream is still to come, and refused for none', async () => {
    const { app, get, refusal } = await serving()
    app.put(jobView('queued'))
    expect(await get('/api/v1/jobs/queued/$events')).toMatchObject({ status: 200, body: [] })
    expect(codeOf(await refusal('GET', '/api/v1/jobs/nope/$events'))).toBe('not-found')
  })
})

describe('commands to a job', () => {
  it.each([
    ['cancel', { status: 'cancelled', cancelled_by: 'user:local' }],
    ['retry', { status: 'pending' }],
    ['refresh', { deadline: '2026-01-05T09:01:00.000Z' }],
  ])('$%s answers with the job as it is then', async (name, expected) => {
    const { app, post } = await serving()
    app.put(jobView('j', { status: 'running' }))
    app.lagging = true
    const answer = await post(`/api/v1/jobs/j/$${name}`)
    expect(answer).toMatchObject({ status: 200, headers: { 'x-position': '3' }, body: expected })
  })

  it('do nothing more when repeated with the same key', async () => {
    const { app, post } = await serving()
    app.put(jobView('j'))
    const headers = { 'idempotency-key': 'once' }
    const first = await post('/api/v1/jobs/j/$cancel', undefined, headers)
    const second = await post('/api/v1/jobs/j/$cancel', undefined, headers)
    expect(second.headers['x-position']).toBe(first.headers['x-position'])
    expect(app.calls.map(({ caller }) => caller.commandId)).toEqual(['once', 'once'])
  })

  it.each(['cancel', 'retry', 'refresh'])('$%s of none is refused', async (name) => {
    const { refusal } = await serving()
    expect(codeOf(await refusal('POST', `/api/v1/jobs/nope/$${name}`))).toBe('not-found')
  })

  it('are refused in the words of the machine', async () => {
    const { app, refusal } = await serving()
    app.failures.push(new CommandRefused('cancel', 'It has already completed.'))
    expect(await refusal('POST', '/api/v1/jobs/j/$cancel')).toMatchObject({
      status: 409,
      type: 'urn:capsule:error:command-refused',
      detail: 'It has already completed.',
    })
  })

  it('DELETE leaves nothing to be found', async () => {
    const { app, ask, refusal } = await serving()
    app.put(jobView('j'))
    const answer = await ask('DELETE', '/api/v1/jobs/j')
    expect(answer).toMatchObject({ status: 204, body: '', headers: { 'x-position': '2' } })
    expect(codeOf(await refusal('GET', '/api/v1/jobs/j'))).toBe('not-found')
    expect(codeOf(await refusal('DELETE', '/api/v1/jobs/j'))).toBe('not-found')
  })
})

describe('bulk commands', () => {
  // A promise: see docs/promises.md.
  it('$cancel takes the waiting jobs of a filter', async () => {
    const { app, post } = await serving()
    app.put(jobView('a'))
    app.put(jobView('b', { status: 'running' }))
    app.put(jobView('c', { status: 'retry' }))
    app.put(jobView('d', { name: 'add' }))
    const answer = await post('/api/v1/jobs/$cancel', { filter: { task_name: 'greet' } }, { 'idempotency-key': 'k' })
    expect(answer).toMatchObject({ status: 200, body: { cancelled: 2 }, headers: { 'x-position': '7' } })
    expect(app.calls.map(({ args, caller }) => [args[0], caller.commandId])).toEqual([
      ['a', 'k:a'],
      ['c', 'k:c'],
    ])
  })

  it('$cancel goes on until none is left', async () => {
    const { app, post } = await serving()
    for (let n = 0; n < 2300; n++) app.put(jobView(`j${n}`))
    expect((await post('/api/v1/jobs/$cancel', { filter: {} })).body).toEqual({ cancelled: 2300 })
  })

  it('do not count jobs that refuse, and end', async () => {
    const { app, post } = await serving()
    app.put(jobView('a'))
    app.put(jobView('b'))
    app.failures.push(new CommandRefused('cancel', 'It runs.'))
    expect((await post('/api/v1/jobs/$cancel', { filter: {} })).body).toEqual({ cancelled: 1 })
  })

  // A promise: see docs/promises.md.
  it('$retry takes failed and timed-out jobs, cancelled ones only by name', async () => {
    const { app, post } = await serving()
    app.put(jobView('a', { status: 'failed' }))
    app.put(jobView('b', { status: 'timeout' }))
    app.put(jobView('c', { status: 'cancelled' }))
    app.put(jobView('d', { status: 'completed' }))
    expect((await post('/api/v1/jobs/$retry', { filter: {} })).body).toEqual({ retried: 2 })
    expect((await post('/api/v1/jobs/$retry', { filter: { status: 'cancelled' } })).body).toEqual({ retried: 1 })
    expect((await post('/api/v1/jobs/$retry', { filter: { status: ['completed'] } })).body).toEqual({ retried: 0 })
  })

  it.each([[undefined], [{}], [{ filter: { taskname: 'greet' } }]])(
    'need a filter that is understood: %j',
    async (body) => {
      const { app, refusal } = await serving()
      app.put(jobView('a'))
      expect(await refusal('POST', '/api/v1/jobs/$cancel', body ? { body } : {})).toMatchObject({ status: 422 })
      expect(app.calls).toEqual([])
    },
  )
})

/** Server-sent events of a response, as they arrive. */
async function* eventsOf(response: Response) {
  let text = ''
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = text
        .slice(0, end)
        .split('\n')
        .map((line) => line.split(/: (.*)/s, 2))
      text = text.slice(end + 2)
      yield Object.fromEntries(fields) as Record<string, string>
    }
  }
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of values) all.push(value)
  return all
}

describe('the stream of a job', () => {
  const streaming = async (headers: Record<string, string> = {}) => {
    const served = await serving()
    served.app.put(jobView('j', { status: 'running' }))
    const url = await served.server.listen()
    const response = await fetch(`${url}/api/v1/jobs/j/$stream`, { headers })
    await until(() => served.app.reads.open('job').length === 1)
    const [sink] = served.app.reads.sinks('job')
    if (!sink) throw new Error('nobody watches')
    return { ...served, response, sink, events: eventsOf(response) }
  }

  it('tells every change and ends after the terminal one', async () => {
    const { response, sink, events, app } = await streaming()
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    sink.snapshot(at(2), jobView('j', { status: 'running', position: at(2) }))
    sink.delta(at(2), at(3), [jobView('j', { status: 'running', progress: { fraction: 0.5 }, position: at(3) })])
    sink.delta(at(3), at(5), [jobView('j', { status: 'completed', result: { ok: true }, position: at(5) })])
    const told = await collect(events)
    expect(told.map(({ event, id, data }) => [event, id, JSON.parse(data ?? '').status])).toEqual([
      ['job', '2', 'running'],
      ['job', '3', 'running'],
      ['job', '5', 'completed'],
    ])
    await until(() => app.reads.open('job').length === 0)
  })

  it('has said all when the job has ended, also when it runs again at once', async () => {
    const { sink, events } = await streaming()
    sink.delta(at(2), at(3), [jobView('j', { status: 'failed', position: at(3) })])
    sink.delta(at(3), at(4), [jobView('j', { status: 'running', position: at(4) })])
    expect((await collect(events)).map(({ id }) => id)).toEqual(['3'])
  })

  it('has said all to a slow reader, too, however often the job ends before it has read that', async () => {
    const { app, server } = await serving()
    app.put(jobView('j', { status: 'running' }))
    const { port } = new URL(await server.listen())
    const socket = connect(Number(port), '127.0.0.1').pause()
    socket.write(`GET /api/v1/jobs/j/$stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    await until(() => app.reads.open('job').length === 1)
    const [sink] = app.reads.sinks('job')
    const result = 'x'.repeat(1_000_000)
    // More than the two ends of the connection have room for.
    const statuses = [...Array<JobStatus>(16).fill('running'), 'failed', 'running', 'failed'] as const
    for (const [n, status] of statuses.entries()) {
      sink?.delta(at(n), at(n + 1), [jobView('j', { status, result })])
      await new Promise((resolve) => setImmediate(resolve))
    }
    const told = (await socket.toArray()).join('')
    expect(told.match(/^id: \d+/gm)?.at(-1)).toBe('id: 17')
  })

  it('leaves out what Last-Event-ID has seen', async () => {
    const { sink, events, app } = await streaming({ 'last-event-id': '2' })
    expect(app.reads.watches[0]?.from).toBe(2n)
    sink.snapshot(at(2), jobView('j', { status: 'running', position: at(2) }))
    sink.delta(at(2), at(3), [jobView('j', { status: 'failed', position: at(3) })])
    expect((await collect(events)).map(({ id }) => id)).toEqual(['3'])
  })

  it('shows that it lives while nothing happens', async () => {
    const { clock, sink, events } = await streaming()
    await clock.advance(15_000)
    expect((await events.next()).value).toEqual({ '': 'still here' })
    sink.delta(at(2), at(3), [jobView('j', { status: 'completed' })])
  })

  it('ends with a problem when the job is deleted', async () => {
    const { sink, events } = await streaming()
    sink.failed(new WatchTargetMissing({ topic: 'job', id: 'j' }))
    const [told] = await collect(events)
    expect(told?.event).toBe('error')
    expect(JSON.parse(told?.data ?? '')).toMatchObject({ status: 404, type: 'urn:capsule:error:watch-target-missing' })
  })

  it('stops watching when the client goes away', async () => {
    const { app, response } = await streaming()
    await response.body?.cancel()
    await until(() => app.reads.open('job').length === 0)
  })

  it('ends when the server closes', async () => {
    const { server, events } = await streaming()
    await server.close()
    expect(await collect(events)).toEqual([])
  })

  it('is refused for no job, a bad position, and past the limit', async () => {
    const { app, server, refusal } = await serving({ limits: { streams: 1 } })
    expect(codeOf(await refusal('GET', '/api/v1/jobs/nope/$stream'))).toBe('not-found')
    app.put(jobView('j'))
    const asking = { headers: { 'last-event-id': 'x' } }
    expect(codeOf(await refusal('GET', '/api/v1/jobs/j/$stream', asking))).toBe('malformed-request')
    const url = await server.listen()
    const first = await fetch(`${url}/api/v1/jobs/j/$stream`)
    const second = await fetch(`${url}/api/v1/jobs/j/$stream`)
    expect([first.status, second.status]).toEqual([200, 503])
    await first.body?.cancel()
  })
})
