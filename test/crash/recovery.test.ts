/** What becomes of running work when its process is killed, stopped, or comes back with other code. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import type { HistoryEvent, Job } from '../../src/http/wire.ts'
import { settled, violations } from './history.ts'
import { hosted } from './hosted.ts'
import {
  type Answering,
  ConnectionLost,
  eventually,
  serve,
  start,
  submit,
  temporaryDirectory,
  until,
} from './server.ts'

vi.setConfig({ testTimeout: 120_000, maxConcurrency: 2 })

const WORK = 'test/crash/apps/work.ts'
/** The same app without the tasks that the log knows. */
const LESS = 'test/crash/apps/less.ts'
const LONG = { ms: 600_000 }

async function history(server: Answering, { id }: Job): Promise<HistoryEvent[]> {
  return (await server.ask<HistoryEvent[]>('GET', `/api/v1/jobs/${id}/$events`)).body
}

describe.concurrent('a killed process', () => {
  it('leaves its running tasks to the next, which runs them again at once and fails what must never run twice; they lose no retry', async () => {
    const data = await temporaryDirectory()
    const options = { app: WORK, data }
    const file = join(data, 'open')
    const first = await serve(options)
    const plain = await submit(first, 'plain', LONG)
    const stumbling = await submit(first, 'stumble', { file })
    const once = await submit(first, 'once', LONG)
    for (const job of [plain, stumbling, once]) await until(first, job, 'running')

    await first.kill()
    const second = await serve(options)
    // Ready means that what the dead process ran is known to be interrupted: no lease has to run out first.
    const types = async () => (await history(second, plain)).map(({ type }) => type)
    expect((await types()).slice(0, 3)).toEqual(['TaskSubmitted', 'TaskStarted', 'TaskInterrupted'])
    await eventually('the second start', async () => (await types())[3] === 'TaskStarted' || undefined)
    const { error, attempt } = await until(second, once, 'failed')
    expect(attempt).toBe(1)
    expect(error).toMatchObject({ type: 'TaskInterrupted', message: expect.stringContaining("onInterrupt is 'fail'") })

    await until(second, stumbling, 'running')
    // After a second crash each of them would run alone.
    await second.ask('POST', `/api/v1/jobs/${plain.id}/$cancel`, {})
    await until(second, plain, 'cancelled')
    await second.kill()
    const third = await hosted(WORK, data)
    await writeFile(file, '')
    // The one retry that it has is left for its own failure.
    expect(await until(third, stumbling, 'completed')).toMatchObject({ attempt: 4, retries: 1, failures: 1 })
    const interruptions = (await history(third, stumbling)).filter(({ type }) => type === 'TaskInterrupted')
    expect(interruptions.map((event) => event.data.cause)).toEqual(['crash', 'crash'])
    await third.stop()
  })
})

describe.concurrent('a deploy', () => {
  it('without the handler of a task leaves it waiting, and says so, until a deploy has it again', async () => {
    const data = await temporaryDirectory()
    const file = join(data, 'open')
    const before = await serve({ app: WORK, data })
    const running = await submit(before, 'gate', { file })
    await until(before, running, 'running')
    const delayed = (await before.ask<Job>('POST', '/api/v1/tasks/plain/$submit', { params: {}, delay: '5s' })).body
    await before.kill()

    const without = await serve({ app: LESS, data })
    expect(await until(without, running, 'retry')).toMatchObject({ waiting_for: 'handler gate' })
    await eventually('the delayed one to be due', async () => {
      const { body } = await without.ask<Job>('GET', `/api/v1/jobs/${delayed.id}`)
      return (body.status === 'scheduled' && body.waiting_for === 'handler plain') || undefined
    })
    // What the new code does know still runs.
    await until(without, await submit(without, 'unrelated', {}), 'completed')
    expect(await until(without, running, 'retry')).toMatchObject({ waiting_for: 'handler gate' })
    expect(await without.end('SIGTERM')).toMatchObject({ code: 0 })

    await writeFile(file, '')
    const after = await hosted(WORK, data)
    await until(after, running, 'completed')
    await until(after, delayed, 'completed')
    expect(violations(await settled(data))).toEqual([])
    await after.stop()
  })
})

describe.concurrent('a process asked to stop', () => {
  it('lets running work end, and exits with 0', async () => {
    const data = await temporaryDirectory()
    const file = join(data, 'open')
    const server = await serve({ app: WORK, data })
    const job = await submit(server, 'gate', { file })
    await until(server, job, 'running')
    const ended = server.end('SIGTERM')
    await eventually('the word that it stops', () => server.stderr.includes('stopping') || undefined)
    await writeFile(file, '')
    expect(await ended).toEqual({ code: 0, signal: null })
    const log = await settled(data)
    expect(log.jobs.get(job.id)).toMatchObject({ status: 'completed', attempt: 1 })
    expect(log.events.filter(({ type }) => type === 'NodeStopped').map((event) => event.data.clean)).toEqual([true])
  })

  it('interrupts what does not end in time and exits with 1; the next runs it again, and no crash is counted', async () => {
    const data = await temporaryDirectory()
    const server = await serve({ app: WORK, data })
    const job = await submit(server, 'plain', LONG)
    await until(server, job, 'running')
    // Whoever waits for the result must not hold up the end.
    const waiting = server.ask('POST', '/api/v1/tasks/plain/$execute', { params: LONG }).catch((error) => error)
    await eventually('its task to run', async () => {
      const { body } = await server.ask<Job[]>('GET', '/api/v1/jobs?status=running')
      return body.length === 2 || undefined
    })
    expect(await server.end('SIGTERM')).toEqual({ code: 1, signal: null })
    expect(await waiting).toBeInstanceOf(ConnectionLost)
    expect(server.stderr).toContain('some work was interrupted; it runs again at the next start')
    await expectDrained(data, job)
  })

  it('and asked again interrupts at once', async () => {
    const data = await temporaryDirectory()
    const server = await serve({ app: WORK, data })
    const job = await submit(server, 'plain', LONG)
    await until(server, job, 'running')
    const ended = server.end('SIGTERM')
    await eventually('the word that it stops', () => server.stderr.includes('stopping') || undefined)
    server.end('SIGTERM')
    expect(await ended).toEqual({ code: 1, signal: null })
    await expectDrained(data, job)
  })

  it.each([1, 2])('before it is ready gives its start up in time, asked %i times', async (times) => {
    const server = start({ app: 'test/crash/apps/endless.ts', data: await temporaryDirectory() })
    await eventually('its start', () => server.stderr().includes('loading') || undefined)
    const asked = performance.now()
    const ended = server.end('SIGTERM')
    await eventually('the word that it stops', () => server.stderr().includes('stopping') || undefined)
    if (times > 1) server.end('SIGINT')
    expect(await ended).toEqual({ code: 1, signal: null })
    expect(server.stderr()).toContain('stopped before it was ready')
    expect(performance.now() - asked).toBeLessThan(times > 1 ? 8_000 : 30_000)
  })
})

/** The next process runs the job again; that its process was stopped is not held against it. */
async function expectDrained(data: string, job: Job): Promise<void> {
  const next = await hosted(WORK, data)
  expect(await until(next, job, 'running')).toMatchObject({ attempt: 2, failures: 0 })
  const interruptions = (await history(next, job)).filter(({ type }) => type === 'TaskInterrupted')
  expect(interruptions.map((event) => event.data.cause)).toEqual(['drain'])
  await next.stop()
}
