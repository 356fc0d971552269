/** What docs/concepts/submit.md says that a task costs. */
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { App } from '../../src/app/index.ts'
import type { TestApp } from '../../src/testing/index.ts'
import { withAppend } from '../actors/stores.ts'
import { gate, running } from './app.ts'

const input = z.object({ key: z.string().default('k') })

/** An app with one slot, and each append to a task's or a lock's stream by the types of its events. */
async function counted(declare: (app: App) => void): Promise<{ t: TestApp; appends: string[] }> {
  const appends: string[] = []
  const t = await running(declare, {
    concurrency: 1,
    wrapStore: (store) =>
      withAppend(store, (append) => (stream, expected, events) => {
        if (/\.(task|lock)-/.test(stream)) appends.push(events.map(({ type }) => type).join('+'))
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

test('with a lock that is free it costs four', async () => {
  const { t, appends } = await counted((app) => app.task('work', { input, lock: 'l:{key}' }, () => {}))
  await t.client.submit('work')
  await t.settle()
  expect(appends).toEqual(['LockAcquired', 'TaskSubmitted+TaskStarted', 'TaskCompleted', 'LockReleased'])
})
