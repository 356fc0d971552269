/** Tasks whose streams were deleted for good: nothing makes them again, and nothing waits for them. */
import { describe, expect, test } from 'vitest'
import { NotFound, occurrenceTaskId, TaskRetired } from '../../src/actors/index.ts'
import type { App } from '../../src/app/index.ts'
import type { EventStore } from '../../src/events/index.ts'
import { dataOf, gate, type Options, running, storyOf } from './app.ts'

const LOCK = 'k'
const LOCAL = { by: 'user:local', ownerId: 'local' } as const

/** A running app whose log the test can delete streams of, as another process would. */
async function retiring(declare: Parameters<typeof running>[0], options: Options = {}) {
  let log: EventStore | undefined
  const t = await running(declare, {
    ...options,
    wrapStore: (store) => {
      log = store
      return store
    },
  })
  const retire = async (stream: string) => {
    const revision = (await t.events(stream)).at(-1)?.revision ?? 'no-stream'
    await log?.deleteStream(`demo.${stream}`, revision)
  }
  return Object.assign(t, {
    /** Deletes the stream while no process runs, and starts one. */
    async retire(...streams: string[]) {
      await t.stop(0)
      for (const stream of streams) await retire(stream)
      await t.restart()
    },
    /** Deletes the stream behind the back of the process that runs. */
    retireNow: retire,
  })
}

const typesOf = async (t: { events: (stream: string) => Promise<readonly { type: string }[]> }, stream: string) =>
  (await t.events(stream)).map(({ type }) => type)

describe('a key of a task that was retired', () => {
  const work = (app: App) => void app.task('work', () => 'done')
  const locked = (app: App) => void app.task('work', { lock: LOCK }, () => 'done')

  // A promise: see docs/promises.md.
  test.each([
    ['idempotencyKey', work],
    ['commandId', work],
    ['idempotencyKey', locked],
    ['commandId', locked],
  ] as const)('(%s) is refused, and makes nothing anew', async (key, declare) => {
    const t = await retiring(declare)
    const id = await t.client.submit('work', {}, { [key]: 'k' })
    await t.settle()
    await t.retire(`task-${id}`)
    for (let i = 0; i < 2; i++) {
      const error = await t.client.submit('work', {}, { [key]: 'k' }).catch((reason) => reason)
      expect(error).toBeInstanceOf(TaskRetired)
      expect(error).toMatchObject({ code: 'task-retired', taskId: id, message: expect.stringContaining('another key') })
    }
    await t.settle()
    expect(await t.events(`task-${id}`)).toEqual([])
    expect((await t.running.reads.jobs({})).items).toEqual([])
    expect((await t.running.reads.locks()).length).toBe(0)
    const other = await t.client.submit('work', {}, { [key]: 'another' })
    await t.settle()
    expect((await t.client.job(other)).status).toBe('completed')
  })

  test('refuses its own item of many', async () => {
    const t = await retiring(work)
    const id = await t.client.submit('work', {}, { idempotencyKey: 'k' })
    await t.settle()
    await t.retire(`task-${id}`)
    const items = [{ params: {}, idempotencyKey: 'k' }, { params: {} }]
    const [first, second] = await t.running.submitMany('work', items, LOCAL)
    expect(first).toMatchObject({ status: 'rejected', reason: { code: 'task-retired' } })
    expect(second?.status).toBe('fulfilled')
    await t.settle()
  })

  test('of a task that it joined is refused as well', async () => {
    const t = await retiring((app, sleep) => app.task('work', { lock: LOCK, onLocked: 'join' }, () => sleep(10)))
    const id = await t.client.submit('work')
    expect(await t.client.submit('work', {}, { idempotencyKey: 'k' })).toBe(id)
    await t.advance(10)
    await t.retire(`task-${id}`)
    await expect(t.client.submit('work', {}, { idempotencyKey: 'k' })).rejects.toMatchObject({
      code: 'task-retired',
      taskId: id,
    })
  })
})

