import { describe, expect, it } from 'vitest'
import { createServer } from '../../src/http/index.ts'
import { FakeApp } from './fake-app.ts'
import { codeOf, LiveClient, serving } from './serving.ts'

const post = { body: {} }
const path = '/api/v1/tasks/greet/$submit'

describe('a server that only this machine can reach', () => {
  it.each(['localhost', 'localhost:3000', '127.0.0.1:80', '127.8.9.1', '[::1]:3000', 'LOCALHOST'])(
    'answers to the name %s',
    async (host) => {
      const { get } = await serving()
      expect((await get('/api/v1/tasks', { host })).status).toBe(200)
    },
  )

  it.each(['evil.example', 'localhost.evil.example', 'evil.example:3000', '127.0.0.1.evil.example', '10.0.0.1'])(
    'refuses the name "%s", which a rebound website would use',
    async (host) => {
      const { refusal } = await serving()
      const problem = await refusal('GET', '/api/v1/tasks', { headers: { host } })
      expect(problem).toMatchObject({ status: 403, type: 'urn:capsule:error:host-not-allowed' })
      expect(problem.detail).toContain(`"${host}"`)
    },
  )

  it.each(['https://evil.example', 'null', 'http://localhost:5173', 'http://localhost.evil.example:3000'])(
    'refuses a page of %s, whatever it asks',
    async (origin) => {
      const { app, refusal } = await serving()
      const headers = { origin }
      expect(codeOf(await refusal('GET', '/api/v1/tasks', { headers }))).toBe('origin-not-allowed')
      expect(codeOf(await refusal('POST', path, { ...post, headers }))).toBe('origin-not-allowed')
      expect(app.calls).toEqual([])
    },
  )

  it('lets its own pages in', async () => {
    const { ask } = await serving()
    const headers = { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-origin' }
    expect((await ask('POST', path, { ...post, headers })).status).toBe(202)
  })

  it.each(['cross-site', 'same-site'])('refuses a %s form that hides its origin', async (site) => {
    const { refusal } = await serving()
    const headers = { 'sec-fetch-site': site }
    expect(codeOf(await refusal('POST', path, { ...post, headers }))).toBe('origin-not-allowed')
  })

  it('lets a link of another site lead to its pages', async () => {
    const { get } = await serving()
    expect((await get('/docs', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })).status).toBe(200)
  })

  it('lets no other site embed an answer', async () => {
    const { get } = await serving()
    expect((await get('/api/v1/tasks')).headers).toMatchObject({
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    })
  })

  it('sends no CORS headers', async () => {
    const { ask } = await serving()
    const { headers } = await ask('OPTIONS', path, { headers: { origin: 'http://localhost:3000' } })
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  })
})

describe('a named origin', () => {
  const options = { origins: ['https://app.example/'] }
  const origin = 'https://app.example'

  it('may ask, and read the answer and its headers', async () => {
    const { ask } = await serving(options)
    const answer = await ask('POST', path, { ...post, headers: { origin, 'sec-fetch-site': 'cross-site' } })
    expect(answer).toMatchObject({
      status: 202,
      headers: {
        'access-control-allow-origin': origin,
        'access-control-expose-headers': expect.stringContaining('X-Position'),
        vary: 'Origin',
      },
    })
  })

  it('is not answered with a file that a cache kept for another page', async () => {
    const { get } = await serving(options)
    expect((await get('/icon.svg')).headers).toMatchObject({ vary: 'Origin' })
  })

  it('may read why it was refused', async () => {
    const { ask } = await serving(options)
    const answer = await ask('POST', '/api/v1/jobs/nope/$cancel', { headers: { origin } })
    expect(answer).toMatchObject({ status: 404, headers: { 'access-control-allow-origin': origin } })
  })

  it('is told in a preflight what it may send', async () => {
    const { ask } = await serving(options)
    const headers = {
      origin,
      'access-control-request-method': 'DELETE',
      'access-control-request-headers': 'idempotency-key',
    }
    expect(await ask('OPTIONS', path, { headers })).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': origin,
        'access-control-allow-methods': expect.stringContaining('DELETE'),
        'access-control-allow-headers': 'idempotency-key',
      },
    })
  })

  it('lets no other in', async () => {
    const { refusal } = await serving(options)
    const headers = { origin: 'https://app.example.evil.example' }
    expect(codeOf(await refusal('GET', '/api/v1/tasks', { headers }))).toBe('origin-not-allowed')
  })

  it.each([
    ['HTTPS://App.Example', 'https://app.example'],
    ['https://app.example:443/', 'https://app.example'],
    ['http://localhost:5173', 'http://localhost:5173'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
  ])('written as %s is %s', async (written, sent) => {
    const { get } = await serving({ origins: [written] })
    expect((await get('/api/v1/tasks', { origin: sent })).headers['access-control-allow-origin']).toBe(sent)
  })

  it.each([
    ['', 'empty'],
    ['*', 'without \\*'],
    ['https://*.app.example', 'without \\*'],
    ['null', 'any sandboxed page'],
    ['app.example', 'begins with http:// or https://'],
    ['localhost:5173', 'begins with http:// or https://'],
    ['ftp://app.example', 'begins with http:// or https://'],
    ['https://', 'has a name'],
    ['https://app.example/shop', 'without a path'],
    ['https://app.example/?a', 'without a path'],
    ['https://ann@app.example', 'has no user'],
  ])('must be an origin: "%s" is refused', async (origin, says) => {
    await expect(serving({ origins: [origin] })).rejects.toThrow(new RegExp(`is not an origin: .*${says}.*Write it as`))
  })

  it('is told how it would be let in', async () => {
    const { refusal } = await serving()
    const { detail } = await refusal('GET', '/api/v1/tasks', { headers: { origin } })
    expect(detail).toMatch(/--origin https:\/\/app\.example,.*CAPSULE_ORIGINS.*option origins/)
  })

  it('is no way in for a page without one', async () => {
    const { refusal } = await serving()
    const { detail } = await refusal('GET', '/api/v1/tasks', { headers: { origin: 'null' } })
    expect(detail).not.toContain('--origin')
    expect(detail).toContain('Serve it from an address')
  })
})

describe('a WebSocket', () => {
  const outcome = async (headers: Record<string, string>) => {
    const { server } = await serving({ origins: ['https://app.example'] })
    const client = new LiveClient(await server.listen(), headers)
    client.socket.once('open', () => client.send({ type: 'hello', protocol: 1 }))
    return Promise.race([
      client.any().then(({ type }) => type),
      new Promise((resolve) => {
        client.socket.once('unexpected-response', (_request, response) => resolve(response.statusCode))
      }),
      client.closed.then(({ code }) => code),
    ])
  }

  it.each([
    [{}, 'welcome'],
    [{ origin: 'https://app.example' }, 'welcome'],
    [{ origin: 'https://evil.example' }, 4403],
    [{ host: 'evil.example' }, 403],
    [{ host: 'evil.example', origin: 'https://evil.example' }, 403],
  ])('with %j is answered %s', async (headers, expected) => {
    expect(await outcome(headers)).toBe(expected)
  })
})

describe('an address that others can reach', () => {
  // A promise: see docs/promises.md.
  it.each(['0.0.0.0', '::', '192.168.1.10', 'example.org'])('%s is refused at start', async (host) => {
    await expect(createServer(new FakeApp(), { host })).rejects.toMatchObject({
      code: 'loopback-only',
      message: expect.stringMatching(/auth.*capsule key.*CAPSULE_AUTH_API_KEYS/),
    })
  })
})
