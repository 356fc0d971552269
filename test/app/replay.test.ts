import { expect, test } from 'vitest'
import { z } from 'zod'
import { type App, type PartsBy, replayLog } from '../../src/app/index.ts'
import type { RecordedEvent } from '../../src/events/index.ts'
import type { TestApp } from '../../src/testing/index.ts'
import { declared, running } from '../execution/app.ts'

const mail = z.object({ to: z.string() })
const declare = (app: App): void => {
  app.task('mail', { input: mail }, () => {})
  app.task('broken', { retries: 1, onFailure: () => {} }, () => {
    throw new Error('always')
  })
  app.schedule('nightly', '0 3 * * *', () => {})
  app.message((session, { text }) => session.reply(text))
}

/** Of each kind something that has ended, and of the task with an input something that waits. */
async function recorded(): Promise<{ t: TestApp; waiting: string }> {
  const t = await running(declare)
  await t.client.submit('mail', { to: 'ended' })
  await t.client.submit('broken')
  await t.advance('1h')
  await t.client.say('s1', 'Hello')
  await t.running.triggerSchedule('nightly', { ownerId: 'local', by: 'user:local' })
  const waiting = await t.client.submit('mail', { to: 'anybody' }, { delay: '1d' })
  await t.settle()
  return { t, waiting }
}

async function replayed(t: TestApp, app: App, events?: readonly RecordedEvent[]) {
  const all = events ?? (await t.events())
  const pages = async function* () {
    for (let from = 0; from < all.length; from += 7) yield all.slice(from, from + 7)
  }
  const readStream = (stream: string) => t.events(stream.slice(stream.indexOf('.') + 1))
  return replayLog(app, { pages: pages(), readStream })
}

async function partingsUnder(declareNext: (app: App) => void): Promise<readonly [string, PartsBy][]> {
  const { t } = await recorded()
  const { partings } = await replayed(t, declared(declareNext))
  return partings.map(({ stream, by }) => [stream.split('-')[0] ?? '', by])
}

// A promise: see docs/promises.md.
test('a log fits the code that wrote it, and what is open is counted', async () => {
  const { t } = await recorded()
  const events = await t.events()
  const streams = new Set(events.map(({ stream }) => stream)).size
  expect(await replayed(t, declared(declare))).toEqual({ events: events.length, streams, open: 1, partings: [] })
})

// A promise: see docs/promises.md.
test('what waits, and is refused by the schema that is to be deployed, is named with the field', async () => {
  const { t, waiting } = await recorded()
  const app = declared((next) => {
    declare(next)
    next.task('later', () => {})
  })
  const strict = declared((next) => next.task('mail', { input: mail.extend({ to: z.email() }) }, () => {}))
  expect((await replayed(t, app)).partings).toEqual([])
  expect((await replayed(t, strict)).partings).toEqual([
    { stream: `demo.task-${waiting}`, revision: 0n, by: 'input', why: expect.stringContaining('to: Invalid email') },
  ])
})

// A promise: see docs/promises.md.
test('what waits for a task that the app has no more is named; what has ended is not', async () => {
  expect(await partingsUnder(() => {})).toEqual([['demo.task', 'no-handler']])
})

test('what was cancelled waits no more, and what runs again does', async () => {
  const { t, waiting } = await recorded()
  await t.client.cancel(waiting)
  expect(
    await replayed(
      t,
      declared(() => {}),
    ),
  ).toMatchObject({ open: 0, partings: [] })
  await t.client.retry(waiting)
  // It runs at once, and has ended with the requeued run: before, it was open.
  const events = await t.events()
  const requeued = events.findIndex(({ type }) => type === 'TaskRequeued')
  expect(
    await replayed(
      t,
      declared(() => {}),
      events.slice(0, requeued + 1),
    ),
  ).toMatchObject({
    open: 1,
    partings: [{ by: 'no-handler', revision: 2n }],
  })
})

test('tasks of schedules and of failures have the handlers that they come with', async () => {
  const { t } = await recorded()
  const events = await t.events()
  const started = events.filter(
    ({ type, data }) => type === 'TaskSubmitted' && /^schedule:|on_failure$/.test(`${data.name}`),
  )
  expect(started).toHaveLength(2)
  const before = events.slice(0, events.indexOf(started.at(-1) as RecordedEvent) + 1)
  expect((await replayed(t, declared(declare), before)).partings).toEqual([])
})

test('a message that nobody would answer is named until it is answered', async () => {
  const { t } = await recorded()
  const events = await t.events()
  const received = events.findIndex(({ type }) => type === 'MessageReceived')
  const silent = declared((app) => app.task('mail', { input: mail }, () => {}))
  expect((await replayed(t, silent, events.slice(0, received + 1))).partings).toMatchObject([
    { stream: 'demo.session-s1', by: 'no-handler' },
  ])
  expect((await replayed(t, silent)).partings).toEqual([])
})

// A promise: see docs/promises.md.
test('an event that does not follow from those before it parts its stream, and no other', async () => {
  const { t, waiting } = await recorded()
  const events = await t.events()
  const twice = events.map((event) =>
    event.stream === `demo.task-${waiting}` ? { ...event, type: 'TaskCompleted' } : event,
  )
  const newer = twice.map((event) => (event.type === 'Replied' ? { ...event, type: 'Sung' } : event))
  expect((await replayed(t, declared(declare), newer)).partings).toMatchObject([
    { stream: 'demo.session-s1', by: 'newer' },
    { stream: `demo.task-${waiting}`, by: 'corrupt', revision: 0n },
  ])
})
