/**
 * An app's writer stops right before an append, and its process is killed; in the next life it stops right after that
 * append. From the stop on nothing is recorded, answered or made known, as if the process were gone already: so apps may
 * share one, each with a boundary of its own, and are killed together once all have stopped. The third life puts right
 * what was left between two streams, the clients repeat what they got no answer for, and then the log, the locks and the
 * board are as if nothing had happened.
 */
import { describe, expect, it, vi } from 'vitest'
import type { Job, JobStatus, Session, TranscriptItem } from '../../src/http/wire.ts'
import { boardDifferences } from './board.ts'
import { count, halves, readHistory, settled, violations } from './history.ts'
import { doomed, hosted } from './hosted.ts'
import { type Answering, ConnectionLost, eventually, serve, start, temporaryDirectory } from './server.ts'

// Those of a group go through their lives together. There may be only two processors.
vi.setConfig({ testTimeout: 300_000, maxConcurrency: 20 })

/** Every command has a key, so that the same script can be said again to the next process. */
class Client {
  /** 1 for the first process. */
  readonly life: number
  readonly #server: Answering
  readonly #acknowledged: Map<string, string>

  constructor(server: Answering, acknowledged: Map<string, string>, life: number) {
    this.#server = server
    this.#acknowledged = acknowledged
    this.life = life
  }

  async submit(task: string, params: object = {}, more: object = {}): Promise<string> {
    const key = `${task} ${JSON.stringify(params)}`
    const { id } = await this.command<Job>(`/api/v1/tasks/${task}/$submit`, key, { params, ...more })
    return this.#same(key, id)
  }

  async cancel(id: string): Promise<void> {
    await this.command(`/api/v1/jobs/${id}/$cancel`, `cancel ${id}`)
  }

  async retry(id: string): Promise<void> {
    await this.command(`/api/v1/jobs/${id}/$retry`, `retry ${id}`)
  }

  async trigger(schedule: string): Promise<void> {
    const path = `/api/v1/schedules/${schedule}/$trigger`
    this.#same(path, (await this.command<{ job_id: string }>(path, 'trigger')).job_id)
  }

  async command<T>(path: string, key: string, body?: object): Promise<T> {
    const { status, body: answer } = await this.#server.ask<T>('POST', path, body, { 'idempotency-key': key })
    expect(status, `${path}: ${JSON.stringify(answer)}`).toBeLessThan(300)
    return answer
  }

  async until(id: string, status: JobStatus): Promise<void> {
    await eventually(`job ${id} to be ${status}`, async () => {
      const { body } = await this.#server.ask<Job>('GET', `/api/v1/jobs/${id}`)
      return body.status === status || undefined
    })
  }

  /** Waits until the job waits for its lock, or has done so. */
  async untilInLine(id: string): Promise<void> {
    await eventually(`job ${id} to wait for its lock`, async () => {
      const { body } = await this.#server.ask<Job>('GET', `/api/v1/jobs/${id}`)
      return body.waiting_for?.startsWith('lock ') || body.status === 'completed' || undefined
    })
  }

  /** What was acknowledged as one job stays that job. */
  #same(key: string, id: string): string {
    expect(id, `${key} again`).toBe(this.#acknowledged.get(key) ?? id)
    expect(id).not.toBe('')
    this.#acknowledged.set(key, id)
    return id
  }
}

interface Boundary {
  readonly what: string
  /** The append that is hit contains this event; the n-th of them. */
  readonly event: string
  readonly nth?: number
  /** The second process dies after this one. Default: the same. */
  readonly after?: string
  /** What the clients do: until the process dies, and again from the start with the next one. */
  readonly script: (client: Client) => Promise<void>
  /** How the jobs end, by task name; more than one where the crash may decide it. */
  readonly ends?: Readonly<Record<string, readonly JobStatus[]>>
}

const COMPLETED = ['completed'] as const
/** One was cancelled so that the other could run. */
const WON = ['completed', 'cancelled'] as const
const MINUTE = 60_000

