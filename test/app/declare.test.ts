import { describe, expect, test } from 'vitest'
import { NotRunning } from '../../src/actors/index.ts'
import { createApp, startApp, ui } from '../../src/app/index.ts'
import { testApp } from '../../src/testing/index.ts'

const noop = () => {}
const app = () => createApp({ name: 'demo' })

describe('a declaration that cannot be is an error that says what to do', () => {
  test.each<[string, () => unknown, RegExp]>([
    ['an app name', () => createApp({ name: 'my app' }), /"my app" names its streams: use letters, digits, _ and -/],
    ['an app without a name', () => createApp({ name: '' }), /at most 60 characters/],
    [
      'a concurrency',
      () => createApp({ name: 'a', concurrency: 0 }),
      /concurrency is 0, it must be a whole number from 1/,
    ],
    ['a task name', () => app().task('build report', noop), /"build report" is not URL-safe/],
    [
      'retries',
      () => app().task('t', { retries: -1 }, noop),
      /task t: retries is -1, it must be a whole number from 0/,
    ],
    ['retries in parts', () => app().task('t', { retries: 1.5 }, noop), /retries is 1.5/],
    ['a priority', () => app().task('t', { priority: Number.NaN }, noop), /priority is NaN, it must be a whole number/],
    ['a timeout', () => app().task('t', { timeout: 'long' }, noop), /"long" is not a duration: timeout: write/],
    ['a backoff', () => app().task('t', { backoff: { max: 'x' } }, noop), /backoff.max: write seconds/],
    [
      'a backoff that grows by nothing known',
      () => app().task('t', { backoff: { factor: Number.NaN } }, noop),
      /backoff.factor is NaN/,
    ],
    ['a schedule name', () => app().schedule('a b', '@daily', noop), /"a b" is not URL-safe/],
    [
      'what a submit does while its lock is held',
      () => app().task('t', { lock: 'a', onLocked: 'wait' as 'queue' }, noop),
      /task t: onLocked is "wait". Use one of: join, queue, reject, replace/,
    ],
    [
      'what becomes of an interrupted task',
      () => app().task('t', { onInterrupt: 'never' as 'fail' }, noop),
      /task t: onInterrupt is "never". Use one of: retry, fail/,
    ],
    [
      'an input that is no schema',
      () => app().task('t', { input: { id: 'string' } as never }, noop),
      /task t: input is no zod schema/,
    ],
    // The log would keep it, and no later start could read what it kept.
    [
      'an overlap',
      () => app().schedule('s', '@daily', { overlap: 'wait' as 'queue' }, noop),
      /schedule s: overlap is "wait". Use one of: skip, queue, parallel/,
    ],
    [
      'what is missed',
      () => app().schedule('s', '@daily', { missed: 'none' as 'skip' }, noop),
      /schedule s: missed is "none". Use one of: skip, latest, all/,
    ],
    // Node runs types unchecked: it would be left undone, and nobody told.
    [
      'an option of an app',
      () => createApp({ name: 'a', concurency: 2 } as { name: string }),
      /app a: there is no option "concurency". Use name, concurrency/,
    ],
    [
      'a secret that is unset',
      () => createApp({ name: 'a', callbackSecret: '' }),
      /app a: callbackSecret is no text, or an empty one/,
    ],
    [
      'an option of a task',
      () => app().task('t', { retry: 3 } as object, noop),
      /task t: there is no option "retry". Use input, description, tags, retries/,
    ],
    [
      'an option of a backoff',
      () => app().task('t', { backoff: { delay: 1 } as object }, noop),
      /Use base, factor, max/,
    ],
    [
      'an option of a process',
      () => app().task('t', { process: { memoryLimit: '1gb' } as object }, noop),
      /task t: process: there is no option "memoryLimit". Use memory/,
    ],
    [
      'a limit by another name',
      () => app().task('t', { concurrencyKey: { key: 'a', max: 2 } as never }, noop),
      /task t: concurrencyKey: there is no option "max". Use key, limit/,
    ],
    // A server would begin, and answer every submit with 500.
    [
      'a lock that is no text',
      () => app().task('t', { lock: 5 as never }, noop),
      /task t: lock is 5. Give text, as 'user:\{user_id\}', or a function/,
    ],
    [
      'a limit without a key',
      () => app().task('t', { concurrencyKey: { limit: 2 } as never }, noop),
      /task t: concurrencyKey is undefined. Give text/,
    ],
    [
      'a limit for each key that is only a key',
      () => app().task('t', { concurrencyKey: '' as never }, noop),
      /task t: concurrencyKey: its options are . Give an object of key, limit/,
    ],
    // It would be one.
    [
      'a limit for each key that does not say how many',
      () => app().task('t', { concurrencyKey: { key: 'a' } as never }, noop),
      /task t: concurrencyKey.limit is undefined, it must be a whole number from 1/,
    ],
    [
      'a rate that does not say how many',
      () => app().task('t', { rateLimit: { per: '1s' } as never }, noop),
      /task t: rateLimit.limit is undefined, it must be a whole number from 1/,
    ],
    // The log would keep them, one for each letter of a text.
    [
      'tags that are no list',
      () => app().task('t', { tags: 'mail' as never }, noop),
      /task t: tags is mail, it must be/,
    ],
    [
      'a tag that is no text',
      () => app().task('t', { tags: ['mail', null] as never }, noop),
      /task t: tags is \["mail",null\], it must be a list of text/,
    ],
    [
      'an option of a schedule',
      () => app().schedule('s', '@daily', { timeZone: 'Europe/Berlin' } as object, noop),
      /schedule s: there is no option "timeZone". Use timezone, overlap/,
    ],
    [
      'no options of a schedule',
      () => app().schedule('s', '@daily', undefined as unknown as object, noop),
      /schedule s: its options are undefined. Give an object of timezone, overlap/,
    ],
    ['a cron that is no text', () => app().schedule('s', 5 as never, noop), /expression 5 is not text. Use five/],
    [
      'a rule of retryFor that says yes to all',
      () => app().task('t', { retryFor: [(async () => false) as never] }, noop),
      /task t: retryFor has an asynchronous function. Give a list of classes/,
    ],
    [
      'a rule of retryFor that is a name',
      () => app().task('t', { retryFor: ['RangeError' as never] }, noop),
      /task t: retryFor has RangeError. Give a list/,
    ],
    [
      'a retryFor that is no list',
      () => app().task('t', { retryFor: RangeError as never }, noop),
      /task t: retryFor has function RangeError.*Give a list/,
    ],
    // A call of one runs nothing, and the task would complete.
    [
      'a generator for a handler',
      () => app().task('t', async function* () {} as never),
      /task t: .* nothing would run/,
    ],
    [
      'a generator for an onFailure',
      () => app().task('t', { onFailure: function* () {} }, noop),
      /task t: onFailure: the handler is a generator/,
    ],
    [
      'a generator that answers',
      () => app().message(async function* () {}),
      /app.message\(\): .*session.streamReply\(\)/,
    ],
    [
      'a generator for a schedule',
      () => app().schedule('s', '@daily', function* () {}),
      /schedule s: the handler is a/,
    ],
    ['no function', () => app().message('hello' as never), /app.message\(\): the handler is no function/],
    ['no name of an app', () => createApp({} as { name: string }), /The app name "undefined" names its streams/],
    ['no name of a task', () => app().task(undefined as never, noop), /The task name "undefined" is not URL-safe/],
    ['a cron', () => app().schedule('s', 'every day', noop), /has 2 fields. Use five fields/],
    [
      'a time zone',
      () => app().schedule('s', '@daily', { timezone: 'Berlin' }, noop),
      /Use an IANA name such as Europe\/Berlin/,
    ],
    ['a page name', () => app().page('!', () => []), /no letter or digit to make an address of/],
    [
      'a status',
      () => ui.taskBoardColumn('Done', ['done' as 'completed']),
      /"done" is not a task status. Use some of: pending/,
    ],
  ])('%s', (_, declare, message) => {
    expect(declare).toThrow(message)
  })

  test('a name twice', () => {
    const a = app()
    a.task('t', noop)
    a.schedule('t', '@daily', noop)
    a.page('All tasks', () => [])
    a.message(noop)
    expect(() => a.task('t', noop)).toThrow('The task "t" is declared twice.')
    expect(() => a.schedule('t', '@daily', noop)).toThrow('The schedule "t" is declared twice.')
    expect(() => a.page('all TASKS', () => [])).toThrow('The page "all-tasks" is declared twice.')
    expect(() => a.message(noop)).toThrow('an app answers with one handler')
  })

  test('once the app runs', async () => {
    const a = app()
    await using t = await testApp(a)
    expect(t.running.name).toBe('demo')
    expect(() => a.task('late', noop)).toThrow('The task "late" comes too late: the app is running already.')
    expect(() => a.message(noop)).toThrow('app.message() comes too late: the app is running already.')
    expect(t.running.hasChat).toBe(false)
  })
})

