import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { LockHeldError } from '../../src/actors/index.ts'
import * as schemas from '../../src/http/schemas/index.ts'
import { taskInfo } from '../../src/http/task-info.ts'
import { task } from './fake-app.ts'
import { codeOf, serving } from './serving.ts'

describe('the declared tasks', () => {
  it('are listed by name with what they take', async () => {
    const { get } = await serving()
    const { status, body } = await get('/api/v1/tasks')
    expect(status).toBe(200)
    const tasks = z.array(schemas.taskInfo).parse(body)
    expect(tasks.map(({ name }) => name)).toEqual(['add', 'greet'])
    expect(tasks[1]).toMatchObject({
      docstring: 'Says hello.',
      signature: "(name: string = 'World')",
      parameters: [{ name: 'name', annotation: 'string', default: "'World'", required: false }],
      tags: ['demo', 'simple'],
      schema: { type: 'object', properties: { name: { type: 'string', default: 'World' } } },
    })
  })

  it.each([
    ['tags=demo', ['add', 'greet']],
    ['tags=demo&tags=math', ['add']],
    ['tags=demo,simple', ['greet']],
    ['tags=math,simple', []],
  ])('are only those with all tags for ?%s', async (query, names) => {
    const { get } = await serving()
    const { body } = await get(`/api/v1/tasks?${query}`)
    expect(body).toMatchObject(names.map((name) => ({ name })))
    expect(body).toHaveLength(names.length)
  })

  it('are found by name, or refused with the names there are', async () => {
    const { get, refusal } = await serving()
    expect(await get('/api/v1/tasks/add')).toMatchObject({ status: 200, body: { signature: '(a: number, b: number)' } })
    const problem = await refusal('GET', '/api/v1/tasks/nope')
    expect(problem).toMatchObject({
      status: 404,
      type: 'urn:capsule:error:unknown-task',
      instance: '/api/v1/tasks/nope',
    })
    expect(problem.detail).toContain('add, greet')
  })

  it('describe inputs of many types', () => {
    const input = z.object({
      mode: z.enum(['fast', 'slow']).default('fast'),
      ids: z.array(z.string()),
      mixed: z.array(z.union([z.string(), z.number()])).optional(),
      note: z.string().nullable().default(null),
      quoted: z.string().default("it's"),
      when: z.date().optional(),
    })
    const info = taskInfo(task('many', { input }))
    expect(info.signature).toBe(
      "(mode: 'fast' | 'slow' = 'fast', ids: string[], mixed?: (string | number)[], note: string | null = null, " +
        "quoted: string = 'it\\'s', when?)",
    )
    expect(info.parameters.filter(({ required }) => required).map(({ name }) => name)).toEqual(['ids'])
  })

  it('take anything when they declare no input', () => {
    expect(taskInfo(task('open'))).toMatchObject({ signature: '()', parameters: [], schema: { type: 'object' } })
  })
})

describe('$execute', () => {
  it.each([[undefined], [{}], [{ params: {} }]])('runs with the body %j', async (body) => {
    const { post } = await serving()
    const answer = await post('/api/v1/tasks/greet/$execute', body)
    expect(answer.status).toBe(200)
    expect(schemas.executeResult.parse(answer.body)).toEqual({
      task_name: 'greet',
      params: {},
      result: { message: 'Hello' },
      error: null,
      job_id: 'job-x',
    })
  })

  it('answers what the handler throws as the error of a 200', async () => {
    const { app, post } = await serving()
    app.executed = {
      taskId: 'job-x',
      params: {},
      outcome: {
        kind: 'error',
        error: { type: 'RangeError', message: 'too far', stack: 'RangeError: too far\n at f' },
      },
    }
    const answer = await post('/api/v1/tasks/greet/$execute', { params: { name: 'Alice' } })
    expect(answer).toMatchObject({
      status: 200,
      body: {
        params: { name: 'Alice' },
        result: null,
        error: { type: 'RangeError', message: 'too far', traceback: 'RangeError: too far\n at f' },
      },
    })
  })

  it('answers an input that does not fit as an error without a job', async () => {
    const { app, post } = await serving()
    app.executed = {
      taskId: undefined,
      params: {},
      outcome: { kind: 'error', error: { type: 'ValidationError', message: 'b is missing' } },
    }
    const answer = await post('/api/v1/tasks/add/$execute', { params: { a: 1 } })
    expect(answer).toMatchObject({
      status: 200,
      body: { job_id: null, error: { type: 'ValidationError', message: 'b is missing', traceback: '' } },
    })
    expect(answer.headers).not.toHaveProperty('x-position')
  })

  it('says where to look when Prefer: wait was not enough', async () => {
    const { app, post } = await serving()
    app.executed = { taskId: 'job-x', params: {}, outcome: { kind: 'pending' } }
    const answer = await post('/api/v1/tasks/greet/$execute', {}, { prefer: 'respond-async, wait=3' })
    expect(answer).toMatchObject({
      status: 202,
      headers: { location: '/api/v1/jobs/job-x', 'preference-applied': 'wait=3' },
      body: { result: null, error: null, job_id: 'job-x' },
    })
    expect(app.calls[0]?.args).toEqual(['greet', {}, 3000])
  })

  it.each([['text'], [[1]], [null], [3]])('refuses params that are %j', async (params) => {
    const { refusal } = await serving()
    const problem = await refusal('POST', '/api/v1/tasks/greet/$execute', { body: { params } })
    expect(problem).toMatchObject({ status: 422, errors: [{ path: 'params' }] })
  })

  it('knows only declared tasks', async () => {
    const { refusal } = await serving()
    expect(codeOf(await refusal('POST', '/api/v1/tasks/nope/$execute'))).toBe('unknown-task')
  })

  it('is found with an encoded dollar sign, too', async () => {
    const { post } = await serving()
    expect((await post('/api/v1/tasks/greet/%24execute')).status).toBe(200)
  })
})

