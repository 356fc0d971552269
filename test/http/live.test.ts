/** The live socket itself: who is welcome, what keeps it open and ends it, and one that reads slowly. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CLOSE, type ServerFrame } from '../../src/http/wire.ts'
import type { JobView } from '../../src/projections/index.ts'
import { at, jobView } from './fake-app.ts'
import { connected, LiveClient, serving, until, uuid } from './serving.ts'

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
    expect((await second.client.closed).code).toBe(CLOSE.tooLarge)
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