describe('for people, a job that was retired', () => {
  test('is not there: not to read, to command or to wait for', async () => {
    const t = await retiring((app) => app.task('work', { lock: LOCK }, () => Promise.reject(new Error('no'))))
    const id = await t.client.submit('work')
    await t.settle()
    await t.retire(`task-${id}`)
    expect(await t.running.reads.job(id)).toBeUndefined()
    expect(await t.running.history('task', id)).toEqual([])
    for (const command of ['cancelJob', 'retryJob', 'refreshJob', 'deleteJob'] as const) {
      await expect(t.running[command](id, LOCAL)).rejects.toBeInstanceOf(NotFound)
    }
    expect(await t.events(`task-${id}`)).toEqual([])
  })

  test('and is retired while it is retried, leaves its lock', async () => {
    const t = await retiring((app) => {
      app.task('work', { lock: LOCK }, () => Promise.reject(new Error('no')))
      app.task('other', { lock: LOCK }, () => 'done')
    })
    const id = await t.client.submit('work')
    await t.settle()
    // The sole owner of the log still takes it for there, and has its lock by the time it learns.
    await t.retireNow(`task-${id}`)
    await expect(t.client.retry(id)).rejects.toBeInstanceOf(NotFound)
    const other = await t.client.submit('other')
    await t.settle()
    expect((await t.client.job(other)).status).toBe('completed')
  })
})

describe('a lock', () => {
  const locking = (onLocked: 'queue' | 'replace' = 'queue') =>
    retiring((app, sleep) => {
      app.task('work', { lock: LOCK, onLocked }, async (input, { signal }) => {
        await sleep(10, { signal })
        if ((input as { fail?: boolean }).fail) throw new Error('no')
      })
    })

  test('that holds the submission of a retired task lets go at the next start', async () => {
    const t = await locking()
    const crashed = t.crashAt('before', 'TaskSubmitted')
    void t.client.submit('work')
    await crashed
    const [acquired] = await t.events(`lock-${LOCK}`)
    await t.retire(`task-${acquired?.data.taskId}`)
    expect(await dataOf(t, `lock-${LOCK}`, 'LockReleased')).toMatchObject([{ reason: 'retired' }])
    const id = await t.client.submit('work')
    await t.advance(10)
    expect((await t.client.job(id)).status).toBe('completed')
  })

  test('that holds the requeue of a retired task lets go at the next start', async () => {
    const t = await locking()
    const id = await t.client.submit('work', { fail: true })
    await t.advance(10)
    const crashed = t.crashAt('before', 'TaskRequeued')
    void t.client.retry(id)
    await crashed
    await t.retire(`task-${id}`)
    expect(await dataOf(t, `lock-${LOCK}`, 'LockReleased')).toMatchObject([{}, { taskId: id, reason: 'retired' }])
    expect(await t.events(`task-${id}`)).toEqual([])
  })

  test('displaces nobody for a retired task', async () => {
    const t = await locking('replace')
    const first = await t.client.submit('work')
    const crashed = t.crashAt('before', 'TaskSubmitted')
    void t.client.submit('work')
    await crashed
    const [queued] = await dataOf(t, `lock-${LOCK}`, 'LockQueued')
    await t.retire(`task-${queued?.taskId}`)
    await t.advance(20)
    expect((await t.client.job(first)).status).toBe('completed')
    expect((await t.running.reads.locks()).length).toBe(0)
  })

  test('whose holder was retired can be released by hand', async () => {
    const t = await locking()
    const id = await t.client.submit('work')
    const crashed = t.crashAt('before', 'LockReleased')
    await t.advance(10)
    await crashed
    const [acquired] = await t.events(`lock-${LOCK}`)
    expect(acquired?.data.taskId).toBe(id)
    await t.retire(`task-${id}`)
    expect(await dataOf(t, `lock-${LOCK}`, 'LockReleased')).toMatchObject([{ taskId: id, reason: 'retired' }])
    await expect(t.running.releaseLock(LOCK, LOCAL)).rejects.toBeInstanceOf(NotFound)
  })
})

describe('an occurrence', () => {
  const minute = (n: number) => new Date(Date.parse('2026-01-01T00:00:00Z') + n * 60_000).toISOString()

  test.each(['skip', 'queue'] as const)('(overlap %s) whose task was retired has ended', async (overlap) => {
    let runs = 0
    const t = await retiring((app) => app.schedule('tick', '* * * * *', { overlap }, () => void runs++))
    const crashed = t.crashAt('before', overlap === 'queue' ? 'LockAcquired' : 'TaskSubmitted')
    await t.advance('1m')
    await crashed
    const id = occurrenceTaskId('tick', minute(1))
    await t.retire(`task-${id}`)
    expect(runs).toBe(0)
    expect(await dataOf(t, 'schedule-tick', 'OccurrenceFinished')).toEqual([
      { due: minute(1), taskId: id, status: 'retired' },
    ])
    expect((await t.running.reads.schedules())[0]?.last).toMatchObject([{ due: minute(1), status: undefined }])
    await t.advance('1m')
    expect(runs).toBe(1)
    expect(await storyOf(t, occurrenceTaskId('tick', minute(2)))).toEqual(['Submitted', 'Started', 'Completed'])
    expect((await t.running.reads.locks()).length).toBe(0)
  })
})

