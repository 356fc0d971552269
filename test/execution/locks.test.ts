import { describe, expect, test } from 'vitest'
import { LockHeldError, NotFound } from '../../src/actors/index.ts'
import type { App, TaskOptions } from '../../src/app/index.ts'
import { interrupting, withAppend } from '../actors/stores.ts'
import { gate, running, type Sleep, storyOf } from './app.ts'

const LOCK = 'report:daily'

/** Tasks `report` and `other` of ten seconds each that share a lock. */
function reports(onLocked: NonNullable<TaskOptions['onLocked']>, more: TaskOptions = {}) {
  return (app: App, sleep: Sleep) => {
    const options: TaskOptions = { lock: LOCK, onLocked, ...more }
    app.task('report', options, async (_, { signal, fence }) => {
      await sleep(10, { signal })
      return { fence: fence ?? null }
    })
    app.task('other', { lock: LOCK, onLocked: 'queue' }, (_, { signal }) => sleep(10, { signal }))
  }
}

const LOCAL = { by: 'user:local', ownerId: 'local' } as const

describe("onLocked 'join'", () => {
  // A promise: see docs/promises.md.
  test('gives the live task to the same task and owner', async () => {
    const t = await running(reports('join'))
    const first = await t.client.submit('report')
    const second = await t.running.submit({ name: 'report', params: {} }, LOCAL)
    expect(second).toMatchObject({ taskId: first, joined: true })
    await t.advance(10)
    const third = await t.running.submit({ name: 'report', params: {} }, LOCAL)
    expect(third.joined).toBe(false)
    expect(third.taskId).not.toBe(first)
  })

  // A promise: see docs/promises.md.
  test('queues for another owner', async () => {
    const t = await running(reports('join'))
    const first = await t.client.submit('report')
    const second = await t.client.submit('report', {}, { owner: 'bob' })
    await t.settle()
    expect(await t.client.job(second)).toMatchObject({ status: 'pending', lockWait: { holder: first, place: 1 } })
    await t.advance(20)
    expect((await t.client.job(second)).status).toBe('completed')
  })

  // A promise: see docs/promises.md.
  test('queues for another task', async () => {
    const t = await running(reports('join'))
    const first = await t.client.submit('other')
    const second = await t.running.submit({ name: 'report', params: {} }, LOCAL)
    expect(second.joined).toBe(false)
    await t.settle()
    const waits = { status: 'pending', lockWait: { holder: first, place: 1 } }
    expect(await t.client.job(second.taskId)).toMatchObject(waits)
    await t.advance(20)
    expect((await t.client.job(second.taskId)).status).toBe('completed')
  })

  // A promise: see docs/promises.md.
  test('many at once: one task, all joined to it', async () => {
    const t = await running(reports('join'))
    const ids = await Promise.all(Array.from({ length: 20 }, () => t.client.submit('report')))
    expect(new Set(ids).size).toBe(1)
  })

  test.each(['commandId', 'idempotencyKey'] as const)(
    'a repeat with the same %s stays joined and starts nothing',
    async (key) => {
      const t = await running(reports('join'))
      const first = await t.client.submit('report')
      const joined = await t.client.submit('report', {}, { [key]: 'k' })
      expect(joined).toBe(first)
      expect(await t.client.submit('report', {}, { [key]: 'k' })).toBe(first)
      await t.advance(10)
      expect(await t.client.submit('report', {}, { [key]: 'k' })).toBe(first)
      await t.advance(60)
      const starts = (await t.events()).filter(({ type }) => type === 'TaskStarted')
      expect(starts).toHaveLength(1)
    },
  )
})

