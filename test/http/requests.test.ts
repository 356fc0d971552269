import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { RequestTold } from '../../src/http/index.ts'
import { type FakeApp, jobView } from './fake-app.ts'
import { codeOf, serving, until } from './serving.ts'

const submit = '/api/v1/tasks/greet/$submit'

describe('a body', () => {
  it('of JSON with a name that is refused is not called bad syntax', async () => {
    const { refusal } = await serving()
    for (const body of ['{"params":{"__proto__":1}}', '{"params":{"constructor":{"prototype":1}}}']) {
      const problem = await refusal('POST', submit, { body, headers: { 'content-type': 'application/json' } })
      expect(problem).toMatchObject({ status: 400, detail: expect.stringMatching(/__proto__.*another name/) })
    }
  })

  it.each([
    ['is no JSON', '{', 'application/json', 'malformed-json', 400],
    ['would change prototypes', '{"__proto__":{}}', 'application/json', 'malformed-json', 400],
    ['is a form', 'params=1', 'application/x-www-form-urlencoded', 'unsupported-media-type', 415],
    ['is called text', '{}', 'text/plain', 'unsupported-media-type', 415],
    ['is no object', '[]', 'application/json', 'invalid-input', 422],
    ['is too large', JSON.stringify({ x: 'x'.repeat(1024 * 1024) }), 'application/json', 'payload-too-large', 413],
  ])('that %s is refused', async (_what, body, type, code, status) => {
    const { app, refusal } = await serving()
    const problem = await refusal('POST', submit, { body, headers: { 'content-type': type } })
    expect(codeOf(problem)).toBe(code)
    expect(problem.status).toBe(status)
    expect(app.calls).toEqual([])
  })

  it.each([
    ['says so first', 'Content-Length: 3000000', (text: string) => text],
    ['comes in pieces', 'Transfer-Encoding: chunked', (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`],
  ])('that is too large and %s may be sent to its end: the connection lives on', async (_what, length, framed) => {
    const { server } = await serving()
    const { port } = new URL(await server.listen())
    const socket = connect(Number(port), '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    let heard = ''
    const failed = new Promise<never>((_, reject) => socket.once('error', reject))
    socket.on('data', (data) => {
      heard += data
    })
    const head = (more: string) => `Host: 127.0.0.1:${port}\r\nContent-Type: application/json\r\n${more}\r\n\r\n`
    socket.write(`POST ${submit} HTTP/1.1\r\n${head(length)}`)
    const piece = framed('x'.repeat(1_000_000))
    socket.write(piece)
    socket.write(piece)
    await Promise.race([failed, until(() => heard.includes('payload-too-large'))])
    socket.write(piece)
    if (length.startsWith('Transfer')) socket.write('0\r\n\r\n')
    socket.write(`GET /api/v1/jobs HTTP/1.1\r\n${head('Connection: close')}`)
    await Promise.race([failed, until(() => /413[\s\S]*HTTP\/1\.1 200/.test(heard))])
  })

  it('may be missing although its type is given', async () => {
    const { ask } = await serving()
    expect((await ask('POST', submit, { body: '' })).status).toBe(202)
    expect((await ask('POST', submit, { headers: { 'content-type': 'application/json' } })).status).toBe(202)
  })
})

describe('a path', () => {
  it('that is nowhere is refused', async () => {
    const { refusal } = await serving()
    expect(codeOf(await refusal('GET', '/api/v1/nope'))).toBe('route-not-found')
    expect(codeOf(await refusal('POST', '/'))).toBe('route-not-found')
    expect(codeOf(await refusal('GET', '/api/v1/jobs/%ff'))).toBe('malformed-request')
  })

  it('that takes another method says which', async () => {
    const { ask } = await serving()
    expect(await ask('PUT', '/api/v1/jobs/j')).toMatchObject({ status: 405, headers: { allow: 'GET, DELETE' } })
    expect(await ask('GET', '/api/v1/jobs/j/$cancel')).toMatchObject({ status: 405, headers: { allow: 'POST' } })
  })

  it('may end in a slash', async () => {
    const { get } = await serving()
    expect(await get('/api/v1/jobs/')).toMatchObject({ status: 200, body: [] })
  })

  it('may be asked by HEAD, but not a stream, which would not end', async () => {
    const { app, ask } = await serving()
    app.put(jobView('j'))
    expect(await ask('HEAD', '/api/v1/jobs/j')).toMatchObject({ status: 200, body: '' })
    expect((await ask('HEAD', '/api/v1/jobs/j/$stream')).status).toBe(405)
  })

  it('may hold long and unusual names', async () => {
    const { app, get } = await serving()
    const id = `a/b ${'x'.repeat(200)}`
    app.put(jobView(id))
    expect(await get(`/api/v1/jobs/${encodeURIComponent(id)}`)).toMatchObject({ status: 200, body: { id } })
  })
})

describe('headers', () => {
  it('carry the request id in and out', async () => {
    const { get } = await serving()
    expect((await get('/health', { 'x-request-id': 'abc-1' })).headers).toMatchObject({ 'x-request-id': 'abc-1' })
    const { headers } = await get('/health', { 'x-request-id': 'a b' })
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('carry a valid traceparent in and out', async () => {
    const { get } = await serving()
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    expect((await get('/health', { traceparent })).headers).toMatchObject({ traceparent })
    expect((await get('/health', { traceparent: 'junk' })).headers).not.toHaveProperty('traceparent')
  })

  it('refuse an Idempotency-Key that is none', async () => {
    const { refusal } = await serving()
    const headers = { 'idempotency-key': 'k'.repeat(201) }
    expect(codeOf(await refusal('POST', submit, { body: {}, headers }))).toBe('malformed-request')
  })
})

describe('an answer', () => {
  it.each(['/api/v1/jobs', '/api/v1/jobs/j', '/api/v1/user', '/openapi.json', '/nowhere'])(
    'is kept by no cache on the way, which knows nothing of keys: %s',
    async (path) => {
      const { app, get } = await serving()
      app.put(jobView('j'))
      expect((await get(path)).headers).toMatchObject({ 'cache-control': 'no-store' })
    },
  )
})

describe('an offer to speak something else', () => {
  it('is passed over: many clients make it with their first request', async () => {
    const { server } = await serving()
    const { port } = new URL(await server.listen())
    const socket = connect(Number(port), '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    let heard = ''
    socket.on('data', (data) => {
      heard += data
    })
    const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__'
    socket.write(`GET /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${offer}\r\n\r\n`)
    await until(() => heard.includes('\r\n\r\n'))
    expect(heard).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('a read', () => {
  it('waits for the position it must include', async () => {
    const { app, get } = await serving()
    expect((await get('/api/v1/jobs?at_least=1')).status).toBe(200)
    expect(app.reads.waitedFor).toEqual([1n])
  })

  it('is answered 503 when that does not come in time', async () => {
    const { ask } = await serving()
    expect(await ask('GET', '/api/v1/tasks?at_least=99')).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      body: { type: 'urn:capsule:error:read-model-behind' },
    })
  })

  it('refuses a position that is none', async () => {
    const { refusal } = await serving()
    expect(codeOf(await refusal('GET', '/api/v1/jobs?at_least=soon'))).toBe('malformed-request')
  })

  it.each(['/api/v1/jobs', '/api/v1/board', '/api/v1/jobs/j', '/api/v1/schedules', '/health'])(
    'of the past is refused, not answered with the present: %s',
    async (path) => {
      const { app, refusal } = await serving()
      app.put(jobView('j'))
      const problem = await refusal('GET', `${path}?as_of=1`)
      expect(problem).toMatchObject({ status: 400, type: 'urn:capsule:error:as-of-unsupported' })
      expect(problem.detail).toContain('leave out as_of')
    },
  )
})

describe('a fault of the server', () => {
  it('is reported, and not told to the client', async () => {
    const { app, errors, refusal } = await serving()
    app.failures.push(new Error('secret path /etc/x'))
    const problem = await refusal('POST', submit, { body: {} })
    expect(problem).toMatchObject({ status: 500, type: 'urn:capsule:error:internal' })
    expect(JSON.stringify(problem)).not.toContain('secret')
    expect(errors).toMatchObject([{ message: 'secret path /etc/x' }])
  })
})

describe('who watches the requests', () => {
  it('is told of each once it is over, also of one whose client left', async () => {
    const told: RequestTold[] = []
    const { app, server } = await serving({ onRequest: (request) => told.push(request) })
    const url = await server.listen()
    await fetch(`${url}/api/v1/jobs/nope/$logs?attempt=2`, { headers: { 'x-request-id': 'r-1' } })
    expect(told).toMatchObject([
      { method: 'GET', url: '/api/v1/jobs/nope/$logs?attempt=2', status: 404, user: 'local', id: 'r-1' },
    ])

    const left = new AbortController()
    app.reads.job = () => new Promise(() => left.abort())
    await fetch(`${url}/api/v1/jobs/j-1`, { signal: left.signal }).catch(() => {})
    await until(() => told.length === 2)
    expect(told[1]).toMatchObject({ url: '/api/v1/jobs/j-1', status: undefined })
    for (const { ms } of told) expect(ms).toBeGreaterThan(0)
  })

  it('is told of who was not let in, who counts as any other', async () => {
    const told: RequestTold[] = []
    const { server } = await serving({ onRequest: (request) => told.push(request) })
    const url = await server.listen()
    const refused = await fetch(`${url}/api/v1/tasks`, { headers: { origin: 'http://evil.example' } })
    expect(refused.status).toBe(403)
    await until(() => told.length === 1)
    expect(told).toMatchObject([{ url: '/api/v1/tasks', status: 403, user: undefined }])
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/capsule_http_requests_total\{.*status="403"\} 1/)
  })
})

describe('limits and the end', () => {
  it('refuse requests past those that may be under way', async () => {
    const { app, server } = await serving({ limits: { requests: 1 } })
    const url = await server.listen()
    const held = Promise.withResolvers<void>()
    app.health = async () => {
      await held.promise
      return []
    }
    const first = fetch(`${url}/health`)
    let refused = await fetch(`${url}/api/v1/tasks`)
    while (refused.status === 200) refused = await fetch(`${url}/api/v1/tasks`)
    expect(refused.status).toBe(503)
    expect(await refused.json()).toMatchObject({ type: 'urn:capsule:error:overloaded' })
    held.resolve()
    expect((await first).status).toBe(200)
    expect((await fetch(`${url}/api/v1/tasks`)).status).toBe(200)
  })

  it('count nobody who hung up before the answer', async () => {
    const { app, server } = await serving({ limits: { requests: 2 } })
    const url = await server.listen()
    const held = Promise.withResolvers<void>()
    for (let i = 0; i < 5; i++) await hangUpOn(`${url}/health`, app, held.promise)
    held.resolve()
    await expect.poll(async () => (await fetch(`${url}/api/v1/tasks`)).status).toBe(200)
  })

  it('count no stream of one who hung up before it began', async () => {
    const { app, server } = await serving({ limits: { streams: 1, requests: 1 } })
    const url = await server.listen()
    const held = Promise.withResolvers<void>()
    await hangUpOn(`${url}/health/$stream`, app, held.promise)
    await expect.poll(async () => (await fetch(`${url}/api/v1/tasks`)).status).toBe(200)
    held.resolve()
    await expect.poll(async () => (await fetch(`${url}/health/$stream`)).status).toBe(200)
  })

  it('let a request under way finish when the server closes', async () => {
    const { app, server } = await serving()
    const url = await server.listen()
    const held = Promise.withResolvers<void>()
    let asked = false
    app.health = async () => {
      asked = true
      await held.promise
      return []
    }
    const request = fetch(`${url}/health`)
    await until(() => asked)
    const closed = server.close()
    expect(server.url).toBeUndefined()
    held.resolve()
    expect((await request).status).toBe(200)
    await closed
    await expect(fetch(`${url}/health`)).rejects.toThrow()
  })

  it('are not waited for on a connection that is spare, as browsers keep some, when the server closes', async () => {
    const { server } = await serving({ closeMs: 600_000 })
    const { port } = new URL(await server.listen())
    const socket = connect({ port: Number(port), host: '127.0.0.1' })
    const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    // The server has taken it once it answers on one that came later.
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200)
    await server.close()
    await gone
  })

  it('cut off a request that does not finish', async () => {
    const { app, server } = await serving({ closeMs: 1 })
    const url = await server.listen()
    let asked = false
    app.health = () => {
      asked = true
      return new Promise(() => {})
    }
    const request = fetch(`${url}/health`)
    request.catch(() => {})
    await until(() => asked)
    await server.close()
    await expect(request).rejects.toThrow()
  })

  it('answer what is no HTTP with a problem', async () => {
    const { server } = await serving()
    const { port } = new URL(await server.listen())
    const say = (text: string) =>
      new Promise<string>((resolve) => {
        let answer = ''
        const socket = connect(Number(port), '127.0.0.1', () => socket.write(text))
        socket.on('data', (data) => {
          answer += data
        })
        socket.on('close', () => resolve(answer))
      })
    expect(await say('NONSENSE\r\n\r\n')).toMatch(/^HTTP\/1.1 400 [\s\S]*malformed-request/)
    expect(await say(`GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431 [\s\S]*headers-too-large/,
    )
  })
})

/** Asks for the health, which is not known before `held`, and hangs up once the app has been asked. */
async function hangUpOn(url: string, app: FakeApp, held: Promise<void>): Promise<void> {
  const asked = Promise.withResolvers<void>()
  app.health = async () => {
    asked.resolve()
    await held
    return []
  }
  const hangUp = new AbortController()
  const request = fetch(url, { signal: hangUp.signal })
  await asked.promise
  hangUp.abort()
  await expect(request).rejects.toThrow()
}
