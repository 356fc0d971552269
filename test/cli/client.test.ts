/** How the command speaks to a server: patient with one that is at work, and plain about one that is not there. */
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createSocketServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { Client } from '../../src/cli/client.ts'
import { UsageError } from '../../src/cli/errors.ts'

async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const anything = z.unknown()

describe('the client of the command', () => {
  it('sends what it is given, and reads the answer', async () => {
    const url = await serving(async (request, response) => {
      const body = (await request.toArray()).join('')
      const { method, url: asked, headers } = request
      response.end(JSON.stringify({ method, asked, key: headers['x-api-key'], type: headers['content-type'], body }))
    })
    const client = new Client({ url: `${url}/under/`, key: 'capsule_k' })
    expect(await client.get('/api/v1/x%2Fy/$look?a=b%3Fc', anything)).toEqual({
      method: 'GET',
      asked: '/under/api/v1/x%2Fy/$look?a=b%3Fc',
      key: 'capsule_k',
      body: '',
    })
    expect(await client.post('/api/v1/$do', anything, { n: 'ü' })).toMatchObject({
      method: 'POST',
      type: 'application/json',
      body: '{"n":"ü"}',
    })
  })

  it('waits for an answer as long as it is told, though fetch would not', async () => {
    const url = await serving((_, response) => setTimeout(() => response.end('"late"'), 2500))
    const restore = impatientFetch()
    onTestFinished(restore)
    expect(await new Client({ url }).get('/', anything)).toBe('late')
  })

  it('says when a server has not answered in time, and that it may be at work', async () => {
    const silent = await serving(() => {})
    const late = /^http:\/\/127\.0\.0\.1:\d+ has not answered within 0\.05 s, and may still be at it\./
    await expect(new Client({ url: silent, timeoutMs: 50 }).get('/', anything)).rejects.toThrow(late)
    const halfway = await serving((_, response) => void response.write('{'))
    await expect(new Client({ url: halfway, timeoutMs: 50 }).get('/', anything)).rejects.toThrow(late)
  })

  it('says why nobody answers, and no password', async () => {
    const server = createSocketServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await expect(new Client({ url: `http://ann:secret@127.0.0.1:${port}` }).get('/', anything)).rejects.toThrow(
      `No server answers at http://127.0.0.1:${port} (socket hang up). Start it, or give its address with --url.`,
    )
    await expect(new Client({ url: 'http://127.0.0.1:1' }).get('/', anything)).rejects.toThrow('(connect ECONNREFUSED')
  })

  it('does not take a key elsewhere, and says where it was sent', async () => {
    const url = await serving((_, response) => response.writeHead(308, { location: 'https://example.org/' }).end())
    await expect(new Client({ url, key: 'capsule_k' }).get('/', anything)).rejects.toThrow(
      `${url} leads elsewhere (https://example.org/). Give the address that is meant with --url.`,
    )
  })

  it('refuses what is no key before it asks', () => {
    expect(() => new Client({ url: 'http://127.0.0.1:1', key: '…' })).toThrow(UsageError)
  })
})

/** As if the five minutes that fetch waits for an answer were a moment. */
function impatientFetch(): () => void {
  const place = Symbol.for('undici.globalDispatcher.1')
  const before: unknown = Reflect.get(globalThis, place)
  const { constructor: Agent } = Object(before)
  Reflect.set(globalThis, place, Reflect.construct(Agent, [{ headersTimeout: 100 }]))
  return () => void Reflect.set(globalThis, place, before)
}
