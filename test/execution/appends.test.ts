/** What docs/concepts/submit.md says that a task costs. */
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { App } from '../../src/app/index.ts'
import type { TestApp } from '../../src/testing/index.ts'
import { withAppend } from '../actors/stores.ts'
import { gate, running } from './app.ts'

const input = z.object({ key: z.string().default('k') })

/**
 * An app with one slot, and each append to a task's or a lock's stream by the types of its events.
 * @param until what such an append waits for
 */
async function counted(
  declare: (app: App) => void,
  until: (types: string) => Promise<void> | undefined = () => undefined,
): Promise<{ t: TestApp; appends: string[] }> {
  const appends: string[] = []
  const t = await running(declare, {
    concurrency: 1,
    wrapStore: (store) =>
      withAppend(store, (append) => async (stream, expected, events) => {
        const types = events.map(({ type }) => type).join('+')
        if (/\.(task|lock)-/.test(stream)) appends.push(types)
        await until(types)
        return append(stream, expected, events)
      }),
  })
  return { t, appends }
}

test('a task that starts at once costs two appends', async () => {
  const { t, appends } = await counted((app) => app.task('work', () => {}))
  await t.client.submit('work')
  await t.settle()
  expect(appends).toEqual(['TaskSubmitted+TaskStarted', 'TaskCompleted'])
})

test('one that waits for a slot costs three', async () => {
  const { opened, open } = gate()
  const { t, appends } = await counted((app) => {
    app.task('first', () => opened)
    app.task('second', () => {})
  })
  await t.client.submit('first')
  appends.length = 0
  await t.client.submit('second')
  open()
  await t.settle()
  expect(appends).toEqual(['TaskSubmitted', 'TaskCompleted', 'TaskStarted', 'TaskCompleted'])
})

test('where handlers are short, submits beyond the slots start by their own append all the same', async () => {
  const { t, appends } = await counted((app) => app.task('work', () => {}))
  await Promise.all(Array.from({ length: 4 }, () => t.client.submit('work')))
  await t.settle()
  expect(appends.filter((types) => types === 'TaskSubmitted+TaskStarted')).toHaveLength(4)
  expect(appends).toHaveLength(8)
})

test('no submit waits for a handler that takes its time', async () => {
  const { opened, open } = gate()
  const { t, appends } = await counted((app) => app.task('work', () => opened))
  await Promise.all([t.client.submit('work'), t.client.submit('work')])
  expect(appends).toEqual(['TaskSubmitted+TaskStarted', 'TaskSubmitted'])
  open()
})

test('one that was paused while it waited for a slot is recorded, and not started', async () => {
  const { opened, open } = gate()
  const { t, appends } = await counted(
    (app) => app.task('work', () => {}),
    (types) => (types === 'TaskSubmitted+TaskStarted' ? opened : undefined),
  )
  const submits = [t.client.submit('work'), t.client.submit('work')]
  await t.settle()
  await t.running.pauseTask('work', { by: 'user:ops', ownerId: 'ops' })
  await t.settle()
  open()
  const [, second] = await Promise.all(submits)
  await t.settle()
  expect(appends).toEqual(['TaskSubmitted+TaskStarted', 'TaskCompleted', 'TaskSubmitted'])
  expect(await t.client.job(second ?? '')).toMatchObject({ status: 'pending' })
})

test('a submit that waits for a slot has its turn among many that wait under a limit', async () => {
  const { opened, open } = gate()
  const order: string[] = []
  let free: Promise<unknown> | undefined
  const { t } = await counted((app) => {
    app.task('first', () => opened)
    app.task('free', () => void order.push('free'))
    app.task('limited', { concurrency: 5 }, ({ n }: { n: number }) => {
      order.push(`limited ${n}`)
      if (n === 5) free = t.client.submit('free')
    })
  })
  await t.client.submit('first')
  for (let n = 0; n < 30; n++) await t.client.submit('limited', { n })
  open()
  await t.settle()
  await free
  expect(order).toHaveLength(31)
  expect(order.indexOf('free')).toBeLessThan(12)
})

test('with a lock that is free it costs four', async () => {
  const { t, appends } = await counted((app) => app.task('work', { input, lock: 'l:{key}' }, () => {}))
  await t.client.submit('work')
  await t.settle()
  expect(appends).toEqual(['LockAcquired', 'TaskSubmitted+TaskStarted', 'TaskCompleted', 'LockReleased'])
})
