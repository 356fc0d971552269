/** What locks hold to, by their own streams and by the tasks that need them. */
import type { LockFact, RecordedEvent, Submission } from '../../../src/events/index.ts'
import { parseStream } from '../../../src/events/index.ts'
import type { History, Invariant } from '../history.ts'
import { APP } from '../simulated-app.ts'

export const lockInvariants: readonly Invariant[] = [
  { name: 'a lock has one live holder, who came first', check: oneHolder },
]

interface Party {
  readonly taskId: string
  readonly name: string
  readonly ownerId: string
}

interface Lock {
  holder: (Party & { readonly fence: string }) | undefined
  queue: readonly Party[]
}

interface Task {
  readonly submission: Submission
  running: boolean
  ended: boolean
}

const ENDS = ['TaskCompleted', 'TaskFailed', 'TaskTimedOut', 'TaskCancelled']

function* oneHolder({ events }: History): Iterable<string> {
  const locks = new Map<string, Lock>()
  const tasks = new Map<string, Task>()
  for (const event of events) {
    const stream = parseStream(APP, event.stream)
    if (stream?.kind === 'lock') {
      const lock = locks.get(stream.key) ?? { holder: undefined, queue: [] }
      locks.set(stream.key, lock)
      yield* onLock(stream.key, lock, event, tasks)
    } else if (stream?.kind === 'task') yield* onTask(stream.key, event, tasks, locks)
  }
  for (const [key, { holder, queue }] of locks) {
    if (holder) yield `lock ${key} is still held by ${holder.taskId} when all is over`
    if (queue.length > 0) yield `lock ${key} still has ${queue.length} who wait when all is over`
  }
}

function* onTask(id: string, event: RecordedEvent, tasks: Map<string, Task>, locks: Map<string, Lock>) {
  const { type, data } = event
  if (type === 'TaskSubmitted' || type === 'TaskScheduled') {
    tasks.set(id, { submission: data as unknown as Submission, running: false, ended: false })
    return
  }
  const task = tasks.get(id)
  if (!task) return
  if (type === 'TaskStarted') {
    task.running = true
    const { lockKey } = task.submission
    if (lockKey === undefined) return
    const holder = locks.get(lockKey)?.holder
    if (holder?.taskId !== id) yield `task ${id} started while lock ${lockKey} was held by ${holder?.taskId}`
    else if (data.fence !== holder.fence) yield `task ${id} started with fence ${data.fence}, it is ${holder.fence}`
  } else if (type === 'TaskRetryScheduled' || type === 'TaskInterrupted') task.running = false
  else if (type === 'TaskRequeued') task.ended = false
  else if (ENDS.includes(type)) {
    task.running = false
    task.ended = true
  }
}

function* onLock(key: string, lock: Lock, event: RecordedEvent, tasks: ReadonlyMap<string, Task>) {
  const fact = event as unknown as LockFact
  const where = `${fact.type} of lock ${key} at ${event.revision}`
  const fence = String(event.revision)
  switch (fact.type) {
    case 'LockAcquired':
      if (lock.holder) yield `${where} while ${lock.holder.taskId} holds it`
      lock.holder = { ...fact.data, fence }
      return
    case 'LockQueued': {
      const { onLocked } = fact.data.submission ?? {}
      if (onLocked === 'reject') yield `${where}: a task that is to be rejected waits`
      const displaced = fact.data.replaces ?? []
      lock.queue = [...lock.queue.filter(({ taskId }) => !displaced.includes(taskId)), fact.data]
      return
    }
    case 'LockJoined': {
      const joined = [lock.holder, ...lock.queue].find((party) => party?.taskId === fact.data.taskId)
      if (!joined) yield `${where}: ${fact.data.taskId} neither holds the lock nor waits`
      return
    }
    case 'LockReleased': {
      const { taskId } = fact.data
      const task = tasks.get(taskId)
      if (lock.holder?.taskId === taskId) {
        // One whose idempotency key was used with other input got here by mistake, and runs under another lock.
        const isItsOwn = task?.submission.lockKey === key
        if (isItsOwn && task.running) yield `${where} while its holder ${taskId} runs`
        else if (isItsOwn && !task.ended) yield `${where} before the run of its holder ${taskId} has ended`
        lock.holder = undefined
      } else lock.queue = lock.queue.filter((waiter) => waiter.taskId !== taskId)
      return
    }
    case 'LockTakenOver': {
      const [next, ...others] = lock.queue
      if (lock.holder) yield `${where} while ${lock.holder.taskId} holds it`
      if (next?.taskId !== fact.data.to) yield `${where} goes to ${fact.data.to}, the next in line is ${next?.taskId}`
      if (next) lock.holder = { ...next, fence }
      lock.queue = others
    }
  }
}