describe("onLocked 'queue'", () => {
  // A promise: see docs/promises.md.
  test('runs one after the other, first come first served, whichever task asks', async () => {
    const t = await running(reports('queue'))
    const ids = [await t.client.submit('report'), await t.client.submit('other'), await t.client.submit('report')]
    await t.advance(60)
    const started = await Promise.all(ids.map(async (id) => (await t.client.job(id)).startedAt ?? 0))
    expect(started.map((at) => (at - (started[0] ?? 0)) / 1000)).toEqual([0, 10, 20])
  })

  // A promise: see docs/promises.md.
  test('gives each holder a higher fencing token, also after a restart', async () => {
    const t = await running(reports('queue'))
    const ids = await Promise.all(Array.from({ length: 4 }, () => t.client.submit('report')))
    await t.advance(25)
    t.crash()
    await t.restart()
    await t.advance(60)
    const fences: number[] = []
    for (const event of await t.events()) if (event.type === 'TaskStarted') fences.push(Number(event.data.fence))
    expect(fences).toHaveLength(5) // the third ran twice, for the same hold
    expect(fences[2]).toBe(fences[3])
    expect([...new Set(fences)]).toEqual([...new Set(fences)].toSorted((a, b) => a - b))
    expect(new Set(fences).size).toBe(4)
    for (const id of ids) expect((await t.client.job(id)).status).toBe('completed')
  })

  // A promise: see docs/promises.md.
  test('a waiter that is cancelled leaves the queue', async () => {
    const t = await running(reports('queue'))
    const [first, second, third] = [
      await t.client.submit('report'),
      await t.client.submit('report'),
      await t.client.submit('report'),
    ]
    await t.settle()
    await t.client.cancel(second)
    await t.settle()
    expect(await t.client.job(third)).toMatchObject({ lockWait: { holder: first, place: 1 } })
    await t.advance(20)
    expect(await storyOf(t, second)).toEqual(['Submitted', 'Cancelled'])
    expect((await t.client.job(third)).status).toBe('completed')
  })

  // A promise: see docs/promises.md.
  test.each([
    ['fails', { retries: 0 }, 'failed'],
    ['times out', { timeout: 2 }, 'timeout'],
    ['is cancelled', {}, 'cancelled'],
  ] as const)('a holder that %s lets go', async (_, options, status) => {
    const t = await running((app, sleep) => {
      app.task('holder', { lock: LOCK, ...options }, async (_input, { signal }) => {
        await sleep(5, { signal })
        throw new Error('no')
      })
      app.task('next', { lock: LOCK }, () => 'ran')
    })
    const holder = await t.client.submit('holder')
    const next = await t.client.submit('next')
    if (status === 'cancelled') await t.client.cancel(holder)
    await t.advance(5)
    expect((await t.client.job(holder)).status).toBe(status)
    expect((await t.client.job(next)).status).toBe('completed')
  })

  test('a holder that waits for a retry holds on', async () => {
    let attempts = 0
    const t = await running((app) => {
      app.task('holder', { lock: LOCK, retries: 1, backoff: { base: 60 } }, () => {
        if (++attempts === 1) throw new Error('no')
      })
      app.task('next', { lock: LOCK }, () => 'ran')
    })
    await t.client.submit('holder')
    const next = await t.client.submit('next')
    await t.advance(29)
    expect((await t.client.job(next)).status).toBe('pending')
    await t.advance(1)
    expect((await t.client.job(next)).status).toBe('completed')
  })
})

describe("onLocked 'reject'", () => {
  // A promise: see docs/promises.md.
  test('throws with who holds it, and records nothing', async () => {
    const t = await running(reports('reject'))
    const first = await t.client.submit('report')
    const before = (await t.events()).length
    const second = t.client.submit('report')
    await expect(second).rejects.toThrow(LockHeldError)
    await expect(second).rejects.toMatchObject({ key: LOCK, holder: first })
    expect((await t.events()).slice(before).filter(({ type }) => type !== 'TaskStarted')).toEqual([])
  })
})

