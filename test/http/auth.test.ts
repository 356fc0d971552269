/** A server with keys, from outside: who is let in, and how. */
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createServer, makeKey, readKeys } from '../../src/http/index.ts'
import type { Problem } from '../../src/http/wire.ts'
import { FakeApp, jobView } from './fake-app.ts'
import { as, auth, keyed, made } from './keyed.ts'
import { codeOf, connected, LiveClient, serving, uuid } from './serving.ts'

const WRONG = makeKey('ann', 'admin').key

describe('a key', () => {
  it('has 256 random bits, and what lets it in is their hash', () => {
    const { key, line } = makeKey('ann', 'write')
    expect(Buffer.from(key.replace('capsule_', ''), 'base64url')).toHaveLength(32)
    expect(line).toBe(`ann:write:${createHash('sha256').update(key).digest('hex')}`)
    expect(makeKey('ann', 'write').key).not.toBe(key)
  })

  it.each([
    ['', 'no key in it'],
    ['ann', 'scope of ann must be one of read, write, admin'],
    ['ann:owner:00', 'scope of ann must be one of'],
    [`ann:read:${made.ann.key}`, 'written as name:scope:sha256'],
    [`a b:read:${'0'.repeat(64)}`, 'name of key 1'],
    [`system:admin:${'0'.repeat(64)}`, "Capsule's own"],
    [`${made.ann.line},${made.ann.line}`, 'stands there twice'],
  ])('written down as "%s" is refused', (text, why) => {
    expect(() => readKeys(text)).toThrow(why)
    // What stands in the place of the hash may be the key.
    expect(() => readKeys(text)).not.toThrow(made.ann.key)
  })

  it('may stand among notes and empty lines, by lines or commas', () => {
    const text = `# people\n${made.ann.line}, ${made.bob.line}\r\n\n${made.root.line}\n`
    expect(readKeys(text).map(({ name, scope }) => `${name} ${scope}`)).toEqual([
      'ann write',
      'bob write',
      'root admin',
    ])
  })
})

describe('an address that others can reach', () => {
  it('is served when there is auth', async () => {
    const server = await createServer(new FakeApp(), { host: '0.0.0.0', auth })
    onTestFinished(() => server.close())
    const answer = await server.inject({ url: '/api/v1/tasks', headers: { ...as('ann'), host: 'capsule.example' } })
    expect(answer.statusCode).toBe(200)
  })

  it('is refused with auth that lets nobody in', async () => {
    await expect(createServer(new FakeApp(), { host: '0.0.0.0', auth: { keys: [] } })).rejects.toThrow('capsule key')
  })
})

describe('without a key', () => {
  // A promise: see docs/promises.md.
  it('every route of the API asks for one, and does nothing', async () => {
    const { app, server } = await serving({ auth })
    const document = (await server.inject({ url: '/openapi.json', headers: as('root') })).json()
    const open: string[] = []
    for (const [path, methods] of Object.entries<Record<string, unknown>>(document.paths)) {
      for (const method of Object.keys(methods) as ('get' | 'post' | 'delete')[]) {
        const answer = await server.inject({ method, url: path.replaceAll(/\{\w+\}/g, 'x'), payload: {} })
        if (answer.statusCode === 401) {
          expect(answer.json()).toMatchObject({ type: 'urn:capsule:error:sign-in-required' })
          expect(answer.headers['www-authenticate']).toMatch(/^Bearer/)
        } else open.push(`${method} ${path}`)
      }
    }
    expect(open).toEqual(['get /health', 'post /api/v1/user/$sign-in', 'post /api/v1/user/$sign-out'])
    expect(app.calls).toEqual([])
    expect((await server.inject({ url: '/openapi.json' })).statusCode).toBe(401)
  })

  it('health says how it is, and no more', async () => {
    const { get } = await serving({ auth })
    expect((await get('/health')).body).toEqual({ status: 'healthy', checks: {} })
    expect((await get('/health', as('ann'))).body).toMatchObject({ checks: { store: { state: 'healthy' } } })
  })

  it.each(['/', '/chat/x?y=1', '/docs'])('the page %s leads to the one for signing in', async (path) => {
    const { get } = await serving({ auth })
    const answer = await get(path)
    expect(answer).toMatchObject({ status: 303, headers: { location: `/sign-in?next=${encodeURIComponent(path)}` } })
  })

  it('the page for signing in is under the policy of all pages, and what it loads is there', async () => {
    const { get } = await serving({ auth })
    const page = await get('/sign-in')
    expect(page.status).toBe(200)
    expect(page.headers['content-security-policy']).toContain("default-src 'none'")
    const files = [...String(page.body).matchAll(/(?:href|src)="(\/[\w.-]+\.\w+)"/g)].map(([, file = '']) => file)
    expect(files).toContain('/sign-in.js')
    for (const file of files.filter((name) => name !== '/tokens.css')) expect((await get(file)).status).toBe(200)
  })

  it('an open server has no page to sign in at, and says so', async () => {
    const { refusal, get } = await serving()
    expect(codeOf(await refusal('POST', '/api/v1/user/$sign-in', { body: { key: 'x' } }))).toBe('route-not-found')
    expect((await get('/api/v1/user')).body).toMatchObject({ id: 'local', scope: 'admin' })
  })
})

