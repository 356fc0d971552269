import { describe, expect, it } from 'vitest'
import { ROUTES } from '../../src/http/routes.ts'
import * as schemas from '../../src/http/schemas/index.ts'
import { at, scheduleView } from './fake-app.ts'
import { codeOf, serving, until } from './serving.ts'

describe('about the app', () => {
  it('tells its name, pages and whether it has schedules', async () => {
    const { app, get } = await serving()
    app.pages = [{ name: 'Tasks', slug: 'tasks', icon: 'layout-grid', render: () => [] }]
    app.reads.schedulesByName.set('old', scheduleView('old', { removed: true }))
    const before = schemas.appInfo.parse((await get('/api/v1/info')).body)
    expect(before).toEqual({
      name: 'demo',
      version: '1.2.3',
      node: 'node-1',
      has_chat: true,
      has_schedules: false,
      pages: [{ name: 'Tasks', icon: 'layout-grid', slug: 'tasks' }],
    })
    app.reads.schedulesByName.set('new', scheduleView('new'))
    expect((await get('/api/v1/info')).body).toMatchObject({ has_schedules: true })
  })

  it('renders a page anew at each request', async () => {
    const { app, get } = await serving()
    let renders = 0
    app.pages = [
      {
        name: 'Tasks',
        slug: 'tasks',
        icon: undefined,
        render: () => [
          { kind: 'heading', text: `Render ${++renders}` },
          { kind: 'divider' },
          {
            kind: 'task_board',
            title: 'All',
            filter: { task_name: 'greet' },
            columns: [{ label: 'Queued', statuses: ['pending', 'retry'] }],
          },
          { kind: 'task_board' },
        ],
      },
    ]
    expect((await get('/api/v1/pages')).body).toEqual([{ name: 'Tasks', icon: null, slug: 'tasks' }])
    await get('/api/v1/pages/tasks')
    const page = schemas.page.parse((await get('/api/v1/pages/tasks')).body)
    expect(page.blocks).toEqual([
      { kind: 'heading', text: 'Render 2' },
      { kind: 'divider' },
      {
        kind: 'task_board',
        title: 'All',
        filter: { task_name: 'greet' },
        columns: [{ label: 'Queued', statuses: ['pending', 'retry'] }],
        refresh_ms: null,
      },
      { kind: 'task_board', title: null, filter: null, columns: null, refresh_ms: null },
    ])
  })

  it.each([
    ['a board without columns', () => [{ kind: 'task_board', columns: [] }], /board of the page "Odd" has no columns/],
    [
      'a filter that there is not',
      () => [{ kind: 'task_board', filter: { nam: 1 } }],
      /has no filter that can be.*nam/s,
    ],
    ['a promise', async () => [], /The page "Odd" gives no blocks. Return them at once/],
    ['a hole', () => [undefined], /gives no blocks/],
  ])('blames the app, and not the reader, for a page with %s', async (_, render, message) => {
    const { app, get, errors } = await serving()
    app.pages = [{ name: 'Odd', slug: 'odd', icon: undefined, render: render as () => [] }]
    expect(await get('/api/v1/pages/odd')).toMatchObject({ status: 500 })
    expect(String(errors.at(-1))).toMatch(message)
  })

  it('knows only declared pages', async () => {
    const { refusal } = await serving()
    expect(await refusal('GET', '/api/v1/pages/nope')).toMatchObject({ status: 404 })
  })
})

describe('health', () => {
  it.each([
    [['healthy', 'healthy'], 'healthy', 200],
    [['healthy', 'degraded'], 'degraded', 200],
    [['unhealthy', 'degraded'], 'unhealthy', 503],
    [[], 'healthy', 200],
  ] as const)('of checks %j is %s', async (states, status, code) => {
    const { app, get } = await serving()
    app.checks = states.map((state, n) => ({ name: `check-${n}`, status: state, detail: `is ${state}` }))
    const answer = await get('/health')
    expect(answer).toMatchObject({ status: code, body: { status } })
    expect(Object.keys((answer.body as { checks: object }).checks)).toHaveLength(states.length)
  })

  it('is unhealthy when it cannot be told', async () => {
    const { app, get } = await serving()
    app.health = () => Promise.reject(new Error('no answer'))
    expect(await get('/health')).toMatchObject({
      status: 503,
      body: { status: 'unhealthy', checks: { app: { state: 'unhealthy', message: 'no answer' } } },
    })
  })

  it('is streamed at once and at every change', async () => {
    const { app, clock, server } = await serving()
    const url = await server.listen()
    const response = await fetch(`${url}/health/$stream`)
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toContain('"status":"healthy"')
    await clock.advance(5000)
    app.checks = [{ name: 'store', status: 'degraded', detail: 'slow' }]
    await clock.advance(5000)
    expect((await reader?.read())?.value).toContain('"status":"degraded"')
    await reader?.cancel()
    await until(() => clock.next === undefined)
  })
})

