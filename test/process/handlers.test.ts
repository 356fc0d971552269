/** A handler in its own process: its session, its tasks, its errors, what it prints, and when its process is used again. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createApp, startApp } from '../../src/index.ts'
import * as apart from './apps/apart.ts'
import { eventsOf, eventually, running, scratch, typesOf } from './running.ts'

const USER = { by: 'user:ada', ownerId: 'ada' } as const

/** Processes at the same time, as the pool has it. */
const MOST = Math.max(4, 2 * availableParallelism())

const app = running(apart.app)

describe('a process task', { timeout: 30_000 }, () => {
  it('runs in a process of its own, which a later one uses again', async () => {
    const pids: number[] = []
    for (let run = 0; run <= MOST; run++) {
      const { pid, parent } = await (await apart.whoAmI.submit({})).result()
      expect(parent).toBe(process.pid)
      pids.push(pid)
    }
    expect(pids).not.toContain(process.pid)
    expect(new Set(pids).size).toBeLessThan(pids.length)
  })

  it('waits for a process when there are enough of them', async () => {
    const handles = await Promise.all(Array.from({ length: 3 * MOST }, () => apart.whoAmI.submit({})))
    const pids = await Promise.all(handles.map(async (handle) => (await handle.result()).pid))
    expect(new Set(pids).size).toBeLessThanOrEqual(MOST)
  })

  // A promise: see docs/promises.md.
  it('says and asks in its session all that a handler can', async () => {
    const engine = app()
    const { sessionId } = await engine.createSession(USER, { id: 'talk' })
    const { taskId } = await engine.submit({ name: 'talkative', params: {}, sessionId }, USER)
    const result = await apart.talkative.handle(taskId).result({ timeout: '20s' })
    expect(result).toEqual({
      helped: { helped: taskId },
      status: 'completed',
      own: true,
      found: 1,
      count: 1,
      data: { count: 1 },
      get: 1,
      said: ['hello', 'one two'],
      current: true,
    })
    const transcript = await engine.reads.transcript('talk')
    expect(transcript?.session.title).toBe('A talk')
    expect(transcript?.items.map(({ kind }) => kind)).toEqual(['notice', 'reply', 'reply', 'block', 'block', 'task'])
  })

  it('knows whose it is without a conversation', async () => {
    const engine = app()
    const { taskId } = await engine.submit({ name: 'talkative', params: {} }, USER)
    expect(await apart.talkative.handle(taskId).result()).toEqual({ session: null, current: 'ada' })
  })

  it('has said what it wrote to a streamed reply and did not wait for', async () => {
    const engine = app()
    const { sessionId } = await engine.createSession(USER, { id: 'haste' })
    const { taskId } = await engine.submit({ name: 'hasty', params: {}, sessionId }, USER)
    await apart.hasty.handle(taskId).result()
    await engine.reads.waitFor(engine.acknowledged('session', sessionId))
    const transcript = await engine.reads.transcript(sessionId)
    expect(transcript?.items).toMatchObject([{ kind: 'reply', text: 'one two' }])
  })

  it('hands over data as JSON writes it, as a handler does that runs in the app', async () => {
    const engine = app()
    const { sessionId } = await engine.createSession(USER, { id: 'payment' })
    const { taskId } = await engine.submit({ name: 'paying', params: {}, sessionId }, USER)
    expect(await apart.paying.handle(taskId).result()).toEqual({
      data: '1.5 EUR',
      one: { helped: '1.5 EUR' },
      many: { helped: '1.5 EUR' },
    })
    const logged = (await eventsOf(engine, taskId)).find(({ type }) => type === 'TaskLogged')
    expect(logged?.data.data).toEqual({ price: '1.5 EUR' })
    const transcript = await engine.reads.transcript(sessionId)
    expect(transcript?.items).toMatchObject([{ kind: 'block', block: { text: '1.5 EUR' } }])
  })

  it('fails with the error that it threw: class, message, stack, cause; its own classes decide on retries', async () => {
    const engine = app()
    const failing = async (how: string) => {
      const handle = await apart.throws.submit({ how })
      await handle.result().catch(() => {})
      const events = await eventsOf(engine, handle.taskId)
      const attempts = events.filter(({ type }) => type === 'TaskStarted').length
      return { attempts, error: events.at(-1)?.data.error }
    }
    expect(await failing('known')).toMatchObject({
      attempts: 3,
      error: {
        type: 'NoSuchCustomer',
        message: 'no customer 7',
        stack: expect.stringContaining('apart.ts'),
        cause: { type: 'TypeError', message: 'not a number' },
      },
    })
    expect(await failing('final')).toMatchObject({ attempts: 1, error: { type: 'NonRetryableError' } })
    expect(await failing('other')).toMatchObject({ attempts: 1, error: { type: 'Error', message: 'something else' } })
    expect(await failing('twice')).toMatchObject({ error: { type: 'IdempotencyConflict' } })
  })

  it.each([
    ['throw', { type: 'NonError', message: '{"reason":"jam"}' }],
    ['retryFor', { type: 'Error', message: 'the real reason', retryable: false }],
  ] as const)('fails with what it threw (%s), however odd that or its retryFor is', async (how, error) => {
    const engine = app()
    const handle = await apart.rude.submit({ how })
    await handle.result().catch(() => {})
    const events = await eventsOf(engine, handle.taskId)
    expect(events.at(-1)?.data.error).toMatchObject(error)
    const printed = events.filter(({ type, data }) => type === 'TaskLogged' && data.level === 'warn')
    expect(printed.length).toBe(how === 'retryFor' ? 1 : 0)
    if (how === 'retryFor') expect(printed[0]?.data.message).toContain('a mistake in retryFor')
  })

  it('refuses an input that the code it has does not take', async () => {
    const engine = app()
    await expect(engine.submit({ name: 'fragile', params: { ends: 'x' } }, USER)).rejects.toThrow('ends')
  })

  // A promise: see docs/promises.md.
  it('reports progress, logs, and has what it prints in its log, in order', async () => {
    const engine = app()
    const handle = await apart.progressing.submit({})
    await handle.result()
    const events = await eventsOf(engine, handle.taskId)
    const logged = events.filter(({ type }) => type === 'TaskLogged').map(({ data }) => [data.level, data.message])
    expect(logged).toContainEqual(['info', 'half way'])
    expect(logged).toContainEqual(['warn', 'printed to stderr'])
    const printed = logged.filter(([level, line]) => level === 'info' && line !== 'half way').map(([, line]) => line)
    expect(printed.join('\n')).toBe('printed to stdout\nline 0\nline 1\nline 2\nwithout an end')
    expect(events.filter(({ type }) => type === 'TaskProgressed').at(-1)?.data).toMatchObject({
      fraction: 1,
      message: 'step 1',
    })
  })

  it('shows what it said last before it waits', async () => {
    const file = join(await scratch(), 'open')
    const handle = await apart.waiting.submit({ file })
    const said = async () =>
      (await eventsOf(app(), handle.taskId)).some(({ data }) => data.message === 'waiting') || undefined
    await eventually('its progress', said)
    await writeFile(file, '')
    await handle.result()
  })

  it('that sends a message of its own disturbs nobody', async () => {
    expect(await (await apart.rude.submit({ how: 'message' })).result()).toBe('message')
  })

  it('whose last words make no sense has died all the same', async () => {
    const handle = await apart.rude.submit({ how: 'last words' })
    await handle.result().catch(() => {})
    expect((await eventsOf(app(), handle.taskId)).at(-1)?.data.error).toMatchObject({
      type: 'TaskInterrupted',
      message: expect.stringContaining('exit code 9'),
    })
  })

  it('keeps a bounded log, and counts what is beyond it', async () => {
    const engine = app()
    const handle = await apart.chatterbox.submit({})
    expect(await handle.result()).toBe('said')
    const logged = (await eventsOf(engine, handle.taskId)).filter(({ type }) => type === 'TaskLogged')
    expect(logged).toHaveLength(201)
    expect(logged.at(-1)?.data.message).toMatch(/^100 more lines were printed/)
  })

  it('that leaves a timer behind is the last one in its process', async () => {
    const first = await (await apart.untidy.submit({})).result()
    const { pid } = await (await apart.whoAmI.submit({})).result()
    expect(pid).not.toBe(first)
  })

  // A promise: see docs/promises.md.
  it('whose process died is interrupted and runs again; no retry is used up', async () => {
    const engine = app()
    const handle = await apart.fragile.submit({ ends: ['signal'] })
    expect(await handle.result()).toMatchObject({ attempt: 2 })
    expect(await typesOf(engine, handle.taskId)).toEqual([
      'TaskSubmitted',
      ...['TaskStarted', 'TaskLogged', 'TaskInterrupted'],
      ...['TaskStarted', 'TaskCompleted'],
    ])
    const interrupted = (await eventsOf(engine, handle.taskId)).find(({ type }) => type === 'TaskInterrupted')
    expect(interrupted?.data).toMatchObject({ cause: 'crash', detail: expect.stringContaining('ended by SIGKILL') })
  })

  it('that ends its process three times is poisoned, and says how each time', async () => {
    const engine = app()
    const handle = await apart.fragile.submit({ ends: ['exit', 'throw', 'exit'] })
    await handle.result().catch(() => {})
    const events = await eventsOf(engine, handle.taskId)
    expect(events.filter(({ type }) => type === 'TaskStarted')).toHaveLength(3)
    const said = (code: number) => expect.stringContaining(`exit code ${code}`)
    const interrupted = events.filter(({ type }) => type === 'TaskInterrupted')
    expect(interrupted.map(({ data }) => data.detail)).toEqual([said(7), said(1)])
    expect(events.at(-1)).toMatchObject({ type: 'TaskFailed', data: { error: { type: 'Poisoned', message: said(7) } } })
    const printed = events.filter(({ type, data }) => type === 'TaskLogged' && data.level === 'warn')
    expect(printed.map(({ data }) => data.message).join()).toContain('thrown where nobody catches')
  })
})