describe('strangers who send slowly', () => {
  it('take no room from who has a key', async () => {
    const { server } = await serving({ auth, limits: { requests: 2 } })
    const url = await server.listen()
    const { port } = new URL(url)
    for (let n = 0; n < 3; n++) {
      const socket = connect(Number(port), '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      socket.write(
        `POST /api/v1/user/$sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n`,
      )
    }
    const signIn = () => server.inject({ method: 'POST', url: '/api/v1/user/$sign-in', payload: {} })
    await expect.poll(async () => (await signIn()).statusCode).toBe(503)
    expect((await fetch(`${url}/api/v1/user`, { headers: as('ann') })).status).toBe(200)
  })
})

describe('strangers who open live sockets and say nothing', () => {
  it('take no room from who has a key', async () => {
    const { server } = await serving({ auth, limits: { sockets: 3 } })
    const url = await server.listen()
    const silent = [1, 2, 3].map(() => new LiveClient(url))
    await Promise.all(silent.map((client) => client.opened()))
    const client = await new LiveClient(url, as('ann')).opened()
    client.send({ type: 'hello', protocol: 1 })
    expect((await client.next('welcome')).user.id).toBe('ann')
    expect((await Promise.race(silent.map(({ closed }) => closed))).code).toBe(4429)
  })
})

describe('with a key', () => {
  it.each([
    ['X-API-Key', { 'x-api-key': made.ann.key }],
    ['a bearer token', { authorization: `Bearer ${made.ann.key}` }],
  ])('as %s one is let in, under any name and from any page', async (_how, headers) => {
    const { get, ask } = await serving({ auth })
    const anywhere = { ...headers, host: 'capsule.example', origin: 'https://other.example' }
    expect((await get('/api/v1/user', anywhere)).body).toEqual({ id: 'ann', name: 'ann', scope: 'write' })
    const submitted = await ask('POST', '/api/v1/tasks/greet/$submit', { body: {}, headers: anywhere })
    expect(submitted.status).toBe(202)
    // No other page may read the answer.
    expect(submitted.headers).not.toHaveProperty('access-control-allow-origin')
  })

  it.each([
    ['X-API-Key', { 'x-api-key': WRONG }],
    ['a bearer token', { authorization: `Bearer ${WRONG}` }],
    ['the hash of one', { 'x-api-key': made.ann.line.split(':')[2] ?? '' }],
  ])('that is wrong, as %s, one is refused', async (_how, headers) => {
    const { refusal } = await serving({ auth })
    expect(await refusal('GET', '/api/v1/tasks', { headers })).toMatchObject({
      status: 401,
      type: 'urn:capsule:error:key-refused',
    })
  })

  it('wrong ones are told to wait after ten in a minute; a right one never is', async () => {
    const { get, refusal, clock } = await serving({ auth })
    const codes: string[] = []
    for (let n = 0; n < 11; n++) {
      codes.push(codeOf(await refusal('GET', '/api/v1/tasks', { headers: { 'x-api-key': `${WRONG}${n}` } })))
    }
    expect(codes).toEqual([...Array(10).fill('key-refused'), 'too-many-attempts'])
    const signIn = await refusal('POST', '/api/v1/user/$sign-in', { body: { key: WRONG } })
    expect(signIn).toMatchObject({ status: 429, detail: expect.stringContaining('60 s') })
    expect((await get('/api/v1/tasks', as('ann'))).status).toBe(200)
    await clock.advance(60_000)
    expect(codeOf(await refusal('GET', '/api/v1/tasks', { headers: { 'x-api-key': WRONG } }))).toBe('key-refused')
  })

  it('of an address is not held against others', async () => {
    const { server } = await serving({ auth })
    const from = (remoteAddress: string) =>
      server.inject({ url: '/api/v1/tasks', remoteAddress, headers: { 'x-api-key': WRONG } })
    for (let n = 0; n < 11; n++) await from('10.0.0.1')
    expect((await from('10.0.0.1')).statusCode).toBe(429)
    expect((await from('10.0.0.2')).statusCode).toBe(401)
  })
})

