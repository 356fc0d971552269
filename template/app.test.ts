/** The app in memory, on a clock that the test moves: `npm test`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from 'capsule-actors/testing'
import { app, buildReport } from './app.ts'

test('a report is built', async () => {
  await using t = await testApp(app)
  const handle = await buildReport.submit({ pages: 1 })
  assert.deepEqual(await handle.result(), { pages: 1 })
  assert.equal((await t.client.job(handle.taskId)).status, 'completed')
})

test('who asks for a report is shown it as it is built; who does not is told how', async () => {
  await using t = await testApp(app)
  await t.client.say('chat', 'hello')
  await t.settle()
  assert.deepEqual(await t.client.replies('chat'), ['Write `report`, and one is built.'])

  await t.client.say('chat', 'report')
  await t.settle()
  assert.equal((await t.client.transcript('chat')).at(-1)?.kind, 'task')
})

test('on a weekday one is submitted at nine', async () => {
  await using t = await testApp(app, { now: '2026-01-05T08:00:00Z' })
  assert.equal(await buildReport.count(), 0)
  await t.advance('1h')
  const [report] = await buildReport.find()
  assert.deepEqual(report?.params, { pages: 3 })
})
