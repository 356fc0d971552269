/** A process that dies around a callback: its receiver hears of the run all the same, and can tell a repeat from news. */
import { describe, expect, it, vi } from 'vitest'
import { startApp } from '../../src/app/index.ts'
import type { Job } from '../../src/http/wire.ts'
import { type Received, receiver } from '../execution/receiver.ts'
import { app } from './apps/work.ts'
import { count, type History, readHistory, settled, violations } from './history.ts'
import { eventually, type ServeOptions, saysBusy, serve, start, temporaryDirectory } from './server.ts'

vi.setConfig({ testTimeout: 120_000 })

async function calling(fault?: string): Promise<ServeOptions> {
  const env = { CAPSULE_ALLOW_PRIVATE_CALLBACKS: '1', ...(fault === undefined ? {} : { CAPSULE_FAULT: fault }) }
  return { app: 'test/crash/apps/work.ts', data: await temporaryDirectory(), env }
}

const submission = (url: string) => ({ params: { n: 7 }, callback_url: url })
const SUBMIT = '/api/v1/tasks/plain/$submit'

/** The app's next start, without the fault, until it has recorded that the receiver was told. */
async function recovered({ data }: ServeOptions): Promise<History> {
  const complaints: string[] = []
  const report = (error: unknown): unknown => complaints.push(String(error))
  const engine = await startApp(app, { data, allowPrivateCallbacks: true, report })
  await eventually('the record of the callback', async () => {
    const { events } = await readHistory(data)
    return count(events, ['CallbackDelivered']) > 0 || undefined
  })
  const history = await settled(data)
  expect(violations(history)).toEqual([])
  expect(count(history.events, ['CallbackDelivered', 'CallbackFailed'])).toBe(1)
  await engine.stop()
  expect(complaints.filter((line) => !saysBusy(line))).toEqual([])
  return history
}

/** What the receiver was told each time: the same run, under the same event. */
function tellings(received: readonly Received[], history: History): readonly string[] {
  const ended = history.events.find(({ type }) => type === 'TaskCompleted')
  expect(new Set(received.map(({ headers }) => headers['x-capsule-event']))).toEqual(new Set([ended?.id]))
  return received.map(({ job }) => `${job.status} ${JSON.stringify(job.result)}`)
}

describe('a process that dies', () => {
  it('before the POST: the next one tells the receiver', async () => {
    const hook = await receiver()
    const options = await calling('store:after-append:TaskCompleted:1')
    const doomed = start(options)
    // The answer to the submit may come or not.
    await (await doomed.ready).ask('POST', SUBMIT, submission(hook.url)).catch(() => {})
    expect(await doomed.exited).toEqual({ code: null, signal: 'SIGKILL' })
    expect(hook.received).toEqual([])
    const history = await recovered(options)
    expect(tellings(hook.received, history)).toEqual(['completed {"n":7}'])
  })

  it('between the POST and its record: the next one tells it again, as the same event', async () => {
    const hook = await receiver()
    const options = await calling('store:before-append:CallbackDelivered:1')
    const doomed = start(options)
    await (await doomed.ready).ask('POST', SUBMIT, submission(hook.url)).catch(() => {})
    expect(await doomed.exited).toEqual({ code: null, signal: 'SIGKILL' })
    expect(hook.received).toHaveLength(1)
    const history = await recovered(options)
    expect(tellings(hook.received, history)).toEqual(['completed {"n":7}', 'completed {"n":7}'])
  })

  it('while the receiver thinks: the next one tells it again, as the same event', async () => {
    const hook = await receiver()
    hook.answers.push('never')
    const options = await calling()
    const server = await serve(options)
    expect((await server.ask<Job>('POST', SUBMIT, submission(hook.url))).status).toBe(202)
    await eventually('the POST', () => hook.received.length === 1 || undefined)
    await server.kill()
    const history = await recovered(options)
    expect(tellings(hook.received, history)).toEqual(['completed {"n":7}', 'completed {"n":7}'])
  })
})