describe('a sign-in', () => {
  it('is a cookie that no script reads and no other site sends', async () => {
    const { signIn } = await keyed()
    expect((await signIn('ann')).set).toMatch(
      /^capsule_session=[\w.-]+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/,
    )
  })

  it('by HTTPS is sent by HTTPS only', async () => {
    const { ask } = await serving({ auth })
    const headers = { host: 'capsule.example', origin: 'https://capsule.example' }
    const answer = await ask('POST', '/api/v1/user/$sign-in', { body: { key: made.ann.key }, headers })
    expect(String(answer.headers['set-cookie'])).toMatch(/; Secure$/)
  })

  it('reads and changes for pages of the server itself, and for no others', async () => {
    const { url, ask, signIn } = await keyed()
    const { cookie } = await signIn('ann')
    const submit = (headers: Record<string, string>) =>
      ask<Problem>({ cookie, ...headers }, 'POST', '/api/v1/tasks/greet/$submit', {})
    expect((await ask({ cookie }, 'GET', '/api/v1/user')).body).toMatchObject({ id: 'ann' })
    expect((await submit({ origin: url })).status).toBe(202)
    for (const headers of [{}, { origin: 'https://evil.example' }, { origin: 'null' }]) {
      const refused = await submit(headers)
      expect([refused.status, codeOf(refused.body)]).toEqual([403, 'origin-not-allowed'])
    }
    expect((await ask({ cookie }, 'GET', '/')).headers.get('location')).toBe(null)
  })

  it('of another page cannot be made', async () => {
    const { refusal } = await serving({ auth })
    const headers = { origin: 'https://evil.example' }
    const problem = await refusal('POST', '/api/v1/user/$sign-in', { body: { key: made.ann.key }, headers })
    expect(codeOf(problem)).toBe('origin-not-allowed')
  })

  it('ends with signing out, after twelve hours, with its key, and with another secret', async () => {
    const secret = 'a secret that two nodes have in common'
    const first = await serving({ auth: { ...auth, secret } })
    const signedIn = await first.ask('POST', '/api/v1/user/$sign-in', { body: { key: made.ann.key } })
    const cookie = String(signedIn.headers['set-cookie']).split(';', 1)[0] ?? ''
    const status = async (served: typeof first, value = cookie) =>
      (await served.get('/api/v1/user', { cookie: `other=1; ${value}` })).status

    expect(await status(first)).toBe(200)
    expect(await status(await serving({ auth: { ...auth, secret } }))).toBe(200)
    expect(await status(await serving({ auth }))).toBe(401)
    expect(await status(await serving({ auth: { keys: readKeys(made.bob.line), secret } }))).toBe(401)
    const later = cookie.replace(/=\d+/, `=${Number.MAX_SAFE_INTEGER}`)
    expect(await status(first, later)).toBe(401)
    await first.clock.advance(12 * 60 * 60 * 1000 - 1)
    expect(await status(first)).toBe(200)
    await first.clock.advance(1)
    expect(await status(first)).toBe(401)
    const out = await first.ask('POST', '/api/v1/user/$sign-out')
    expect(out).toMatchObject({ status: 204, headers: { 'set-cookie': expect.stringContaining('Max-Age=0') } })
  })
})

