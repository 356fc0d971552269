/** The whole way: HTTP over the real app on an in-memory log, as a browser and a script use it. */
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import { createApp, type StartOptions, startApp } from '../../src/app/index.ts'
import { openMemoryStore } from '../../src/events/index.ts'
import { createServer } from '../../src/http/index.ts'
import * as schemas from '../../src/http/schemas/index.ts'
import type { BoardChange, Job, TranscriptChange } from '../../src/http/wire.ts'
import { LiveClient } from './serving.ts'

async function demo(options: StartOptions = { data: 'memory' }) {
  const app = createApp({ name: 'demo' })
  const gate = Promise.withResolvers<void>()
  app.task('add', { input: z.object({ a: z.number(), b: z.number() }), tags: ['math'] }, async ({ a, b }) => ({
    sum: a + b,
  }))
  app.task('broken', { retries: 3 }, async () => {
    throw new RangeError('too far')
  })
  const held = app.task('held', { lock: 'one' }, async () => {
    await gate.promise
    return { ok: true }
  })
  app.message(async (session, message) => {
    const handle = await held.submit({}, { session })
    await session.showTask(handle, { message: 'Working' })
    await session.reply(`You said ${message.text}`)
  })
  app.schedule('digest', '0 9 * * 1-5', async () => {})
  const errors: unknown[] = []
  const running = await startApp(app, { ...options, report: (error) => errors.push(error) })
  const server = await createServer(running, { port: 0, onError: (error) => errors.push(error) })
  const url = await server.listen()
  onTestFinished(async () => {
    gate.resolve()
    await server.close()
    await running.stop()
    expect(errors).toEqual([])
  })
  const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
  }
  const live = async () => {
    const client = await new LiveClient(url).opened()
    client.send({ type: 'hello', protocol: 1 })
    await client.next('welcome')
    return client
  }
  return { url, gate, ask, live, running }
}

/** Follows a job until it has ended. */
async function ended(url: string, id: string): Promise<Job> {
  const text = await (await fetch(`${url}/api/v1/jobs/${id}/$stream`)).text()
  const data = text.trim().split('data: ').at(-1) ?? ''
  return schemas.job.parse(JSON.parse(data))
}

