/** Crashes at each step, and what the next start makes of what they left. */
import { describe, expect, test } from 'vitest'
import { ActorSystem, ManualClock, taskKind } from '../../src/actors/index.ts'
import type { EventStore } from '../../src/events/index.ts'
import { LockKeeper } from '../../src/execution/locks.ts'
import { submission } from '../actors/given.ts'
import { interrupting } from '../actors/stores.ts'
import { dataOf, running, storyOf } from './app.ts'

const LOCK = 'k'

describe('a crash while a task runs', () => {
  // A promise: see docs/promises.md.
  test('is no failure: it runs again at the next start', async () => {
    let starts = 0
    const t = await running((app, sleep) =>
      app.task('work', async (_, { attempt }) => {
        if (++starts === 1) await sleep('1h')
        return `attempt ${attempt}`
      }),
    )
    const id = await t.client.submit('work')
    await t.settle()
    t.crash()
    await t.advance('2h')
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started'])
    await t.restart()
    expect(await t.client.job(id)).toMatchObject({ status: 'completed', result: 'attempt 2', failures: 0, crashes: 1 })
    expect(await dataOf(t, `task-${id}`, 'TaskInterrupted')).toMatchObject([{ cause: 'crash' }])
  })

  // A promise: see docs/promises.md.
  test("with onInterrupt 'fail' is its end", async () => {
    const t = await running((app, sleep) => app.task('work', { onInterrupt: 'fail' }, () => sleep('1h')))
    const id = await t.client.submit('work')
    await t.settle()
    t.crash()
    await t.restart()
    expect(await t.client.job(id)).toMatchObject({ status: 'failed', error: { type: 'TaskInterrupted' } })
  })

  // A promise: see docs/promises.md.
  test('after a request to cancel is its end: a cancelled task never runs again', async () => {
    const t = await running((app, sleep) => app.task('work', () => sleep('1h')))
    const id = await t.client.submit('work')
    await t.settle()
    await t.client.cancel(id, 'enough')
    t.crash()
    await t.restart()
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'CancelRequested', 'Cancelled'])
  })
})

describe('a crash while a task writes a reply', () => {
  const written = async (options: { readonly id?: string; readonly onInterrupt?: 'fail' }) => {
    const { id, onInterrupt = 'retry' } = options
    const t = await running((app, sleep) =>
      app.task('teller', { onInterrupt }, async (_, { session, attempt }) => {
        await using writer = session?.streamReply(id === undefined ? {} : { id })
        await writer?.write(`attempt ${attempt}`)
        if (attempt === 1) await sleep('1h')
      }),
    )
    const { sessionId } = await t.running.createSession({ by: 'user:ada', ownerId: 'ada' })
    const replies = async () =>
      (await t.client.transcript(sessionId)).flatMap((item) =>
        item.kind === 'reply' ? [`${item.text}${item.streaming ? '…' : ''}`] : [],
      )
    await t.client.submit('teller', {}, { sessionId })
    await t.settle()
    expect(await replies()).toEqual(['attempt 1…'])
    t.crash()
    await t.restart()
    await t.advance(1)
    return replies()
  }

  test('leaves what it had written, and nothing that seems to be written still', async () => {
    expect(await written({ onInterrupt: 'fail' })).toEqual(['attempt 1'])
    expect(await written({})).toEqual(['attempt 1', 'attempt 2'])
  })

  test('with an id: the next attempt writes it again, in its place', async () => {
    expect(await written({ id: 'told' })).toEqual(['attempt 2'])
  })
})