describe('a live socket', () => {
  const hello = async (client: LiveClient, token?: string) => {
    await client.opened()
    client.send({ type: 'hello', protocol: 1, ...(token === undefined ? {} : { token }) })
  }

  it('takes the key with hello', async () => {
    const { live } = await keyed()
    expect((await live('ann')).user).toEqual({ id: 'ann', name: 'ann' })
  })

  it.each([
    ['no key', undefined, 'sign-in-required'],
    ['a wrong key', WRONG, 'key-refused'],
  ])('with %s is closed with 4401', async (_what, token, code) => {
    const { server } = await serving({ auth })
    const client = new LiveClient(await server.listen())
    await hello(client, token)
    expect(codeOf((await client.next('error')).problem)).toBe(code)
    expect((await client.closed).code).toBe(4401)
  })

  it('is closed with 4429 after many wrong keys', async () => {
    const { server } = await serving({ auth })
    const url = await server.listen()
    const codes: number[] = []
    for (let n = 0; n < 11; n++) {
      const client = new LiveClient(url)
      await hello(client, WRONG)
      codes.push((await client.closed).code)
    }
    expect(codes).toEqual([...Array(10).fill(4401), 4429])
  })

  // A promise: see docs/promises.md.
  it('takes nothing before it is known who is there', async () => {
    const { app, server } = await serving({ auth })
    const client = await new LiveClient(await server.listen()).opened()
    client.send({ type: 'subscribe', id: '1', topic: 'schedules', params: {} })
    expect((await client.closed).code).toBe(4400)
    expect(app.reads.watches).toEqual([])
  })

  it('takes the sign-in of a page of the server, and of no other page', async () => {
    const { url, signIn } = await keyed()
    const { cookie } = await signIn('ann')
    const client = new LiveClient(url, { cookie, origin: url })
    await hello(client)
    expect((await client.next('welcome')).user.id).toBe('ann')
    for (const headers of [{ cookie, origin: 'https://evil.example' }, { cookie }]) {
      const refused = new LiveClient(url, headers)
      expect((await refused.closed).code).toBe(4403)
    }
  })
})

describe('a sign-in that runs out', () => {
  async function signedIn() {
    const { clock, server, app } = await serving({ auth })
    const url = await server.listen()
    const answer = await fetch(`${url}/api/v1/user/$sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: url },
      body: JSON.stringify({ key: made.ann.key }),
    })
    const cookie = answer.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
    return { clock, url, app, headers: { cookie, origin: url } }
  }
  const almost = 12 * 60 * 60 * 1000 - 5000

  it('ends a live socket that came with it, and none that gave a key', async () => {
    const { clock, url, headers } = await signedIn()
    await clock.advance(almost)
    const client = new LiveClient(url, headers)
    const keyed = new LiveClient(url, headers)
    for (const [who, token] of [
      [client, undefined],
      [keyed, made.ann.key],
    ] as const) {
      await who.opened()
      who.send({ type: 'hello', protocol: 1, ...(token === undefined ? {} : { token }) })
      await who.next('welcome')
    }
    await clock.advance(20_000)
    expect(codeOf((await client.next('error')).problem)).toBe('sign-in-required')
    expect((await client.closed).code).toBe(4401)
    await keyed.next('ping')
  })

  it.each(['/api/v1/jobs/j/$stream', '/health/$stream'])(
    'ends a stream of events that came with it: %s',
    async (path) => {
      const { clock, url, app, headers } = await signedIn()
      await clock.advance(almost)
      app.put(jobView('j', { ownerId: 'ann', status: 'running' }))
      const answer = await fetch(url + path, { headers })
      expect(answer.status).toBe(200)
      await clock.advance(60_000)
      await answer.text()
      expect((await fetch(url + path, { headers })).status).toBe(401)
    },
  )
})

describe('the OpenAPI document', () => {
  it('declares how to send a key where keys are needed, and where none is', async () => {
    const { get } = await serving({ auth })
    expect((await get('/openapi.json', as('ann'))).body).toMatchObject({
      security: [{ apiKey: [] }, { bearer: [] }, { session: [] }],
      components: { securitySchemes: { apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' } } },
      paths: { '/health': { get: { security: [] } } },
    })
    const open = (await (await serving()).get('/openapi.json')).body
    expect(open).not.toHaveProperty('security')
  })
})

it('an open server sees everything as before', async () => {
  const { client, app } = await connected()
  client.send({ type: 'command', id: uuid(1), name: 'schedule.pause', payload: { name: 'digest' } })
  await client.any()
  expect(app.calls.map(({ caller }) => caller.by)).toEqual(['user:local'])
})
