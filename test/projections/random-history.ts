/** Random but legal histories of tasks, sessions and locks, from a list of small integers. */
import fc from 'fast-check'
import type { JobStatus } from '../../src/projections/index.ts'
import { failure, History, iso, submission } from './support.ts'

const NAMES = ['build_report', 'send_mail']
const OWNERS = ['local', 'ada']
const SESSIONS = ['s1', 's2']
const TASKS = 12

export const steps = fc.array(fc.tuple(fc.nat(TASKS - 1), fc.nat(9), fc.nat(2000)), { minLength: 1, maxLength: 150 })

interface Task {
  status: JobStatus | 'none'
  claim: string
  attempt: number
}

/** Each step is a task, what happens to it, and the milliseconds since the step before. */
export function historyOf(list: readonly (readonly [number, number, number])[]): History {
  const history = new History()
  const tasks = new Map<string, Task>()
  for (const session of SESSIONS) history.session(session, { type: 'SessionStarted', data: { ownerId: 'local' } })
  for (const [n, what, ms] of list) {
    history.now += ms
    const id = `t${n}`
    const task = tasks.get(id) ?? { status: 'none', claim: '', attempt: 0 }
    tasks.set(id, task)
    if (what === 9) talk(history, SESSIONS[n % 2] ?? 's1', n, ms, task)
    else if (what === 8) lock(history, n, ms)
    else step(history, id, n, task, what)
  }
  return history
}

function step(history: History, id: string, n: number, task: Task, what: number): void {
  const { claim } = task
  switch (task.status) {
    case 'none': {
      const data = submission({
        name: NAMES[n % 2] ?? 'x',
        ownerId: OWNERS[n % 3 === 0 ? 1 : 0] ?? 'local',
        params: { report_id: `r${n}`, size: n },
        ...(n % 4 === 0 ? {} : { sessionId: SESSIONS[n % 2] ?? 's1' }),
        ...(n % 5 === 0 ? { lockKey: 'k', tags: ['big'] } : {}),
      })
      if (what % 2 === 0) history.task(id, { type: 'TaskSubmitted', data })
      else history.task(id, { type: 'TaskScheduled', data: { ...data, runAt: iso(history.now + 1000 * (n + 1)) } })
      task.status = what % 2 === 0 ? 'pending' : 'scheduled'
      return
    }
    case 'pending':
    case 'scheduled':
    case 'retry':
      if (what === 0) {
        history.task(id, { type: 'TaskCancelled', data: {} })
        task.status = 'cancelled'
      } else if (what === 1) {
        history.task(id, { type: 'TaskDeleted', data: {} })
      } else {
        const [event] = history.task(id, { type: 'TaskStarted', data: { attempt: ++task.attempt, node: 'n1' } })
        task.claim = event?.id ?? ''
        task.status = 'running'
      }
      return
    case 'running':
      if (what < 2) history.task(id, { type: 'TaskProgressed', data: { claim, fraction: what / 2 } })
      else if (what === 2) history.task(id, { type: 'TaskCancelRequested', data: { claim } })
      else if (what === 3) {
        const runAt = iso(history.now + 500)
        history.task(id, { type: 'TaskRetryScheduled', data: { claim, cause: 'failure', error: failure(), runAt } })
        task.status = 'retry'
      } else if (what === 4) {
        history.task(id, { type: 'TaskInterrupted', data: { claim, cause: 'crash', runAt: iso(history.now) } })
        task.status = 'retry'
      } else if (what === 5) {
        history.task(id, { type: 'TaskFailed', data: { claim, error: failure() } })
        task.status = 'failed'
      } else {
        history.task(id, { type: 'TaskCompleted', data: { claim, result: { n } } })
        task.status = 'completed'
      }
      return
    default:
      if (what < 3 && task.status !== 'completed') {
        history.task(id, { type: 'TaskRequeued', data: { run: 2 } })
        task.status = 'pending'
      } else if (what === 3) history.task(id, { type: 'TaskDeleted', data: {} })
      else history.task(id, { type: 'TaskLogged', data: { claim, level: 'info', message: 'late' } })
  }
}

function talk(history: History, session: string, n: number, ms: number, { status, claim }: Task): void {
  const say = ms % 4
  const replyId = `r${n % 3}`
  if (say === 0)
    history.session(session, { type: 'MessageReceived', data: { messageId: `m${ms}`, text: `hello ${ms}` } })
  else if (say === 1) history.session(session, { type: 'Notified', data: { noticeId: `n${n % 2}`, text: `at ${ms}` } })
  else if (say === 2)
    history.session(session, {
      type: 'ReplyStreamed',
      data: { replyId, offset: 0, text: `part ${ms}`, ...(status === 'running' ? { taskId: `t${n}`, claim } : {}) },
    })
  else history.session(session, { type: 'Replied', data: { replyId, text: `whole ${ms}` } })
}

/** Every fifth task wants the lock `k`: one of them takes, queues for or leaves it. */
function lock(history: History, n: number, ms: number): void {
  const taskId = `t${n - (n % 5)}`
  const party = { key: 'k', taskId, name: 'build_report', ownerId: 'local' }
  if (ms % 3 === 0) history.add('lock', 'k', { type: 'LockReleased', data: { taskId, reason: 'ended' } })
  else if (ms % 3 === 1) history.add('lock', 'k', { type: 'LockQueued', data: party })
  else history.add('lock', 'k', { type: 'LockTakenOver', data: { to: taskId, reason: 'released' } })
}

/** Cuts events into batches of these sizes, over and over. */
export function* cut<T>(items: readonly T[], sizes: readonly number[]): Generator<T[]> {
  for (let i = 0, k = 0; i < items.length; k++) {
    const size = sizes[k % sizes.length] ?? 1
    yield items.slice(i, i + size)
    i += size
  }
}
