import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CommandRefused } from '../../src/actors/index.ts'
import type { ServerFrame } from '../../src/http/wire.ts'
import { type JobView, WatchTargetMissing } from '../../src/projections/index.ts'
import { at, jobView, scheduleView, sessionView, T0 } from './fake-app.ts'
import { codeOf, connected, LiveClient, serving, until } from './serving.ts'

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

describe('the handshake', () => {
  it('welcomes with who one is and where the log stands', async () => {
    const { welcome } = await connected({ user: { id: 'local', name: 'Ann' } })
    expect(welcome).toEqual({
      type: 'welcome',
      user: { id: 'local', name: 'Ann' },
      position: '1',
      server: { version: '1.2.3', node: 'node-1', time: expect.stringMatching(/^\d{4}-.*Z$/) },
    })
  })

  it('closes a socket that says nothing within five seconds', async () => {
    const { server, clock } = await serving()
    const client = await new LiveClient(await server.listen()).opened()
    await until(() => clock.next !== undefined)
    await clock.advance(4999)
    expect(client.socket.readyState).toBe(client.socket.OPEN)
    await clock.advance(1)
    expect(await client.closed).toEqual({ code: 4400, reason: 'Say hello within 5 seconds' })
  })

  it.each([
    ['something else first', '{"type":"pong"}'],
    ['another protocol', '{"type":"hello","protocol":2}'],
    ['no JSON', 'hello'],
    ['no frame', '[]'],
  ])('closes a socket that says %s', async (_what, text) => {
    const { server } = await serving()
    const client = await new LiveClient(await server.listen()).opened()
    client.socket.send(text)
    expect((await client.closed).code).toBe(4400)
  })

  it.each([
    ['an unknown frame', '{"type":"shout","id":"1"}'],
    ['a subscription without an id', '{"type":"subscribe","topic":"board","params":{}}'],
    ['hello twice', '{"type":"hello","protocol":1}'],
    ['a window of no size', '{"type":"window","id":"b","column":0,"after":-1,"limit":1}'],
    ['more than its frame has', '{"type":"subscribe","id":"b","topic":"board","param":{"filter":{}}}'],
  ])('closes a welcome socket that says %s', async (_what, text) => {
    const { client } = await connected()
    client.socket.send(text)
    expect(await client.next('error')).toMatchObject({ id: null, problem: { type: 'urn:capsule:error:bad-frame' } })
    expect((await client.closed).code).toBe(4400)
  })

  it('closes a socket that sends bytes, or a frame past the limit', async () => {
    const first = await connected()
    first.client.socket.send(Buffer.from('{"type":"pong"}'))
    expect((await first.client.closed).code).toBe(4400)
    const second = await connected({ limits: { frameBytes: 100 } })
    second.client.socket.send(`"${'x'.repeat(200)}"`)
    expect((await second.client.closed).code).toBe(1009)
  })

  it('lets no more sockets in than the limit, and says so', async () => {
    const { url } = await connected({ limits: { sockets: 1 } })
    expect((await new LiveClient(url).closed).code).toBe(4429)
  })

  it.each([
    ['https://shop.example', 'A page of https://shop.example may not use this server without its option --origin.'],
    ['null', 'A page without an origin, as files and sandboxed frames are, may not use this server.'],
    [
      `https://${'x'.repeat(60)}.${'x'.repeat(60)}.example`,
      'This page may not use this server without its option --origin.',
    ],
  ])('tells a page of %s to stop, and why', async (origin, reason) => {
    const { server } = await serving()
    const client = new LiveClient(await server.listen(), { origin })
    expect(await client.closed).toEqual({ code: 4403, reason })
  })

  it('that is refused is hung up on, also when the client leaves its end open', async () => {
    const { server } = await serving()
    const { port } = new URL(await server.listen())
    const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
    onTestFinished(() => void socket.destroy())
    let heard = ''
    socket.on('data', (data) => {
      heard += data
    })
    socket.write(
      `GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    )
    await once(socket, 'end')
    expect(heard).toMatch(/^HTTP\/1\.1 404 [\s\S]*route-not-found/)
    // Waits for every connection, and has no other way to end one that is no request any more.
    await server.close()
  })
})

describe('a connection', () => {
  it('is pinged every 20 seconds, and dropped when it does not answer', async () => {
    const { client, clock } = await connected()
    await clock.advance(20_000)
    await client.next('ping')
    let heard = 0
    client.socket.on('message', () => heard++)
    client.send({ type: 'pong' })
    // A refused frame shows that the pong before it was read.
    client.send({ type: 'window', id: 'none', column: 0, after: 0, limit: 1 })
    await client.next('error')
    await clock.advance(20_000)
    await client.next('ping')
    await clock.advance(20_000)
    expect((await client.closed).code).toBe(1006)
  })

  it('is told to come back when the server closes', async () => {
    const { client, server } = await connected()
    await server.close()
    expect(await client.closed).toEqual({ code: 1012, reason: 'The server is restarting' })
  })

  it('takes its watches and timers with it', async () => {
    const { app, client, clock } = await connected()
    client.send({ type: 'subscribe', id: 'b', topic: 'board', params: {} })
    await until(() => app.reads.open('board').length === 1)
    client.socket.close()
    await until(() => app.reads.open('board').length === 0)
    expect(clock.next).toBeUndefined()
  })
})

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

describe('a command', () => {
  it('is acknowledged with its result and the position that shows it', async () => {
    const { app, client } = await connected()
    client.send({
      type: 'command',
      id: uuid(1),
      name: 'task.submit',
      payload: { name: 'greet', params: { name: 'Ann' } },
    })
    expect(await client.next('ack')).toMatchObject({
      id: uuid(1),
      position: '2',
      result: { task_name: 'greet', params: { name: 'Ann' } },
    })
    expect(app.calls).toMatchObject([
      { args: [{ idempotencyKey: uuid(1) }], caller: { by: 'user:local', ownerId: 'local', commandId: uuid(1) } },
    ])
  })

  it('submits with all that a submit over HTTP takes', async () => {
    const { app, client } = await connected()
    const more = { run_at: '2026-02-01T09:00:00Z', priority: 5, callback_url: 'https://example.org/done' }
    client.send({ type: 'command', id: uuid(1), name: 'task.submit', payload: { name: 'greet', ...more } })
    await client.next('ack')
    expect(app.calls[0]?.args).toEqual([
      {
        name: 'greet',
        params: {},
        runAt: '2026-02-01T09:00:00Z',
        priority: 5,
        callbackUrl: 'https://example.org/done',
        idempotencyKey: uuid(1),
      },
    ])
    client.send({ type: 'command', id: uuid(2), name: 'task.submit', payload: { name: 'greet', delay: 1, ...more } })
    expect((await client.next('error')).problem).toMatchObject({ errors: [{ path: 'run_at' }] })
  })

  it('does nothing more when it is repeated, on another socket, too', async () => {
    const { app, client, url } = await connected()
    const frame = { type: 'command', id: uuid(1), name: 'task.submit', payload: { name: 'greet' } } as const
    client.send(frame)
    const first = await client.next('ack')
    const again = await new LiveClient(url).opened()
    again.send({ type: 'hello', protocol: 1 })
    await again.next('welcome')
    again.send(frame)
    expect(await again.next('ack')).toEqual(first)
    expect(app.reads.jobsById.size).toBe(1)
  })

  it.each([
    ['message.send', { session_id: 's', text: 'run', create: true }, 'sendMessage', { message_id: uuid(1) }],
    ['message.retry', { session_id: 's', message_id: 'm' }, 'retryMessage', { message_id: 'm-again' }],
    ['turn.stop', { session_id: 's' }, 'stopTurn', {}],
    ['job.cancel', { id: 'j' }, 'cancel', { id: 'j', status: 'cancelled' }],
    ['job.retry', { id: 'j' }, 'retry', { id: 'j', status: 'pending' }],
    ['schedule.trigger', { name: 'digest' }, 'triggerSchedule', { job_id: 'job-now' }],
    ['schedule.pause', { name: 'digest' }, 'pauseSchedule', { name: 'digest', paused: true }],
    ['schedule.resume', { name: 'digest' }, 'resumeSchedule', { name: 'digest', paused: false }],
  ])('%s does what it says', async (name, payload, called, result) => {
    const { app, client } = await connected()
    app.put(jobView('j'))
    app.reads.schedulesByName.set('digest', scheduleView('digest'))
    client.socket.send(JSON.stringify({ type: 'command', id: uuid(1), name, payload }))
    expect((await client.next('ack')).result).toMatchObject(result)
    expect(app.calls).toMatchObject([{ command: called, caller: { commandId: uuid(1) } }])
  })

  it.each([
    ['an id that is no UUID', { id: '1', name: 'turn.stop', payload: { session_id: 's' } }],
    ['an unknown name', { id: uuid(1), name: 'job.explode', payload: {} }],
    ['a payload that does not fit', { id: uuid(1), name: 'job.cancel', payload: { id: 7 } }],
    ['no payload', { id: uuid(1), name: 'job.cancel' }],
  ])('with %s is refused, and the socket stays', async (_what, command) => {
    const { app, client } = await connected()
    client.socket.send(JSON.stringify({ type: 'command', ...command }))
    expect(await client.next('error')).toMatchObject({ id: command.id, problem: { status: 422 } })
    expect(app.calls).toEqual([])
  })

  it('that the app refuses is answered with why', async () => {
    const { app, client } = await connected()
    app.failures.push(new CommandRefused('cancel', 'It has already completed.'))
    client.send({ type: 'command', id: uuid(1), name: 'job.cancel', payload: { id: 'j' } })
    expect(await client.next('error')).toMatchObject({
      id: uuid(1),
      problem: { type: 'urn:capsule:error:command-refused', detail: 'It has already completed.' },
    })
  })

  it('that fails by a fault of the server is reported', async () => {
    const { app, client, errors } = await connected()
    app.failures.push(new Error('secret'))
    client.send({ type: 'command', id: uuid(1), name: 'job.cancel', payload: { id: 'j' } })
    const { problem } = await client.next('error')
    expect(codeOf(problem)).toBe('internal')
    expect(JSON.stringify(problem)).not.toContain('secret')
    expect(errors).toMatchObject([{ message: 'secret' }])
  })

  it('waits its turn when many are under way, and none is lost', async () => {
    const { client } = await connected({ limits: { commands: 2 } })
    for (let n = 0; n < 50; n++) {
      client.send({ type: 'command', id: uuid(n), name: 'task.submit', payload: { name: 'greet' } })
    }
    const ids = new Set<string>()
    for (let n = 0; n < 50; n++) ids.add((await client.next('ack')).id)
    expect(ids.size).toBe(50)
  })
})

describe('a slow client', () => {
  const heavy = (id: string, more: Partial<JobView> = {}) =>
    jobView(id, { params: { blob: 'x'.repeat(200_000) }, ...more })

  /** A subscription to a job, on a client that has stopped reading and whose buffers are full. */
  async function stalled() {
    const served = await connected({ limits: { bufferBytes: 1024 * 1024, backlogBytes: 64 * 1024 * 1024 } })
    const { app, client } = served
    app.put(jobView('j'))
    client.send({ type: 'subscribe', id: 'j', topic: 'job', params: { id: 'j' } })
    await until(() => app.reads.open('job').length === 1)
    const [sink] = app.reads.sinks('job')
    if (!sink) throw new Error('nobody watches')
    client.socket.pause()
    // Each a transition, so that none may replace another: fills the kernel's buffers, then the server's own.
    let position = 2
    for (; position < 100; position++) {
      sink.delta(at(position), at(position + 1), [heavy('j', { status: 'running', attempt: position })])
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    return { ...served, sink, position }
  }

  async function deltasUpTo(client: LiveClient, to: number) {
    const deltas: Extract<ServerFrame, { type: 'delta' }>[] = []
    while (deltas.at(-1)?.to !== String(to)) deltas.push(await client.next('delta'))
    return deltas
  }

  it('misses progress, but no transition, and its deltas still join up', async () => {
    const { client, sink, position } = await stalled()
    const progress = (n: number) => jobView('j', { status: 'running', attempt: 200, progress: { fraction: n / 100 } })
    for (let n = 0; n < 100; n++) sink.delta(at(position + n), at(position + n + 1), [progress(n)])
    sink.delta(at(position + 100), at(position + 101), [jobView('j', { status: 'completed', attempt: 200 })])
    client.socket.resume()
    const deltas = await deltasUpTo(client, position + 101)
    deltas.reduce((before, next) => {
      expect(next.from).toBe(before.to)
      return next
    })
    const changes = deltas.flatMap((delta) => delta.changes as { attempt: number; status: string }[])
    expect(new Set(changes.map(({ attempt }) => attempt))).toEqual(
      new Set([...Array.from({ length: 98 }, (_, n) => n + 2), 200]),
    )
    expect(changes.filter(({ attempt }) => attempt === 200)).toMatchObject([
      { status: 'running', progress: { fraction: 0.99 } },
      { status: 'completed' },
    ])
  })

  it('gets a fresh snapshot instead of a backlog past the bound', async () => {
    const { app, client, sink, position } = await stalled()
    for (let n = 0; n < 600; n++) {
      sink.delta(at(position + n), at(position + n + 1), [jobView('j', { status: 'running', attempt: 1000 + n })])
    }
    await until(() => app.reads.open('job').length === 0)
    client.socket.resume()
    let received = 0
    client.socket.on('message', () => received++)
    await until(() => app.reads.open('job').length === 1)
    const [fresh] = app.reads.sinks('job')
    expect(app.reads.open('job')[0]?.from).toBeUndefined()
    fresh?.snapshot(at(5000), jobView('j', { status: 'completed' }))
    const frames: ServerFrame[] = []
    for (;;) {
      const frame = await client.any()
      frames.push(frame)
      if (frame.type === 'snapshot') break
    }
    expect(frames.at(-1)).toMatchObject({ type: 'snapshot', position: '5000', data: { status: 'completed' } })
    expect(frames.length).toBeLessThan(110)
  })

  it('that never reads is cut off', async () => {
    const { client } = await connected({ limits: { bufferBytes: 1024, backlogBytes: 1024 * 1024 } })
    client.socket.pause()
    for (let n = 0; n < 200; n++) {
      client.send({
        type: 'command',
        id: uuid(n),
        name: 'task.submit',
        payload: { name: 'greet', params: { name: 'x'.repeat(200_000) } },
      })
    }
    expect((await client.closed).code).toBe(1006)
  })
})