describe('the system', () => {
  it('says where it runs and how far it is', async () => {
    const { get } = await serving()
    expect((await get('/api/v1/system')).body).toMatchObject({
      node: 'node-1',
      version: '1.2.3',
      position: '1',
      node_version: process.version,
      head: '1',
      read_models: [
        { name: 'jobs', version: 1, position: '1', rebuilding: false, rebuild: null, rebuild_failed: null },
      ],
    })
  })

  it('says so while the event store does not answer', async () => {
    const { app, get } = await serving()
    app.headOfLog = undefined
    expect(await get('/api/v1/system')).toMatchObject({ status: 200, body: { head: null, position: '1' } })
  })

  it('has read models made again, one or all, and tells how far they are', async () => {
    const { app, get, post, refusal } = await serving()
    const begun = { name: 'jobs', rebuilding: true, rebuild: { position: '-1', until: '1', events: 0 } }
    expect(await post('/api/v1/system/read-models/jobs/$rebuild')).toMatchObject({ status: 202, body: begun })
    expect(await post('/api/v1/system/read-models/$rebuild')).toMatchObject({ status: 202, body: [begun] })
    app.reads.rebuilt = { position: at(0), until: at(1), events: 1 }
    expect((await get('/api/v1/system')).body).toMatchObject({
      read_models: [{ rebuilding: true, rebuild: { position: '0', until: '1', events: 1 } }],
    })
    app.reads.rebuilt = undefined
    app.reads.rebuildFailed = 'The disk is full.'
    expect((await get('/api/v1/system')).body).toMatchObject({
      read_models: [{ rebuilding: false, rebuild: null, rebuild_failed: 'The disk is full.' }],
    })
    const problem = await refusal('POST', '/api/v1/system/read-models/jbos/$rebuild')
    expect(problem).toMatchObject({ status: 404, detail: 'There is no read model jbos. There are jobs.' })
    expect(codeOf(problem)).toBe('unknown-read-model')
  })
})

describe('what is served', () => {
  it('is described as OpenAPI 3.1, each route with its answers', async () => {
    const { get } = await serving()
    const { body, status } = await get('/openapi.json')
    expect(status).toBe(200)
    const document = body as { paths: Record<string, Record<string, { responses: object }>>; components: object }
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'demo', version: '1.2.3' } })
    expect(document.paths['/api/v1/jobs/{id}']).toHaveProperty('delete')
    expect(document.paths['/api/v1/tasks/{name}/$submit']).toMatchObject({
      post: {
        parameters: [
          { name: 'name', in: 'path' },
          { name: 'Idempotency-Key', in: 'header' },
        ],
        requestBody: { content: { 'application/json': { schema: { type: 'object' } } } },
        responses: {
          202: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Job' } } } },
          409: { content: { 'application/problem+json': {} } },
        },
      },
    })
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, { responses }] of Object.entries(methods)) {
        expect(Object.keys(responses), `${method} ${path}`).not.toEqual([])
        expect(responses, `${method} ${path}`).toMatchObject({
          default: { content: { 'application/problem+json': {} } },
        })
      }
    }
  })

  it('names each operation, once, as generated clients call it', async () => {
    const { get } = await serving()
    const { paths } = (await get('/openapi.json')).body as {
      paths: Record<string, Record<string, { operationId?: string }>>
    }
    const names = Object.values(paths).flatMap((methods) => Object.values(methods).map((each) => each.operationId))
    expect(names).toEqual([...new Set(names)])
    expect(names).toEqual(names.map(() => expect.stringMatching(/^(get|post|delete)[A-Za-z0-9]+$/)))
    expect(paths['/api/v1/tasks/{name}/$submit-many']?.post?.operationId).toBe('postTasksByNameSubmitMany')
    expect(paths['/api/v1/jobs/{id}']?.delete?.operationId).toBe('deleteJobsById')
  })

  it('has no reference that leads nowhere', async () => {
    const { get } = await serving()
    const { body } = await get('/openapi.json')
    const { schemas: components } = (body as { components: { schemas: Record<string, unknown> } }).components
    const references = [...JSON.stringify(body).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference)
    expect(new Set(references).size).toBeGreaterThan(5)
    for (const reference of references) {
      expect(components).toHaveProperty([String(reference).replace('#/components/schemas/', '')])
    }
  })

  it.each(
    ROUTES.flatMap(({ method, path, query, body }) => [
      ...(query ? [[`the query of ${method} ${path}`, query] as const] : []),
      ...(body ? [[`the body of ${method} ${path}`, body] as const] : []),
    ]),
  )('takes nothing that it does not know: a misspelt name is refused in %s', (_where, schema) => {
    const { error } = schema.safeParse({ nonesuch: 'x' })
    expect(error?.issues).toContainEqual(
      expect.objectContaining({ message: expect.stringMatching(/nonesuch|is not a filter/) }),
    )
  })

  it.each([
    ['GET', '/api/v1/schedules?limit=2'],
    ['GET', '/api/v1/locks?nonesuch=x'],
    ['GET', '/api/v1/tasks/greet?nonesuch=x'],
    ['POST', '/api/v1/tasks/greet/$pause?nonesuch=x'],
  ] as const)('nor does a route that takes no query: %s %s', async (method, url) => {
    const { app, refusal } = await serving()
    const problem = await refusal(method, url)
    expect(problem).toMatchObject({ status: 422 })
    expect(codeOf(problem)).toBe('invalid-input')
    expect(app.paused).toEqual(new Set())
  })

  it('but a probe of the health may add what it likes', async () => {
    const { get } = await serving()
    expect((await get('/health?now=1')).status).toBe(200)
  })

  it('is told to WebSocket clients that come without one', async () => {
    const { refusal } = await serving()
    expect(codeOf(await refusal('GET', '/api/v1/live'))).toBe('upgrade-required')
  })
})