describe('a crash around an append', () => {
  const working = () =>
    running((app, sleep) => {
      app.task('work', { retries: 1, backoff: { base: 10 } }, async (input, { attempt }) => {
        await sleep(1)
        if ((input as { fail?: boolean }).fail && attempt === 1) throw new Error('no')
        return attempt
      })
    })

  test.each([
    ['before', 'TaskCompleted', 2, ['Submitted', 'Started', 'Interrupted', 'Started', 'Completed']],
    ['after', 'TaskCompleted', 1, ['Submitted', 'Started', 'Completed']],
    ['after', 'TaskStarted', 2, ['Submitted', 'Started', 'Interrupted', 'Started', 'Completed']],
  ] as const)('%s %s: the task is completed once', async (when, type, result, story) => {
    const t = await working()
    const crashed = t.crashAt(when, type)
    // Its answer may be lost with the process.
    void t.client.submit('work', {})
    await t.advance(5)
    await crashed
    await t.restart()
    await t.advance(5)
    const [job] = (await t.running.reads.jobs({})).items
    expect(job).toMatchObject({ status: 'completed', result })
    expect(await storyOf(t, job?.id ?? '')).toEqual(story)
  })

  // A promise: see docs/promises.md.
  test('before a submit is recorded: there is no task, and nobody was told that there is', async () => {
    const t = await working()
    const crashed = t.crashAt('before', 'TaskSubmitted')
    let answered = false
    void t.client.submit('work').then(() => {
      answered = true
    })
    await crashed
    await t.restart()
    expect(answered).toBe(false)
    expect(await t.running.reads.countJobs({})).toBe(0)
  })

  test('after a failure is recorded: the retry comes when it is due', async () => {
    const t = await working()
    const crashed = t.crashAt('after', 'TaskRetryScheduled')
    const id = await t.client.submit('work', { fail: true })
    await t.advance(2)
    await crashed
    await t.restart()
    await t.advance(3)
    expect((await t.client.job(id)).status).toBe('retry')
    await t.advance(10)
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'RetryScheduled', 'Started', 'Completed'])
  })

  // A promise: see docs/promises.md.
  test('a delayed task that came due while nothing ran starts at the next start', async () => {
    const t = await working()
    const id = await t.client.submit('work', {}, { delay: 60 })
    t.crash()
    await t.advance('1h')
    await t.restart()
    await t.advance(1)
    expect((await t.client.job(id)).status).toBe('completed')
  })
})

describe('a crash between a lock and its task', () => {
  const locking = (onLocked: 'queue' | 'replace' = 'queue') =>
    running((app, sleep) => {
      app.task('work', { lock: LOCK, onLocked }, async (input, { signal }) => {
        await sleep(10, { signal })
        if ((input as { fail?: boolean }).fail) throw new Error('no')
        return 'done'
      })
    })

  // A promise: see docs/promises.md.
  test('a submit that the lock acknowledged is completed', async () => {
    const t = await locking()
    const crashed = t.crashAt('before', 'TaskSubmitted')
    void t.client.submit('work', { n: 1 })
    await crashed
    expect((await t.events(`lock-${LOCK}`)).map(({ type }) => type)).toEqual(['LockAcquired'])
    await t.restart()
    await t.advance(10)
    expect((await t.running.reads.jobs({})).items).toMatchObject([{ status: 'completed', params: { n: 1 } }])
  })

  test('so is one that waits in the queue', async () => {
    const t = await locking()
    await t.client.submit('work', { n: 1 })
    const crashed = t.crashAt('before', 'TaskSubmitted')
    void t.client.submit('work', { n: 2 })
    await crashed
    await t.restart()
    await t.advance(30)
    const { items } = await t.running.reads.jobs({ status: ['completed'] })
    expect(items.map(({ params }) => params.n).toSorted()).toEqual([1, 2])
  })

  // A promise: see docs/promises.md.
  test('a holder that ended lets go, and the next one runs', async () => {
    const t = await locking()
    const first = await t.client.submit('work')
    const second = await t.client.submit('work')
    const crashed = t.crashAt('after', 'TaskCompleted')
    await t.advance(10)
    await crashed
    expect((await t.events(`lock-${LOCK}`)).map(({ type }) => type)).toEqual(['LockAcquired', 'LockQueued'])
    await t.restart()
    await t.advance(10)
    expect((await t.client.job(first)).status).toBe('completed')
    expect((await t.client.job(second)).status).toBe('completed')
  })

  // A promise: see docs/promises.md.
  test('those displaced are cancelled', async () => {
    const t = await locking('replace')
    const first = await t.client.submit('work')
    await t.settle()
    const crashed = t.crashAt('before', 'TaskCancelRequested')
    void t.client.submit('work', { n: 2 })
    await crashed
    await t.restart()
    await t.advance(30)
    expect((await t.client.job(first)).status).toBe('cancelled')
    expect((await t.running.reads.jobs({ status: ['completed'] })).items).toMatchObject([{ params: { n: 2 } }])
  })

  // A promise: see docs/promises.md.
  test('a requeue that the lock acknowledged is completed', async () => {
    const t = await locking()
    const id = await t.client.submit('work', { fail: true })
    await t.advance(10)
    const crashed = t.crashAt('before', 'TaskRequeued')
    void t.client.retry(id)
    await crashed
    await t.restart()
    await t.advance(10)
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'Failed', 'Requeued', 'Started', 'Failed'])
    expect((await t.events(`lock-${LOCK}`)).at(-1)?.type).toBe('LockReleased')
  })
})