// Holders hold until they are cancelled: however slow the machine is, the others meet them.
const queueUp = async (client: Client) => {
  const first = await client.submit('queue', { key: 'k', ms: MINUTE })
  const second = await client.submit('queue', { key: 'k', n: 2 })
  await client.cancel(first)
  await client.until(second, 'completed')
}
const joinTwice = async (client: Client) => {
  const first = await client.submit('join', { key: 'k', ms: MINUTE })
  expect(await client.submit('join', { key: 'k', n: 2 })).toBe(first)
  await client.cancel(first)
  await client.until(first, 'cancelled')
}
const replace = async (client: Client) => {
  const first = await client.submit('replace', { key: 'k', ms: MINUTE })
  const second = await client.submit('replace', { key: 'k', n: 2 })
  await client.until(second, 'completed')
  await client.until(first, 'cancelled')
}
const wait = async (client: Client) => client.until(await client.submit('plain', { ms: 30 }), 'completed')
const waitFlaky = async (client: Client) => client.until(await client.submit('flaky'), 'completed')
const waitBroken = async (client: Client) => client.until(await client.submit('broken'), 'failed')
const timeOut = async (client: Client) => client.until(await client.submit('late', { ms: MINUTE }), 'timeout')
const cancelDelayed = async (client: Client) => client.cancel(await client.submit('plain', {}, { delay: '1h' }))
const cancelRunning = async (client: Client) => {
  const job = await client.submit('plain', { ms: MINUTE })
  await client.cancel(job)
  await client.until(job, 'cancelled')
}
const retry = async (client: Client) => {
  const job = await client.submit('broken')
  if (client.life === 1) await client.until(job, 'failed')
  await client.retry(job)
}
const retryLocked = async (client: Client) => {
  const job = await client.submit('brittle', { key: 'k' })
  if (client.life === 1) await client.until(job, 'failed')
  await client.retry(job)
}
const delayed = async (client: Client) => {
  await client.until(await client.submit('plain', {}, { delay: '100ms' }), 'completed')
}
const delayedLocked = async (client: Client) => {
  await client.until(await client.submit('queue', { key: 'k' }, { delay: '100ms' }), 'completed')
}
const delayedBehind = async (client: Client) => {
  const holder = await client.submit('queue', { key: 'k', ms: MINUTE })
  const waiter = await client.submit('queue', { key: 'k', n: 2 }, { delay: '100ms' })
  await client.untilInLine(waiter)
  await client.cancel(holder)
  await client.until(waiter, 'completed')
}
const trigger = (client: Client) => client.trigger('yearly')
/** A turn that was cut off is not begun again by itself: whoever wants an answer asks again. */
const talk = async (client: Client) => {
  const { id } = await client.command<{ id: string }>('/api/v1/sessions', 'talk')
  await client.command(`/api/v1/sessions/${id}/messages`, `hello-${client.life}`, { text: `Hello ${client.life}` })
}

const ofTasks: readonly Boundary[] = [
  { what: 'a submit', event: 'TaskSubmitted', script: wait, ends: { plain: COMPLETED } },
  { what: 'a completion', event: 'TaskCompleted', script: wait, ends: { plain: COMPLETED } },
  {
    what: 'an interruption',
    event: 'TaskCompleted',
    after: 'TaskInterrupted',
    script: wait,
    ends: { plain: COMPLETED },
  },
  { what: 'a delayed submit', event: 'TaskScheduled', script: delayed, ends: { plain: COMPLETED } },
  { what: 'the start of a delayed task', event: 'TaskStarted', script: delayed, ends: { plain: COMPLETED } },
  { what: 'a failure with a retry left', event: 'TaskRetryScheduled', script: waitFlaky, ends: { flaky: COMPLETED } },
  { what: 'the start of a retry', event: 'TaskStarted', nth: 2, script: waitFlaky, ends: { flaky: COMPLETED } },
  { what: 'the last failure', event: 'TaskFailed', script: waitBroken, ends: { broken: ['failed'] } },
  { what: 'a timeout', event: 'TaskTimedOut', script: timeOut, ends: { late: ['timeout'] } },
  { what: 'the cancel of a waiter', event: 'TaskCancelled', script: cancelDelayed, ends: { plain: ['cancelled'] } },
  { what: 'asking a run to stop', event: 'TaskCancelRequested', script: cancelRunning, ends: { plain: ['cancelled'] } },
  { what: 'the end of a cancelled run', event: 'TaskCancelled', script: cancelRunning, ends: { plain: ['cancelled'] } },
  { what: 'a requeue', event: 'TaskRequeued', script: retry, ends: { broken: ['failed'] } },
]

const ofLocks: readonly Boundary[] = [
  { what: 'a lock acquired', event: 'LockAcquired', script: queueUp, ends: { queue: WON } },
  { what: 'the submit after a lock', event: 'TaskSubmitted', script: queueUp, ends: { queue: WON } },
  { what: 'a lock queued for', event: 'LockQueued', script: queueUp, ends: { queue: WON } },
  { what: 'the submit of a waiter', event: 'TaskSubmitted', nth: 2, script: queueUp, ends: { queue: WON } },
  { what: 'a hand-over', event: 'LockTakenOver', script: queueUp, ends: { queue: WON } },
  { what: 'the start after a hand-over', event: 'TaskStarted', nth: 2, script: queueUp, ends: { queue: WON } },
  { what: 'a release', event: 'LockReleased', nth: 2, script: queueUp, ends: { queue: WON } },
  { what: 'a join', event: 'LockJoined', script: joinTwice, ends: { join: ['cancelled'] } },
  { what: 'a replacement', event: 'LockQueued', script: replace, ends: { replace: WON } },
  {
    what: 'the cancel of the replaced',
    event: 'TaskCancelRequested',
    // By then nothing runs that would have to be asked.
    after: 'TaskCancelled',
    script: replace,
    ends: { replace: WON },
  },
  { what: 'a lock acquired when due', event: 'LockAcquired', script: delayedLocked, ends: { queue: COMPLETED } },
  { what: 'a lock queued for when due', event: 'LockQueued', script: delayedBehind, ends: { queue: WON } },
  { what: 'a lock to requeue with', event: 'LockAcquired', nth: 2, script: retryLocked, ends: { brittle: ['failed'] } },
  { what: 'a requeue after its lock', event: 'TaskRequeued', script: retryLocked, ends: { brittle: ['failed'] } },
]