describe('what a run owes', () => {
  const failing = (handled: unknown[]) => (app: App) =>
    void app.task('work', { onFailure: (input) => void handled.push(input) }, () => Promise.reject(new Error('no')))

  /** The task about the failed run. */
  const failureTask = async (t: Awaited<ReturnType<typeof retiring>>) => {
    const submitted = (await t.events()).find(({ data }) => data.name === 'work.on_failure')
    return String(submitted?.stream.slice('demo.task-'.length))
  }

  test('is not owed again when the task that did it was retired', async () => {
    const handled: unknown[] = []
    const t = await retiring(failing(handled))
    await t.client.submit('work', { n: 1 })
    await t.settle()
    expect(handled).toEqual([{ n: 1 }])
    const id = await failureTask(t)
    await t.retire(`task-${id}`)
    await t.advance('5m')
    expect(handled).toHaveLength(1)
    expect(await t.events(`task-${id}`)).toEqual([])
  })

  test('fails, and is not tried again, when the task it is about was retired', async () => {
    const handled: unknown[] = []
    const t = await retiring((app) => {
      const onFailure = (input: unknown) => {
        handled.push(input)
        throw new Error('not yet')
      }
      app.task('work', { onFailure }, () => Promise.reject(new Error('no')))
    })
    const failed = await t.client.submit('work', { n: 1 })
    await t.settle()
    const id = await failureTask(t)
    expect((await t.client.job(id)).status).toBe('retry')
    await t.retire(`task-${failed}`)
    await t.advance('1h')
    expect(handled).toEqual([{ n: 1 }])
    expect(await t.client.job(id)).toMatchObject({
      status: 'failed',
      error: { message: expect.stringContaining(failed) },
    })
  })
})

describe('a task that waits, and whose stream is deleted', () => {
  const delayed = async (others: number) => {
    const t = await retiring((app) => {
      app.task('work', { maxQueued: 1 }, () => 'done')
      app.task('other', () => 'done')
    })
    const id = await t.client.submit('work', {}, { delay: '1h' })
    for (let left = others; left > 0; left -= 500) {
      await t.running.submitMany('other', Array(500).fill({ params: {} }), LOCAL)
      await t.settle()
    }
    await t.retireNow(`task-${id}`)
    await t.advance('1h')
    return t
  }

  test('is started never, is reported once, and takes no place in the queue', async () => {
    const t = await delayed(0)
    await t.advance('1h')
    expect(t.problems.splice(0)).toMatchObject([{ error: { code: 'stream-deleted' } }])
    await t.client.submit('work', {}, { delay: '1h' })
  })

  test('also when nothing was known of it any more', async () => {
    // So many others that it is not resident.
    const t = await delayed(4500)
    await t.client.submit('work', {}, { delay: '1h' })
  })
})

describe('an attempt', () => {
  test('of a task whose stream is deleted under it has lost its claim', async () => {
    const { opened, open } = gate()
    const outcome = Promise.withResolvers<{ readonly aborted: boolean; readonly error: unknown }>()
    const t = await retiring((app) =>
      app.task('work', async (_, { log, signal }) => {
        await opened
        const error = await log('here').catch((reason: unknown) => reason)
        outcome.resolve({ aborted: signal.aborted, error })
      }),
    )
    const id = await t.client.submit('work')
    await t.settle()
    await t.retireNow(`task-${id}`)
    open()
    expect(await outcome.promise).toMatchObject({ aborted: true, error: { code: 'stream-deleted' } })
    await t.settle()
    expect(await t.events(`task-${id}`)).toEqual([])
  })
})

describe('a conversation that was retired', () => {
  test('is not there, and is not begun again under its id', async () => {
    const t = await retiring((app) => app.message(async (session) => session.reply('yes')))
    await t.client.say('s1', 'hello')
    await t.settle()
    await t.retire('session-s1')
    expect(await t.running.reads.session('s1')).toBeUndefined()
    await expect(t.client.say('s1', 'hello')).rejects.toMatchObject({
      code: 'stream-deleted',
      stream: 'demo.session-s1',
    })
    await expect(t.running.createSession(LOCAL, { id: 's1' })).rejects.toMatchObject({ code: 'stream-deleted' })
    await expect(t.running.sendMessage('s1', { text: 'hello' }, LOCAL)).rejects.toBeInstanceOf(NotFound)
    await expect(t.running.stopTurn('s1', LOCAL)).rejects.toBeInstanceOf(NotFound)
    expect(await typesOf(t, 'session-s1')).toEqual([])
  })
})