describe('an app with process tasks', () => {
  it('does not start if nobody says which file its processes import', async () => {
    const nowhere = createApp({ name: 'nowhere' })
    nowhere.task('crunch', { process: true }, async () => null)
    await expect(startApp(nowhere, { data: 'memory' })).rejects.toThrow(
      /"crunch" runs in a process of its own.*entry: import\.meta\.url/,
    )
  })

  it('may be started by text on the command line, and name its file by a path from where it runs', async () => {
    const file = relative(process.cwd(), join(import.meta.dirname, 'apps/apart.ts'))
    const program = `import { createApp, startApp } from 'capsule-actors'
      const app = createApp({ name: 'apart', entry: ${JSON.stringify(file)} })
      const task = app.task('who_am_i', { process: true }, async () => ({ parent: 0 }))
      const engine = await startApp(app, { data: 'memory' })
      console.log((await (await task.submit({})).result()).parent === process.pid)
      await engine.stop()`
    const started = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
    expect(started.stdout).toBe('true\n')
  })

  it('runs them in its own process where that is asked for', async () => {
    const here = createApp({ name: 'here' })
    const pid = here.task('pid', { process: true }, async () => process.pid)
    const engine = await startApp(here, { data: 'memory', processTasks: 'here' })
    expect(await (await pid.submit({})).result()).toBe(process.pid)
    await engine.stop()
  })

  it('says how to write a memory limit that makes no sense', () => {
    const limits = createApp({ name: 'limits' })
    const declare = (memory: string) => () => limits.task('t', { process: { memory } }, async () => null)
    expect(declare('a lot')).toThrow(/"a lot".*'256mb', '2gb'/)
    expect(declare('64mb')).toThrow('at least 128mb')
    expect(declare('1.5gb')).not.toThrow()
  })

  it('fails a task whose file cannot be loaded in a process, and says why', async () => {
    const elsewhere = createApp({ name: 'elsewhere', entry: new URL('./apps/broken.ts', import.meta.url).href })
    const task = elsewhere.task('task', { process: true }, async () => null)
    const engine = await startApp(elsewhere, { data: 'memory' })
    const handle = await task.submit({})
    await expect(handle.result()).rejects.toThrow(
      /could not load .*broken\.ts: TypeError: It exports no app of the name/,
    )
    await engine.stop()
  })
})