describe("onLocked 'replace'", () => {
  // A promise: see docs/promises.md.
  test('cancels the holder and earlier waiters, then runs', async () => {
    const t = await running(reports('replace'))
    const holder = await t.client.submit('report')
    const waiter = await t.client.submit('other')
    await t.settle()
    const newest = await t.client.submit('report')
    await t.advance(10)
    expect((await t.client.job(holder)).status).toBe('cancelled')
    expect((await t.client.job(waiter)).status).toBe('cancelled')
    expect((await t.client.job(newest)).status).toBe('completed')
    expect((await t.events(`task-${holder}`)).find(({ type }) => type === 'TaskCancelRequested')?.data.reason).toBe(
      `Replaced by task ${newest}`,
    )
  })

  test('a delayed task replaces when it is due', async () => {
    const t = await running(reports('replace'))
    const delayed = await t.client.submit('report', {}, { delay: 5 })
    const holder = await t.client.submit('report')
    const waiter = await t.client.submit('other')
    await t.advance(5)
    await t.advance(10)
    expect((await t.client.job(holder)).status).toBe('cancelled')
    expect((await t.client.job(waiter)).status).toBe('cancelled')
    expect((await t.client.job(delayed)).status).toBe('completed')
  })

  test('a requeued task replaces, too', async () => {
    const t = await running(reports('replace'))
    const first = await t.client.submit('report')
    await t.settle()
    await t.client.cancel(first)
    await t.settle()
    const holder = await t.client.submit('report')
    const waiter = await t.client.submit('other')
    await t.client.retry(first)
    await t.advance(10)
    expect((await t.client.job(holder)).status).toBe('cancelled')
    expect((await t.client.job(waiter)).status).toBe('cancelled')
    expect((await t.client.job(first)).status).toBe('completed')
  })
})

describe("a client's id of its command", () => {
  const KEYED = { commandId: 'order-7', idempotencyKey: 'order-7' }

  // A promise: see docs/promises.md.
  test('that comes for other tasks of the lock lets none of them past it', async () => {
    const t = await running(reports('queue'))
    const first = await t.client.submit('report', {}, KEYED)
    const waiting = [
      await t.client.submit('other', {}, KEYED),
      await t.client.submit('report', {}, { ...KEYED, owner: 'bob' }),
    ]
    expect(await t.running.execute('report', {}, { ...LOCAL, commandId: 'order-7' })).toMatchObject({
      outcome: { error: { type: 'LockHeldError' } },
    })
    await t.settle()
    for (const [index, id] of waiting.entries()) {
      expect(await t.client.job(id)).toMatchObject({ status: 'pending', lockWait: { holder: first, place: index + 1 } })
    }
    await t.advance(30)
    for (const id of [first, ...waiting]) expect((await t.client.job(id)).status).toBe('completed')
    expect(await t.running.verify()).toMatchObject({ broken: undefined })
  })

  test.each(['reject', 'replace', 'join'] as const)(
    "that is repeated when the task has ended and another has the lock is still that task (onLocked '%s')",
    async (onLocked) => {
      const t = await running(reports(onLocked))
      const first = await t.client.submit('report', {}, KEYED)
      await t.advance(10)
      const holder = await t.client.submit('other')
      await t.settle()
      expect(await t.client.submit('report', {}, KEYED)).toBe(first)
      await t.settle()
      expect((await t.client.job(holder)).status).toBe('running')
    },
  )
})

describe('a delayed task', () => {
  // A promise: see docs/promises.md.
  test('asks for its lock when it is due, and then queues', async () => {
    const t = await running(reports('join'))
    const delayed = await t.client.submit('report', {}, { delay: 5 })
    expect(await t.events(`lock-${LOCK}`)).toEqual([])
    const holder = await t.client.submit('report')
    await t.advance(5)
    expect(await t.client.job(delayed)).toMatchObject({ status: 'scheduled', lockWait: { holder, place: 1 } })
    await t.advance(15)
    expect(await storyOf(t, delayed)).toEqual(['Scheduled', 'Started', 'Completed'])
  })

  test('that is cancelled just as it is due leaves no lock behind', async () => {
    const { opened, open } = gate()
    const t = await running(reports('join'), {
      wrapStore: (store) =>
        interrupting(store, (_, events) => (events[0]?.type === 'TaskCancelled' ? opened : Promise.resolve())),
    })
    const delayed = await t.client.submit('report', {}, { delay: 5 })
    const cancelled = t.client.cancel(delayed)
    await t.advance(5)
    open()
    await cancelled
    const next = await t.client.submit('other')
    await t.advance(60)
    expect((await t.client.job(next)).status).toBe('completed')
  })
})

