/** What a lock owes after a crash is found at the place that its state names, however long its past is. */
import { describe, expect, test } from 'vitest'
import { ActorSystem, lockKind, ManualClock, MemorySnapshots, type Origin, taskKind } from '../../src/actors/index.ts'
import { type EventStore, newId, type Submission } from '../../src/events/index.ts'
import { LockKeeper } from '../../src/execution/locks.ts'
import { submission } from '../actors/given.ts'
import { CountingStore, interrupting } from '../actors/stores.ts'

const KEY = 'k'
const EVERY = 50
const BY: Origin = { by: 'user:ada' }

/** A process on the log, with the directory that it keeps its snapshots in. */
function processOn(store: EventStore, snapshots = new MemorySnapshots()) {
  const report = (error: unknown): never => {
    throw error
  }
  const system = new ActorSystem({
    app: 'demo',
    store,
    clock: new ManualClock(),
    exclusive: true,
    snapshots: { store: snapshots, every: EVERY, report },
  })
  return { system, locks: new LockKeeper(system, 'n1') }
}

const asks = (onLocked: NonNullable<Submission['onLocked']>, name = 'report') =>
  submission({ name, lockKey: KEY, onLocked })

async function taskOf({ system }: ReturnType<typeof processOn>, id: string) {
  return (await system.read(taskKind, id)).state
}

/** A log whose lock was taken and let go so many times. */
async function withPast(times: number) {
  const store = new CountingStore()
  const snapshots = new MemorySnapshots()
  const { locks } = processOn(store, snapshots)
  for (let n = 0; n < times; n++) {
    const taskId = newId()
    await locks.acquire(taskId, asks('queue'), BY, { carry: true })
    await locks.release(KEY, taskId, 'completed')
  }
  return { store, snapshots, locks }
}

describe('a repair', () => {
  test('reads no more of a lock that was taken thousands of times than of a new one', async () => {
    const { store, snapshots, locks } = await withPast(1000)
    await locks.acquire('holder', asks('queue'), BY, { carry: true })
    await locks.acquire('waiter', asks('queue'), BY, { carry: true })
    await new Promise((resolve) => setImmediate(resolve))
    const next = processOn(store, snapshots)
    const read = await store.during(() => next.locks.repair(KEY))
    expect(read).toBeLessThan(EVERY + 20)
    expect((await taskOf(next, 'holder')).value).toBe('pending')
    expect((await taskOf(next, 'waiter')).value).toBe('pending')
  })

  test('completes what a task asked for before it became the holder', async () => {
    const { store, locks } = await withPast(3)
    await locks.acquire('holder', asks('queue'), BY, { carry: true })
    await locks.acquire('next', asks('queue', 'other'), BY, { carry: true })
    await locks.release(KEY, 'holder', 'completed')
    const process = processOn(store)
    await process.locks.repair(KEY)
    expect((await taskOf(process, 'next')).context.submission).toMatchObject({ name: 'other' })
  })

  test('cancels those whom a task displaced, also when that one holds the lock by now', async () => {
    const store = new CountingStore()
    const first = processOn(store)
    for (const id of ['holder', 'waiter']) {
      await first.system.execute(taskKind, id, { type: 'submit', submission: asks('queue') }, BY)
      await first.locks.acquire(id, asks('queue'), BY)
    }
    await first.locks.acquire('newest', asks('replace'), BY, { carry: true })
    await first.locks.release(KEY, 'holder', 'completed')
    const next = processOn(store)
    await next.locks.repair(KEY)
    expect((await taskOf(next, 'waiter')).value).toBe('cancelled')
    expect((await taskOf(next, 'newest')).value).toBe('pending')
  })

  test('does not let go of what a task has asked for meanwhile, for its next run', async () => {
    const store = new CountingStore()
    const other = processOn(store)
    await other.system.execute(taskKind, 't', { type: 'submit', submission: asks('queue') }, BY)
    await other.locks.acquire('t', asks('queue'), BY)
    await other.system.execute(taskKind, 't', { type: 'cancel' }, BY)
    let isFirst = true
    const slow = processOn(
      interrupting(store, async (_, [event]) => {
        if (event?.type !== 'LockReleased' || !isFirst) return
        isFirst = false
        await other.locks.release(KEY, 't', 'cancelled', 1)
        await other.locks.acquire('t', asks('queue'), BY, { requeue: true, run: 2 })
        await other.system.execute(taskKind, 't', { type: 'requeue' }, BY)
      }),
    )
    await slow.locks.repair(KEY)
    expect(isFirst).toBe(false)
    const fresh = processOn(store)
    expect((await fresh.system.read(lockKind, KEY)).state.context.holder).toMatchObject({ taskId: 't', run: 2 })
  })

  test('requeues nothing that another requeued meanwhile and that has ended since', async () => {
    const store = new CountingStore()
    const { system, locks } = processOn(store)
    const command = (type: 'cancel' | 'requeue') => system.execute(taskKind, 't', { type }, BY)
    await system.execute(taskKind, 't', { type: 'submit', submission: asks('queue') }, BY)
    await command('cancel')
    await locks.acquire('t', asks('queue'), BY, { requeue: true, run: 2 })
    // The lock knows the first of two who asked; the second was the quicker one.
    await command('requeue')
    await command('cancel')
    const next = processOn(store)
    await next.locks.repair(KEY)
    expect(await taskOf(next, 't')).toMatchObject({ value: 'cancelled', context: { run: 2 } })
    expect((await next.system.read(lockKind, KEY)).state.value).toBe('free')
  })
})

test('whoever joined a task gets it recorded, though it was displaced before it was', async () => {
  const store = new CountingStore()
  const { locks } = processOn(store)
  await locks.acquire('holder', asks('queue', 'other'), BY, { carry: true })
  await locks.acquire('joined', asks('join'), BY, { carry: true })
  const { joined } = await locks.acquire('asker', asks('join'), BY, { carry: true })
  expect(joined).toBe('joined')
  await locks.acquire('newest', asks('replace'), BY, { carry: true })
  const next = processOn(store)
  await next.locks.submitted(KEY, 'joined')
  expect((await taskOf(next, 'joined')).context.submission).toMatchObject({ name: 'report' })
})