describe('$submit', () => {
  it('answers 202 with the job, where it is, and the position that shows it', async () => {
    const { app, post } = await serving()
    const answer = await post('/api/v1/tasks/greet/$submit', { params: { name: 'Ann' }, priority: 3, delay: '10m' })
    expect(answer.status).toBe(202)
    expect(answer.headers).toMatchObject({ location: '/api/v1/jobs/job-1', 'x-position': '2' })
    expect(schemas.job.parse(answer.body)).toMatchObject({ id: 'job-1', params: { name: 'Ann' }, joined: false })
    expect(app.calls[0]).toEqual({
      command: 'submit',
      args: [{ name: 'greet', params: { name: 'Ann' }, delay: '10m', priority: 3 }],
      caller: { by: 'user:local', ownerId: 'local' },
    })
  })

  it('waits for reads that lag behind', async () => {
    const { app, post } = await serving()
    app.lagging = true
    expect(await post('/api/v1/tasks/greet/$submit')).toMatchObject({ status: 202, body: { id: 'job-1' } })
  })

  it('is the same job again for the same Idempotency-Key', async () => {
    const { app, post } = await serving()
    const headers = { 'idempotency-key': 'k1', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }
    const first = await post('/api/v1/tasks/greet/$submit', {}, headers)
    const second = await post('/api/v1/tasks/greet/$submit', {}, headers)
    expect(second.body).toEqual(first.body)
    expect(app.reads.jobsById.size).toBe(1)
    expect(app.calls[0]).toMatchObject({
      args: [{ idempotencyKey: 'k1' }],
      caller: { commandId: 'k1', traceparent: headers.traceparent },
    })
  })

  it('refuses an input that does not fit, and says where', async () => {
    const { refusal } = await serving()
    const problem = await refusal('POST', '/api/v1/tasks/add/$submit', { body: { params: { a: 1, b: 'two' } } })
    expect(problem).toMatchObject({ status: 422, errors: [{ path: 'b' }] })
  })

  it.each([
    [{ params: [] }, 'params'],
    [{ delay: -1 }, 'delay'],
    [{ run_at: 'tomorrow' }, 'run_at'],
    [{ run_at: '2026-02-31' }, 'run_at'],
    [{ delay: 1, run_at: '2026-01-05T09:00:00Z' }, 'run_at'],
    [{ priority: 1.5 }, 'priority'],
  ])('refuses %j', async (body, path) => {
    const { refusal } = await serving()
    expect(await refusal('POST', '/api/v1/tasks/greet/$submit', { body })).toMatchObject({
      status: 422,
      errors: [{ path }],
    })
  })

  it('refuses fields it does not know rather than ignoring them', async () => {
    const { refusal } = await serving()
    const problem = await refusal('POST', '/api/v1/tasks/greet/$submit', { body: { parms: {} } })
    expect(problem.detail).toContain('parms')
  })

  it('passes on what the app refuses', async () => {
    const { app, refusal } = await serving()
    app.failures.push(new LockHeldError('report:daily', 'job-7'))
    const problem = await refusal('POST', '/api/v1/tasks/greet/$submit', { body: {} })
    expect(problem).toMatchObject({ status: 409, type: 'urn:capsule:error:lock-held' })
    expect(problem.detail).toContain('job-7')
  })
})