const ofSchedulesAndConversations: readonly Boundary[] = [
  { what: 'an occurrence', event: 'OccurrenceDue', script: trigger, ends: { 'schedule:yearly': COMPLETED } },
  { what: "an occurrence's task", event: 'TaskSubmitted', script: trigger, ends: { 'schedule:yearly': COMPLETED } },
  { what: "an occurrence's end", event: 'OccurrenceFinished', script: trigger, ends: { 'schedule:yearly': COMPLETED } },

  { what: 'a message', event: 'MessageReceived', script: talk },
  { what: "a turn's start", event: 'TurnStarted', script: talk },
  { what: 'a reply', event: 'Replied', script: talk },
  { what: "a turn's end", event: 'TurnCompleted', script: talk },
  { what: "a turn's interruption", event: 'Replied', after: 'TurnInterrupted', script: talk },
]

describe.for([
  ['tasks', ofTasks],
  ['locks', ofLocks],
  ['schedules and conversations', ofSchedulesAndConversations],
] as const)('crashes before and after: %s', ([, boundaries]) => {
  it.concurrent.for(boundaries)('$what ($event)', async ({ event, nth = 1, after = event, script, ends = {} }) => {
    const app = 'test/crash/apps/work.ts'
    const data = await temporaryDirectory()
    const acknowledged = new Map<string, string>()

    for (const [index, fault] of [`before-append:${event}:${nth}`, `after-append:${after}:1`].entries()) {
      const { ready, held, exited } = doomed(app, data, fault)
      // The second may stop while it puts right what the first left.
      await cutOff(ready.then((server) => script(new Client(server, acknowledged, index + 1))))
      await within(held, `the writer to stop ${fault}`)
      expect(await exited).toEqual({ code: null, signal: 'SIGKILL' })
      const recorded = count((await readHistory(data)).events, [index === 0 ? event : after])
      if (index === 0) expect(recorded, fault).toBe(nth - 1)
      else expect(recorded, fault).toBeGreaterThan(0)
    }

    const server = await hosted(app, data)
    expect(halves(await readHistory(data))).toEqual([])
    await script(new Client(server, acknowledged, 3))
    const history = await settled(data)
    expect(violations(history)).toEqual([])
    expect(await boardDifferences(server, history)).toEqual([])
    for (const job of history.jobs.values()) expect(ends[job.name], job.name).toContain(job.status)
    for (const id of acknowledged.values()) expect(history.jobs.has(id), `${id} was acknowledged`).toBe(true)
    if (script === talk) await checkConversation(server)
    expect(await server.stop()).toEqual([])
  })
})

it('a cron that is due every second decides each of them once, over two crashes', async () => {
  const options = { app: 'test/crash/apps/ticking.ts', data: await temporaryDirectory() }
  for (const fault of ['before-append:OccurrenceDue:2', 'after-append:OccurrenceDue:1']) {
    const doomed = start({ ...options, env: { CAPSULE_FAULT: `store:${fault}` } })
    expect(await within(doomed.exited, `the process to die ${fault}`)).toMatchObject({ signal: 'SIGKILL' })
  }
  const server = await serve(options)
  const finished = async () => count((await readHistory(options.data)).events, ['OccurrenceFinished'])
  await eventually('a few more', async () => (await finished()) >= 4 || undefined)
  // Between two of them, when nothing is open.
  const history = await settled(options.data)
  await server.kill()

  expect(violations(history)).toEqual([])
  const due = history.events
    .filter(({ type }) => type === 'OccurrenceDue')
    .map(({ data }) => Date.parse(String(data.due)))
  const [first = 0] = due
  expect(due).toEqual(due.map((_, index) => first + index * 1000))
})

/** A script whose process died: only a missing answer is expected. */
async function cutOff(script: Promise<void>): Promise<void> {
  try {
    await script
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error
  }
}

function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let found: { readonly value: T } | undefined
  promise.then(
    (value) => {
      found = { value }
    },
    () => {},
  )
  return eventually(what, () => found).then(({ value }) => value)
}

/** The turn that was cut off is shown as such, once; what was said later is answered, once. */
async function checkConversation(server: Answering): Promise<void> {
  const sessions = (await server.ask<Session[]>('GET', '/api/v1/sessions')).body
  expect(sessions).toHaveLength(1)
  const { body } = await server.ask<TranscriptItem[]>('GET', `/api/v1/sessions/${sessions[0]?.id}/messages`)
  const messages = body.filter((item) => item.kind === 'message')
  expect(messages.map(({ text }) => text)).toEqual([...new Set(messages.map(({ text }) => text))])
  for (const { state } of messages) expect(['answered', 'interrupted']).toContain(state)
  expect(messages.at(-1)).toMatchObject({ text: 'Hello 3', state: 'answered' })
  const replies = body.filter((item) => item.kind === 'reply').map(({ text }) => text)
  expect(replies).toEqual([...new Set(replies)])
  for (const { text, state } of messages) if (state === 'answered') expect(replies).toContain(`You said ${text}`)
}