test('a descriptor of an app that does not run says so', async () => {
  const a = app()
  const work = a.task('work', noop)
  const refused = work.submit({})
  await expect(refused).rejects.toThrow(NotRunning)
  await expect(refused).rejects.toThrow('The app demo is not running. Start it with')
  const t = await testApp(a)
  await work.submit({})
  await t.stop()
  await expect(work.find()).rejects.toThrow(NotRunning)
})

describe('an app that is started', () => {
  test('twice says so, and goes on where it runs', async () => {
    const a = app()
    const work = a.task('work', noop)
    const running = await startApp(a, { data: 'memory' })
    const both = await Promise.allSettled([startApp(a, { data: 'memory' }), startApp(a, { data: 'memory' })])
    for (const again of both) {
      expect(again).toMatchObject({ reason: { message: expect.stringMatching(/demo is running already in this/) } })
    }
    await work.submit({})
    await running.stop()
    await (await startApp(a, { data: 'memory' })).stop()
  })

  test('anew after a stop is not stopped by stopping the old one again', async () => {
    const a = app()
    const work = a.task('work', noop)
    const problems: string[] = []
    const report = (_: unknown, doing: string) => void problems.push(doing)
    const old = await startApp(a, { data: 'memory', report })
    expect(await old.stop()).toEqual({ clean: true })
    const running = await startApp(a, { data: 'memory' })
    expect(await old.stop()).toEqual({ clean: true })
    await work.submit({})
    expect(problems).toEqual([])
    await running.stop()
  })

  test('two at once: one of them runs', async () => {
    const a = app()
    const work = a.task('work', noop)
    const both = await Promise.allSettled([startApp(a, { data: 'memory' }), startApp(a, { data: 'memory' })])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await work.submit({})
    for (const one of both) if (one.status === 'fulfilled') await one.value.stop()
  })

  test('in a directory without a name is refused', async () => {
    await expect(startApp(app(), { data: '' })).rejects.toThrow(/data directory is empty text/)
  })

  // Node's own mkdir goes on for ever there.
  test('in a directory where there can be none is refused', async () => {
    await expect(startApp(app(), { data: '/proc/none/here' })).rejects.toThrow(/\/proc\/none\/here cannot be made/)
  })
})

