/** A server with keys, from outside: who is let in and how, what each scope reaches, and what is another's. */
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createApp, startApp } from '../../src/app/index.ts'
import { createServer, makeKey, readKeys, type ServerOptions } from '../../src/http/index.ts'
import type { ClientFrame, HistoryEvent, Job, Problem, Session } from '../../src/http/wire.ts'
import { FakeApp, jobView } from './fake-app.ts'
import { codeOf, connected, LiveClient, serving } from './serving.ts'

const made = {
  ann: makeKey('ann', 'write'),
  bob: makeKey('bob', 'write'),
  dash: makeKey('ann', 'read'),
  root: makeKey('root', 'admin'),
}
type Name = keyof typeof made
const auth = {
  keys: readKeys(
    Object.values(made)
      .map(({ line }) => line)
      .join('\n'),
  ),
}
const WRONG = makeKey('ann', 'admin').key
const as = (name: Name) => ({ 'x-api-key': made[name].key })
const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

/** A real app in memory behind a real socket, and its clients. */
async function keyed(options: ServerOptions = {}) {
  const app = createApp({ name: 'keyed' })
  app.task('greet', {}, () => ({ hello: true }))
  app.task('wait', {}, (_input, { signal }) => pause(600_000, undefined, { signal }))
  app.task('alone', { lock: 'only', onLocked: 'reject' }, (_input, { signal }) => pause(600_000, undefined, { signal }))
  app.message(async (session) => {
    await session.reply('Hello')
  })
  app.schedule('digest', '0 9 * * 1-5', () => {})
  const running = await startApp(app, { data: 'memory' })
  const server = await createServer(running, { port: 0, auth, ...options })
  const url = await server.listen()
  onTestFinished(async () => {
    await server.close()
    await running.stop({ drainMs: 0 })
  })
  const ask = async <T>(who: Name | Record<string, string>, method: string, path: string, body?: unknown) => {
    const answer = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(typeof who === 'string' ? as(who) : who),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    const json = answer.headers.get('content-type')?.includes('json') && text !== ''
    return { status: answer.status, headers: answer.headers, body: (json ? JSON.parse(text) : text) as T }
  }
  const submit = async (who: Name, task = 'greet', more: object = {}) => {
    const { status, body } = await ask<Job>(who, 'POST', `/api/v1/tasks/${task}/$submit`, { params: {}, ...more })
    expect(status).toBe(202)
    return body
  }
  const live = async (who: Name) => {
    const client = await new LiveClient(url).opened()
    client.send({ type: 'hello', protocol: 1, token: made[who].key })
    const { user } = await client.next('welcome')
    return { client, user }
  }
  const signIn = async (who: Name, origin = url) => {
    const answer = await ask({ origin }, 'POST', '/api/v1/user/$sign-in', { key: made[who].key })
    expect(answer.status).toBe(200)
    const set = answer.headers.get('set-cookie') ?? ''
    return { set, cookie: set.split(';', 1)[0] ?? '' }
  }
  return { url, ask, submit, live, signIn }
}

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