describe('a requeue', () => {
  // A promise: see docs/promises.md.
  test('takes the lock first, behind who holds it', async () => {
    const t = await running(reports('queue'))
    const first = await t.client.submit('report')
    await t.settle()
    await t.client.cancel(first)
    await t.settle()
    const holder = await t.client.submit('report')
    await t.client.retry(first)
    await t.settle()
    expect(await t.client.job(first)).toMatchObject({ status: 'pending', lockWait: { holder, place: 1 } })
    const steps = (await t.events()).filter(
      ({ type, data }) => type === 'TaskRequeued' || (type === 'LockQueued' && data.taskId === first),
    )
    expect(steps.map(({ type }) => type)).toEqual(['LockQueued', 'TaskRequeued'])
    await t.advance(20)
    expect(await t.client.job(first)).toMatchObject({ status: 'completed' })
  })

  test('of a task that is deleted while it asks for the lock is refused, and leaves the lock', async () => {
    let asked: (() => Promise<unknown>) | undefined
    const declare = (app: App) => {
      app.task('report', { lock: LOCK }, () => Promise.reject(new Error('no')))
      app.task('other', { lock: LOCK }, () => 'done')
    }
    const t = await running(declare, {
      wrapStore: (store) =>
        withAppend(store, (append) => async (stream, expected, events) => {
          const done = await append(stream, expected, events)
          if (events[0]?.data.requeue === true) await asked?.()
          return done
        }),
    })
    const id = await t.client.submit('report')
    await t.settle()
    asked = () => t.running.deleteJob(id, LOCAL)
    await expect(t.client.retry(id)).rejects.toThrow(NotFound)
    expect((await storyOf(t, id)).slice(-2)).toEqual(['Failed', 'Deleted'])
    const other = await t.client.submit('other')
    await t.settle()
    expect((await t.client.job(other)).status).toBe('completed')
  })

  test('as soon as the run has ended never shares the lock', async () => {
    let holding = 0
    let most = 0
    let fail = true
    const t = await running((app, sleep) => {
      app.task('holder', { lock: LOCK, onLocked: 'queue' }, async () => {
        most = Math.max(most, ++holding)
        await sleep(1)
        holding--
        if (fail) throw new Error('no')
      })
    })
    const first = await t.client.submit('holder')
    const second = await t.client.submit('holder')
    // Nobody has heard of the failure yet when the retry is asked for.
    const failed = t.running.waitForJob(first, 60_000).then(() => {
      fail = false
      return t.client.retry(first)
    })
    await t.advance(1)
    await failed
    await t.advance(10)
    expect(most).toBe(1)
    expect((await t.client.job(first)).status).toBe('completed')
    expect((await t.client.job(second)).status).toBe('completed')
    expect((await t.events(`lock-${LOCK}`)).at(-1)?.type).toBe('LockReleased')
  })
})

test('the key is filled in from the input, with its defaults; each key is a lock of its own', async () => {
  const t = await running((app, sleep) => {
    app.task('report', { lock: 'r:{report_id}:{n}' }, () => sleep(1))
  })
  await t.client.submit('report', { report_id: 'a', n: 1 })
  const other = await t.client.submit('report', { report_id: 'a', n: 2 })
  await t.settle()
  expect(await t.client.job(other)).toMatchObject({ status: 'running', lockKey: 'r:a:2' })
  await expect(t.client.submit('report', { n: 1 })).rejects.toThrow(/report_id: must be text, a number or a boolean/)
})