test('what is declared is what runs', async () => {
  const a = app()
  a.task('work', { description: 'Works.', tags: ['x'] }, noop)
  a.schedule('nightly', '0 2 * * *', { timezone: 'Europe/Berlin' }, noop)
  a.page('All tasks', { icon: 'layout-grid' }, () => ui.page([ui.taskBoard({ title: 'All' }), ui.divider()]))
  await using t = await testApp(a)
  expect(t.running.tasks.get('work')).toMatchObject({ description: 'Works.', tags: ['x'], retries: 0 })
  expect(t.running.scheduleInfo('nightly')).toEqual({
    name: 'nightly',
    meaning: 'At 02:00',
    nextAt: '2026-01-01T01:00:00.000Z',
  })
  expect(t.running.scheduleInfo('other')).toBeUndefined()
  expect(t.running.pages).toMatchObject([{ name: 'All tasks', slug: 'all-tasks', icon: 'layout-grid' }])
  expect(t.running.pages[0]?.render()).toEqual([{ kind: 'task_board', title: 'All' }, { kind: 'divider' }])
  const [started] = await t.events()
  expect(started).toMatchObject({ type: 'NodeStarted', data: { manifest: { app: 'demo', tasks: ['work'] } } })
})

test('blanks around a cron expression are no part of it', () => {
  const a = app()
  a.schedule('nightly', ' @daily ', noop)
  expect(a.schedules.get('nightly')?.cron).toBe('@daily')
})
