/** Two nodes of one app on one log, each with a server of its own: what is asked of one is seen on the other. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { createApp, startApp } from '../../src/app/index.ts'
import { openMemoryStore } from '../../src/events/index.ts'
import { createServer } from '../../src/http/index.ts'
import { LiveClient, until } from './serving.ts'

interface Answer {
  readonly status: number
  readonly position: string
  readonly body: Record<string, unknown>
}

async function twoNodes() {
  const store = openMemoryStore()
  const gate = Promise.withResolvers<void>()
  const aborted: string[] = []
  const errors: unknown[] = []
  const report = (error: unknown) => errors.push(error)
  const nodes = await Promise.all(
    ['a', 'b'].map(async (name) => {
      const app = createApp({ name: 'demo' })
      app.task('add', async ({ n }: { n: number }) => ({ sum: n + 1 }))
      app.task('held', async (_: object, { signal }) => {
        signal.addEventListener('abort', () => {
          aborted.push(name)
          gate.resolve()
        })
        await gate.promise
      })
      app.message(async (session, message) => session.reply(`You said ${message.text}`))
      app.schedule('digest', '0 9 * * 1-5', async () => {})
      const running = await startApp(app, { store, shared: true, report })
      const server = await createServer(running, { port: 0, onError: report })
      return { running, server, url: await server.listen() }
    }),
  )
  onTestFinished(async () => {
    gate.resolve()
    for (const { server, running } of nodes) {
      await server.close()
      await running.stop({ drainMs: 0 })
    }
    await store.close()
    expect(errors).toEqual([])
  })
  const askOf =
    (url = '') =>
    async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> => {
      const response = await fetch(url + path, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      const position = response.headers.get('x-position') ?? ''
      return { status: response.status, position, body: text === '' ? {} : JSON.parse(text) }
    }
  const [a, b] = nodes
  const live = async (url = '') => {
    const client = await new LiveClient(url).opened()
    client.send({ type: 'hello', protocol: 1 })
    await client.next('welcome')
    return client
  }
  return { a: askOf(a?.url), b: askOf(b?.url), liveOfB: () => live(b?.url), aborted }
}

describe('two nodes', () => {
  it('show on each what was submitted on the other, from its position on', async () => {
    const { a, b } = await twoNodes()
    const submitted = await a('POST', '/api/v1/tasks/held/$submit', {})
    expect(submitted.status).toBe(202)
    const job = `/api/v1/jobs/${submitted.body.id}`
    expect(await b('GET', `${job}?at_least=${submitted.position}`)).toMatchObject({
      status: 200,
      body: { id: submitted.body.id, task_name: 'held' },
    })
  })

  it('cancel on one what runs on the other, whose handler is told', async () => {
    const { a, b, aborted } = await twoNodes()
    const { body, position } = await a('POST', '/api/v1/tasks/held/$submit', {})
    // The node that took it started it in the same append.
    const job = await b('GET', `/api/v1/jobs/${body.id}?at_least=${position}`)
    expect(job.body.status).toBe('running')
    expect((await b('POST', `/api/v1/jobs/${body.id}/$cancel`, {})).status).toBeLessThan(300)
    await until(() => aborted.length > 0)
    expect(aborted).toEqual(['a'])
  })

  it('execute on one what the other may run, and answer with its result', async () => {
    const { a, b } = await twoNodes()
    expect(await b('POST', '/api/v1/tasks/add/$execute', { params: { n: 1 } })).toMatchObject({
      status: 200,
      body: { result: { sum: 2 } },
    })
    const repeated = { 'idempotency-key': 'same' }
    const first = await a('POST', '/api/v1/tasks/add/$submit', { params: { n: 1 } }, repeated)
    const again = await b('POST', '/api/v1/tasks/add/$submit', { params: { n: 1 } }, repeated)
    expect(again.body.id).toBe(first.body.id)
  })

  it('pause a schedule on both', async () => {
    const { a, b } = await twoNodes()
    const before = await b('GET', '/api/v1/schedules/digest?next=2')
    expect(before.body).toMatchObject({ paused: false, next_at: expect.any(String) })
    const { position } = await a('POST', '/api/v1/schedules/digest/$pause', {})
    expect((await b('GET', `/api/v1/schedules/digest?next=2&at_least=${position}`)).body).toMatchObject({
      paused: true,
      next_at: null,
      upcoming: [],
    })
    const resumed = await b('POST', '/api/v1/schedules/digest/$resume', {})
    const after = await a('GET', `/api/v1/schedules/digest?next=2&at_least=${resumed.position}`)
    expect(after.body).toMatchObject({ paused: false, next_at: before.body.next_at })
  })

  it('tell a socket of one what is said and answered on the other', async () => {
    const { a, liveOfB } = await twoNodes()
    const { body, position } = await a('POST', '/api/v1/sessions', {})
    const client = await liveOfB()
    client.send({ type: 'subscribe', id: 's', topic: 'session', params: { id: String(body.id) }, from: position })
    const sent = await a('POST', `/api/v1/sessions/${body.id}/messages`, { text: 'hello' })
    expect(sent.status).toBeLessThan(300)
    const seen: string[] = []
    while (!seen.join().includes('You said hello')) seen.push(JSON.stringify(await client.any()))
    expect(seen.join()).toContain('"hello"')
  })
})
