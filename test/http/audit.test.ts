/** Retention and the proof of the log over HTTP: on a fake app what is asked and answered, and the whole way on the real one. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createApp } from '../../src/app/index.ts'
import { ArchiveInUse, type Position } from '../../src/events/index.ts'
import { createServer } from '../../src/http/index.ts'
import { testApp } from '../../src/testing/index.ts'
import { codeOf, serving } from './serving.ts'

describe('POST /api/v1/audit/$retire', () => {
  it('asks for what is older, and answers with counts and where reads show it', async () => {
    const { app, post } = await serving()
    app.retirement = {
      retired: 3,
      events: 9,
      bytes: 4000,
      completed: 1,
      kept: { owed: 2 },
      broken: [],
      more: true,
      position: 7n as Position,
    }
    const { status, body, headers } = await post('/api/v1/audit/$retire', { older_than: '90d', limit: 3 })
    expect(status).toBe(200)
    expect(headers['x-position']).toBe('7')
    expect(body).toEqual({
      retired: 3,
      events: 9,
      bytes: 4000,
      completed: 1,
      kept: { owed: 2 },
      broken: [],
      more: true,
      archive: '/data/archive',
      dry_run: false,
    })
    expect(app.calls).toMatchObject([
      { command: 'retire', args: [{ olderThan: '90d', limit: 3, dryRun: false }], caller: { by: 'user:local' } },
    ])
  })

  it('says no position when nothing went', async () => {
    const { post } = await serving()
    const { headers } = await post('/api/v1/audit/$retire', { older_than: 3600, dry_run: true })
    expect(headers['x-position']).toBeUndefined()
  })

  it('retires nothing when a dry run is misspelt', async () => {
    const { app, refusal } = await serving()
    const problem = await refusal('POST', '/api/v1/audit/$retire', { body: { older_than: '90d', dryRun: true } })
    expect(problem).toMatchObject({ status: 422, errors: [{ message: expect.stringContaining('dryRun') }] })
    expect(app.calls).toEqual([])
  })

  it('refuses what does not fit, and names another run', async () => {
    const { app, refusal } = await serving()
    expect(await refusal('POST', '/api/v1/audit/$retire', { body: {} })).toMatchObject({ status: 422 })
    app.retire = () => Promise.reject(new ArchiveInUse({ directory: '/data/archive', pid: 7 }))
    const problem = await refusal('POST', '/api/v1/audit/$retire', { body: { older_than: '90d' } })
    expect(problem).toMatchObject({ status: 409, detail: expect.stringContaining('by process 7') })
    expect(codeOf(problem)).toBe('archive-in-use')
  })
})

describe('GET /api/v1/audit/events', () => {
  it('gives the log as it is stored, page by page, or one stream of it', async () => {
    const { app, get } = await serving()
    const metadata = {
      at: '2026-01-01T00:00:00.000Z',
      by: 'system',
      correlationId: 'c',
      causationId: 'c',
      v: 1,
    } as const
    const event = (n: number, name: string) => {
      const stream = `demo.task-${name}`
      const revision = BigInt(n)
      return {
        stream,
        revision,
        id: `e${n}`,
        type: 'E',
        data: { n },
        metadata,
        position: revision as Position,
        recordedAt: n,
      }
    }
    app.histories.set('a', [event(0, 'a'), event(1, 'a'), event(2, 'a')])
    const first = await get('/api/v1/audit/events?limit=2')
    expect(first.body).toMatchObject([
      { id: 'e0', revision: '0', position: '0', metadata, data: { n: 0 } },
      { id: 'e1' },
    ])
    expect(first.headers.link).toBe('</api/v1/audit/events?limit=2&after=1>; rel="next"')
    expect((await get('/api/v1/audit/events?limit=2&after=1')).body).toMatchObject([{ id: 'e2' }])
    const stream = await get('/api/v1/audit/events?stream=demo.task-a&from=1&limit=1')
    expect(stream.body).toMatchObject([{ id: 'e1', recorded_at: '1970-01-01T00:00:00.001Z' }])
    expect(stream.headers.link).toContain('from=2')
    expect((await get('/api/v1/audit/events?stream=demo.task-b')).body).toEqual([])
  })
})

describe('GET /api/v1/audit/$verify', () => {
  it('says that the log holds, with the archive if it is asked to', async () => {
    const { app, get } = await serving()
    app.verdict = { broken: undefined, events: 9, streams: 3, retired: 2, archived: 2, remaining: 0 }
    expect((await get('/api/v1/audit/$verify?archive=true')).body).toEqual({
      ok: true,
      events: 9,
      streams: 3,
      retired: 2,
      archived: 2,
      remaining: 0,
      broken: null,
    })
    await get('/api/v1/audit/$verify')
    expect(app.verified).toEqual([{ archive: '/data/archive' }, {}])
  })

  it('is refused where an archive is asked for that the server has not got', async () => {
    const { app, refusal } = await serving()
    app.archive = undefined
    expect(codeOf(await refusal('GET', '/api/v1/audit/$verify?archive=true'))).toBe('command-refused')
    expect(app.verified).toEqual([])
  })

  it('names the first break', async () => {
    const { app, get } = await serving()
    const broken = { stream: 'demo.task-a', revision: 3n, reason: 'altered', file: undefined } as const
    app.verdict = { ...app.verdict, broken }
    expect((await get('/api/v1/audit/$verify')).body).toMatchObject({
      ok: false,
      archived: null,
      broken: { stream: 'demo.task-a', revision: '3', reason: 'altered', file: null },
    })
  })
})

describe('on the real app', () => {
  it('takes ended jobs out of log and views, answers 410 for their keys, and proves the rest', async () => {
    const app = createApp({ name: 'demo' })
    app.task('work', () => 'done')
    const archive = await mkdtemp(join(tmpdir(), 'capsule-audit-'))
    const t = await testApp(app, { archive })
    const server = await createServer(t.running, { port: 0, clock: t.clock })
    onTestFinished(async () => {
      await server.close()
      await t.stop(0)
      await rm(archive, { recursive: true })
    })
    const ask = async (method: 'GET' | 'POST', url: string, payload?: object, headers = {}) => {
      const response = await server.inject({
        method,
        url,
        headers: { host: 'localhost', ...headers },
        ...(payload ? { payload } : {}),
      })
      return { status: response.statusCode, position: response.headers['x-position'], body: response.json() }
    }
    const key = { 'idempotency-key': 'k' }
    const { body: job } = await ask('POST', '/api/v1/tasks/work/$submit', { params: {} }, key)
    await t.advance('91d')
    expect(await ask('POST', '/api/v1/audit/$retire', { older_than: '90d', dry_run: true })).toMatchObject({
      body: { retired: 1, archive },
    })
    expect((await ask('GET', `/api/v1/jobs/${job.id}`)).status).toBe(200)
    const { body, position } = await ask('POST', '/api/v1/audit/$retire', { older_than: '90d' })
    expect(body).toMatchObject({ retired: 1, kept: {}, more: false })
    expect((await ask('GET', `/api/v1/jobs?at_least=${position}`)).body).toEqual([])
    expect((await ask('GET', `/api/v1/jobs/${job.id}`)).status).toBe(404)
    expect((await ask('GET', `/api/v1/jobs/${job.id}/$events`)).status).toBe(404)
    expect((await ask('POST', '/api/v1/tasks/work/$submit', { params: {} }, key)).status).toBe(410)
    expect((await ask('GET', '/api/v1/audit/$verify?archive=true')).body).toMatchObject({
      ok: true,
      retired: 1,
      archived: 1,
    })
    expect((await ask('GET', '/api/v1/board')).body.columns.every(({ count }: { count: number }) => count === 0)).toBe(
      true,
    )
  })

  it('of an app in memory there is nowhere to put what goes', async () => {
    const t = await testApp(createApp({ name: 'demo' }))
    const server = await createServer(t.running, { port: 0, clock: t.clock })
    onTestFinished(async () => {
      await server.close()
      await t.stop(0)
    })
    const headers = { host: 'localhost' }
    const response = await server.inject({
      method: 'POST',
      url: '/api/v1/audit/$retire',
      headers,
      payload: { older_than: 1 },
    })
    expect(response.json()).toMatchObject({ status: 409, detail: expect.stringContaining('no directory') })
  })
})