describe('a script', () => {
  it('is answered with what its submit recorded, while read models are yet to have it', async () => {
    const { ask, url, running } = await demo()
    const behind = vi.spyOn(running.reads, 'job').mockReturnValue(new Promise(() => {}))
    const { status, headers, body } = await ask('POST', '/api/v1/tasks/add/$submit', { params: { a: 1, b: 2 } })
    expect(status).toBe(202)
    behind.mockRestore()
    const ran = await ended(url, body.id)
    const { status: now, result, finished_at, allowed_actions, refused_actions, position, ...same } = ran
    expect(body).toMatchObject({ ...same, status: 'running', result: null, position: headers.get('x-position') })
    expect([now, result]).toEqual(['completed', { sum: 3 }])
  })

  it('hears at once that an operator paused what it submits', async () => {
    const { ask, running } = await demo()
    await ask('POST', '/api/v1/tasks/add/$pause')
    const { body } = await ask('POST', '/api/v1/tasks/add/$submit', { params: { a: 1, b: 2 } })
    expect(body).toMatchObject({ status: 'pending', waiting_for: 'an operator to resume add' })
    const job = await running.reads.job(body.id)
    if (!job) throw new Error('no job')
    // Of one that the node has not heard of yet: unless it is due, it does not wait for the operator.
    expect(running.waitingFor({ ...job, id: 'new' })).toBe(body.waiting_for)
    expect(running.waitingFor({ ...job, id: 'new', status: 'scheduled' })).toBeUndefined()
  })

  it('executes tasks and gets results, errors and refusals in place', async () => {
    const { ask } = await demo()
    const added = await ask('POST', '/api/v1/tasks/add/$execute', { params: { a: 1, b: 2 } })
    expect(added).toMatchObject({ status: 200, body: { task_name: 'add', result: { sum: 3 }, error: null } })
    expect(await ask('GET', `/api/v1/jobs/${added.body.job_id}`)).toMatchObject({ body: { status: 'completed' } })

    const broken = await ask('POST', '/api/v1/tasks/broken/$execute', {})
    expect(broken).toMatchObject({ status: 200, body: { result: null, error: { type: 'RangeError' } } })
    expect(broken.body.error.traceback).toContain('too far')
    expect(await ask('GET', `/api/v1/jobs/${broken.body.job_id}`)).toMatchObject({
      body: { status: 'failed', attempt: 1, retries: 0 },
    })

    const invalid = await ask('POST', '/api/v1/tasks/add/$execute', { params: { a: 1 } })
    expect(invalid).toMatchObject({ status: 200, body: { job_id: null, error: { type: 'ValidationError' } } })
  })

  it('is told of an input that nests too deep for any answer, without the input', async () => {
    const { url } = await demo()
    const nested = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
    const answer = await fetch(`${url}/api/v1/tasks/broken/$execute`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"params":{"a":${nested}}}`,
    })
    expect(answer.status).toBe(200)
    const message = expect.stringContaining('may nest 500 deep')
    expect(await answer.json()).toMatchObject({ params: {}, job_id: null, error: { type: 'ValidationError', message } })
  })

  it('is told after the wait it prefers that an execution goes on', async () => {
    const { ask, gate, url } = await demo()
    const answer = await ask('POST', '/api/v1/tasks/held/$execute', {}, { prefer: 'wait=0' })
    expect(answer.status).toBe(202)
    const busy = await ask('POST', '/api/v1/tasks/held/$execute', {})
    expect(busy).toMatchObject({ status: 200, body: { error: { type: 'LockHeldError' } } })
    gate.resolve()
    expect(await ended(url, String(answer.body.job_id))).toMatchObject({ status: 'completed', result: { ok: true } })
  })

  // A promise: see docs/promises.md.
  it('is told of a key whose task was retired that it is gone, and to use another', async () => {
    const store = openMemoryStore()
    // One node of several: another one retires the task.
    const { ask, url } = await demo({ store, shared: true })
    const submit = (key: string) =>
      ask('POST', '/api/v1/tasks/add/$submit', { params: { a: 2, b: 2 } }, { 'idempotency-key': key })
    const { id } = (await submit('k-1')).body
    await ended(url, id)
    await store.deleteStream(`demo.task-${id}`, 2n)
    expect(await submit('k-1')).toMatchObject({
      status: 410,
      body: { type: 'urn:capsule:error:task-retired', detail: expect.stringContaining('Use another key') },
    })
    expect((await ask('POST', `/api/v1/jobs/${id}/$cancel`)).status).toBe(404)
    expect((await submit('k-2')).status).toBe(202)
    await store.deleteStream('demo.session-s1', 'no-stream')
    const message = { text: 'hello' }
    expect((await ask('POST', '/api/v1/sessions/s1/messages', message)).status).toBe(404)
  })

  it('names the key as it was sent, when it is used again for another execution', async () => {
    const { ask } = await demo({ store: openMemoryStore(), shared: true })
    const execute = (n: number) =>
      ask('POST', '/api/v1/tasks/add/$execute', { params: { a: n, b: n } }, { 'idempotency-key': 'k-1' })
    expect((await execute(1)).body).toMatchObject({ result: { sum: 2 } })
    const { status, body } = await execute(2)
    expect([status, body.detail]).toEqual([409, expect.stringContaining('The idempotency key "k-1" belongs to task')])
  })

  it('submits, repeats, follows, reads the history, and deletes', async () => {
    const { ask, url } = await demo()
    const headers = { 'idempotency-key': 'k-1' }
    const body = { params: { a: 2, b: 2 } }
    const first = await ask('POST', '/api/v1/tasks/add/$submit', body, headers)
    expect(first.status).toBe(202)
    expect((await ask('POST', '/api/v1/tasks/add/$submit', body, headers)).body.id).toBe(first.body.id)
    const other = await ask('POST', '/api/v1/tasks/add/$submit', { params: { a: 3, b: 3 } }, headers)
    expect(other).toMatchObject({ status: 409, body: { type: 'urn:capsule:error:idempotency-conflict' } })

    expect(await ended(url, first.body.id)).toMatchObject({ status: 'completed', result: { sum: 4 } })
    const history = await ask('GET', `/api/v1/jobs/${first.body.id}/$events`)
    const events = schemas.historyEvent.array().parse(history.body)
    expect(events.map(({ type }) => type)).toEqual(['TaskSubmitted', 'TaskStarted', 'TaskCompleted'])
    expect(events[0]?.by).toBe('user:local')
    expect(events[2]?.by).toMatch(/^node:/)
    expect((await ask('POST', `/api/v1/jobs/${first.body.id}/$cancel`)).status).toBe(409)
    const remove = (key: string) =>
      ask('DELETE', `/api/v1/jobs/${first.body.id}`, undefined, { 'idempotency-key': key })
    const deleted = await remove('k-2')
    expect(deleted.status).toBe(204)
    const repeated = await remove('k-2')
    expect(repeated.status).toBe(204)
    expect(repeated.headers.get('x-position')).toBe(deleted.headers.get('x-position'))
    expect((await remove('k-3')).status).toBe(404)
    expect((await ask('DELETE', `/api/v1/jobs/${first.body.id}`)).status).toBe(404)
    expect((await ask('GET', `/api/v1/jobs/${first.body.id}`)).status).toBe(404)
    const list = await ask('GET', `/api/v1/jobs?at_least=${deleted.headers.get('x-position')}`)
    expect(list.body).toEqual([])
    expect((await ask('GET', `/api/v1/jobs/${first.body.id}/$events`)).body).toHaveLength(4)
  })

  it('cancels what waits, and finds it by its filters', async () => {
    const { ask } = await demo()
    const delayed = await ask('POST', '/api/v1/tasks/add/$submit', { params: { a: 1, b: 1 }, delay: '10m' })
    expect(delayed.body).toMatchObject({ status: 'scheduled' })
    expect((await ask('GET', '/api/v1/jobs?status=scheduled&tag=math&params.a=1')).body).toHaveLength(1)
    expect((await ask('GET', '/api/v1/jobs?status=scheduled&params.a=2')).body).toHaveLength(0)
    expect((await ask('POST', '/api/v1/jobs/$cancel', { filter: { task_name: 'add' } })).body).toEqual({ cancelled: 1 })
    const cancelled = await ask('GET', `/api/v1/jobs/${delayed.body.id}`)
    expect(cancelled.body).toMatchObject({ status: 'cancelled', cancelled_by: 'user:local' })
    const again = await ask('POST', `/api/v1/jobs/${delayed.body.id}/$retry`)
    expect(again.status).toBe(200)
    expect((await ask('GET', '/api/v1/board')).body.total).toBe(1)
  })

  it('pauses, resumes and triggers a schedule', async () => {
    const { ask, url } = await demo()
    expect((await ask('GET', '/api/v1/info')).body).toMatchObject({ has_chat: true, has_schedules: true })
    expect((await ask('POST', '/api/v1/schedules/digest/$pause')).body).toMatchObject({ paused: true, next_at: null })
    expect((await ask('POST', '/api/v1/schedules/digest/$resume')).body).toMatchObject({ paused: false })
    const triggered = await ask('POST', '/api/v1/schedules/digest/$trigger')
    expect(triggered.status).toBe(202)
    expect(await ended(url, triggered.body.job_id)).toMatchObject({ task_name: 'schedule:digest', status: 'completed' })
    expect((await ask('GET', '/api/v1/schedules/digest/$occurrences')).body).toMatchObject([
      { decision: 'due', trigger: 'manual', job_id: triggered.body.job_id },
    ])
    expect((await ask('POST', '/api/v1/schedules/nope/$pause')).status).toBe(404)
  })

  it('talks to the app and waits for its answer', async () => {
    const { ask } = await demo()
    const { body: session } = await ask('POST', '/api/v1/sessions', { title: 'Hello' })
    const said = await ask('POST', `/api/v1/sessions/${session.id}/messages`, { text: 'run' }, { prefer: 'wait=30' })
    expect(said.status).toBe(200)
    expect(said.body.items.map(({ kind }: { kind: string }) => kind)).toEqual(['message', 'task', 'reply'])
    expect(said.body.items[2]).toMatchObject({ text: 'You said run' })
    expect(await ask('GET', '/api/v1/sessions')).toMatchObject({ body: [{ id: session.id, jobs: { running: 1 } }] })
  })
})

describe('a conversation', () => {
  it('is the same one for the same key, and listed in pages that nobody counts', async () => {
    const { ask, running } = await demo()
    const begun = async (key: string) =>
      (await ask('POST', '/api/v1/sessions', {}, { 'idempotency-key': key })).body.id as string
    const first = await begun('k')
    expect(await begun('k')).toBe(first)
    const second = await begun('k2')
    expect(second).not.toBe(first)
    const page = await ask('GET', '/api/v1/sessions?limit=1')
    expect(page.body).toMatchObject([{ id: second }])
    expect(page.headers.has('x-total-count')).toBe(false)
    const [, next = ''] = /<(.*)>; rel="next"/.exec(page.headers.get('link') ?? '') ?? []
    expect((await ask('GET', next)).body).toMatchObject([{ id: first }])

    const caller = { by: 'user:local', ownerId: 'local', commandId: 'k' } as const
    expect((await running.createSession(caller)).sessionId).toBe(first)
  })
})

describe('a browser', () => {
  const id = (n: number) => `00000000-0000-4000-8000-00000000000${n}`

  it('sees a task move over its board, in deltas that join up', async () => {
    const { live, gate } = await demo()
    const client = await live()
    client.send({ type: 'subscribe', id: 'b', topic: 'board', params: { filter: { task_name: 'held' } } })
    let { position } = await client.next('snapshot')
    client.send({ type: 'command', id: id(1), name: 'task.submit', payload: { name: 'held' } })
    const counts = new Map<number, number>()
    let submitted: Job | undefined
    while (counts.get(3) !== 1) {
      const frame = await client.any()
      if (frame.type === 'ack') submitted = schemas.job.parse(frame.result)
      if (frame.type !== 'delta') continue
      expect(frame.from).toBe(position)
      position = frame.to
      for (const { column, count } of frame.changes as BoardChange[]) counts.set(column, count)
      if (counts.get(2) === 1) gate.resolve()
    }
    expect(submitted).toMatchObject({ task_name: 'held' })
    expect(Object.fromEntries(counts)).toMatchObject({ 2: 0, 3: 1 })
  })

  it('starts a conversation by its first message and sees what comes of it', async () => {
    const { live } = await demo()
    const client = await live()
    const session = 'aaaa-bbbb'
    client.send({
      type: 'command',
      id: id(1),
      name: 'message.send',
      payload: { session_id: session, text: 'run', create: true },
    })
    expect(await client.next('ack')).toMatchObject({ result: { message_id: id(1) } })
    client.send({ type: 'subscribe', id: 's', topic: 'session', params: { id: session } })
    const items = new Map<string, string>()
    while (!items.has('reply')) {
      const frame = await client.any()
      if (frame.type === 'snapshot') {
        for (const item of schemas.transcriptItem.array().parse((frame.data as { items: unknown }).items)) {
          items.set(item.kind, item.id)
        }
      }
      if (frame.type !== 'delta') continue
      for (const change of frame.changes as TranscriptChange[]) {
        if (change.kind === 'item') items.set(change.item.kind, change.item.id)
      }
    }
    expect([...items.keys()].sort()).toEqual(['message', 'reply', 'task'])
    expect(items.get('message')).toBe(id(1))
  })
})