test('a task that waited when the node started is claimed for the run that waited, and for no later one', async () => {
  let isAhead = false
  const t = await running(
    (app, sleep) => {
      app.task('blocker', () => sleep('1h'))
      app.task('holder', { lock: LOCK, onLocked: 'queue', priority: 1 }, () => sleep(10))
    },
    {
      concurrency: 1,
      wrapStore: (store) =>
        interrupting(store, async (stream, [event]) => {
          if (!isAhead || event?.type !== 'TaskStarted' || stream !== `demo.task-${waited}`) return
          isAhead = false
          await requeueBehindAnother(store, waited)
        }),
    },
  )
  await t.client.submit('blocker')
  const waited = await t.client.submit('holder')
  await t.settle()
  t.crash()
  isAhead = true
  await t.restart()
  expect(isAhead).toBe(false)
  expect(await storyOf(t, 'another')).toEqual(['Submitted', 'Started'])
  expect(await storyOf(t, waited)).toEqual(['Submitted', 'Cancelled', 'Requeued'])
})

/** What other nodes did before this one heard of it: the task ended, another took its lock, and it is to run again. */
async function requeueBehindAnother(store: EventStore, taskId: string): Promise<void> {
  const system = new ActorSystem({ app: 'demo', store, clock: new ManualClock() })
  const locks = new LockKeeper(system, 'another')
  const by = { by: 'user:bob' } as const
  const asked = submission({ name: 'holder', params: {}, lockKey: LOCK, onLocked: 'queue', priority: 1 })
  await system.execute(taskKind, taskId, { type: 'cancel' }, by)
  await locks.release(LOCK, taskId, 'cancelled', 1)
  await locks.acquire('another', asked, by, { carry: true })
  await system.execute(taskKind, 'another', { type: 'submit', submission: asked }, by)
  await locks.acquire(taskId, asked, by, { requeue: true, run: 2 })
  await system.execute(taskKind, taskId, { type: 'requeue' }, by)
}

// A promise: see docs/promises.md.
test('every crash point of a busy app: after a restart each task has ended once, and no lock is held', async () => {
  const types = [
    'TaskSubmitted',
    'TaskStarted',
    'TaskCompleted',
    'TaskRetryScheduled',
    'LockAcquired',
    'LockQueued',
    'LockReleased',
    'TaskCancelRequested',
  ]
  for (const type of types) {
    for (const when of ['before', 'after'] as const) {
      const t = await running((app, sleep) => {
        app.task('plain', { retries: 1 }, async (_, { attempt }) => {
          await sleep(1)
          if (attempt === 1) throw new Error('no')
        })
        app.task('locked', { lock: LOCK, onLocked: 'queue' }, () => sleep(2))
        app.task('newest', { lock: 'n', onLocked: 'replace' }, (_, { signal }) => sleep(2, { signal }))
      })
      const crashed = t.crashAt(when, type)
      for (const name of ['plain', 'locked', 'newest', 'plain', 'locked', 'newest'])
        void t.client.submit(name).catch(() => {})
      await t.advance(20)
      await crashed
      await t.restart()
      await t.advance(60)
      const endings = new Map<string, number>()
      for (const event of await t.events()) {
        if (!event.stream.includes('.task-')) continue
        const isEnd = ['TaskCompleted', 'TaskFailed', 'TaskTimedOut', 'TaskCancelled'].includes(event.type)
        endings.set(event.stream, (endings.get(event.stream) ?? 0) + (isEnd ? 1 : 0))
      }
      expect([...endings.values()], `${when} ${type}`).toEqual([...endings.values()].map(() => 1))
      expect(await t.running.reads.locks(), `${when} ${type}`).toEqual([])
    }
  }
})
