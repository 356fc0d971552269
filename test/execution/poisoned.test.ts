import { describe, expect, test } from 'vitest'
import type { TestApp } from '../../src/testing/index.ts'
import { withAppend } from '../actors/stores.ts'
import { dataOf, gate, running, statuses } from './app.ts'

/** The process ends while what was started runs, and the next one, too. */
async function crashTwice(t: TestApp): Promise<void> {
  for (let crash = 0; crash < 2; crash++) {
    await t.settle()
    t.crash()
    await t.restart()
  }
  await t.settle()
}

describe('a task that ends its process', () => {
  // A promise: see docs/promises.md.
  test('runs alone after the second crash, and is failed as poisoned after the third; its neighbours are not', async () => {
    const t = await running(
      (app, sleep) => {
        app.task('bad', () => new Promise(() => {}))
        app.task('good', () => sleep(10))
      },
      { random: () => 0 },
    )
    const bad = await t.client.submit('bad')
    const good = await t.client.submit('good')
    await crashTwice(t)
    // Both were running at both crashes: now they run one at a time.
    expect(await statuses(t, [bad, good])).toEqual({ running: 1, retry: 1 })
    for (let turn = 0; turn < 2; turn++) {
      if ((await t.client.job(good)).status === 'running') {
        await t.advance(10)
      } else {
        t.crash()
        await t.restart()
      }
      await t.settle()
    }
    expect(await t.client.job(bad)).toMatchObject({ status: 'failed', error: { type: 'Poisoned' } })
    expect(await t.client.job(good)).toMatchObject({ status: 'completed', crashes: 2 })
  })

  test('takes its permits as others do, though it runs alone', async () => {
    const t = await running((app, sleep) => app.task('suspect', { concurrency: 1 }, () => sleep(10)))
    const suspect = await t.client.submit('suspect')
    await crashTwice(t)
    const [last] = (await t.events(`task-${suspect}`)).filter(({ data }) => data.alone === true)
    expect(last?.type).toBe('TaskStarted')
    expect(await dataOf(t, 'limit-task:suspect', 'PermitTaken')).toContainEqual({ taskId: suspect, claim: last?.id })
    await t.advance(10)
    expect((await t.client.job(suspect)).status).toBe('completed')
    expect(await dataOf(t, 'limit-task:suspect', 'PermitReturned')).toContainEqual(
      expect.objectContaining({ claim: last?.id, reason: 'ended' }),
    )
  })

  test('waits for ends on their way to the log: their tasks would be among those that died with the process', async () => {
    const recorded = gate()
    const ran: string[] = []
    const t = await running(
      (app) => {
        app.task('bad', { retries: 1, backoff: { base: '10s' } }, (_, { attempt }) => {
          if (attempt === 3) throw new Error('no')
          return new Promise(() => {})
        })
        app.task('good', () => void ran.push('good'))
      },
      {
        random: () => 0.5,
        wrapStore: (store) =>
          withAppend(store, (append) => async (...of) => {
            if (of[2][0]?.type === 'TaskCompleted') await recorded.opened
            return append(...of)
          }),
      },
    )
    const bad = await t.client.submit('bad')
    await crashTwice(t)
    const good = await t.client.submit('good')
    await t.advance('10s')
    expect(await statuses(t, [bad, good])).toEqual({ running: 1, retry: 1 })
    expect(ran).toEqual(['good'])
    recorded.open()
    await t.settle()
    expect((await t.client.job(good)).status).toBe('completed')
    expect((await t.client.job(bad)).status).toBe('running')
  })

  // A promise: see docs/promises.md.
  test('others run again once the suspect has ended well', async () => {
    const t = await running((app, sleep) => {
      app.task('suspect', () => sleep(10))
      app.task('other', () => null)
    })
    const suspect = await t.client.submit('suspect')
    await crashTwice(t)
    const other = await t.client.submit('other')
    await t.settle()
    expect((await t.client.job(other)).status).toBe('pending')
    await t.advance(11)
    expect((await t.client.job(suspect)).status).toBe('completed')
    expect((await t.client.job(other)).status).toBe('completed')
    const started = (await t.events(`task-${suspect}`)).filter(({ type }) => type === 'TaskStarted')
    expect(started.map(({ data }) => data.alone ?? false)).toEqual([false, false, true])
  })
})
