/**
 * Loaded in the process of a task: imports the file that defines the app, finds the handler by the task's name, and runs
 * it with a session and tasks that are carried out by the process that runs the app.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { AttemptFenced, NotRunning } from '../../actors/index.ts'
import {
  asJson,
  knowErrors,
  type LoadedGuest,
  type LoadGuest,
  NonRetryableError,
  type RunningJob,
} from '../../execution/index.ts'
import { checkedInput } from '../checked-input.ts'
import { TaskFailed } from '../engine.ts'
import { findApp } from '../find-app.ts'
import { OwnerSession, withSession } from '../session.ts'
import type { TaskContext } from '../task.ts'
import type { RemoteCalls } from './calls.ts'
import { enterGuest } from './in-guest.ts'
import { RemoteSession, remoteCalls, remoteTaskApi } from './remote.ts'

export const load: LoadGuest = async ({ entry, app: name }): Promise<LoadedGuest> => {
  enterGuest()
  knowErrors(TaskFailed)
  const app = findApp(await import(entry), name)
  if (!app) throw new TypeError(`It exports no app of the name ${name}. Write: export const app = createApp({ … })`)
  const current = new AsyncLocalStorage<RemoteCalls>()
  app.runOn({
    taskApi: (task) => {
      const calls = current.getStore()
      if (!calls) throw new NotRunning('Outside of a handler, the process of a task cannot reach the app')
      return remoteTaskApi(task, calls)
    },
  })
  return {
    run: async (job) => {
      const definition = app.tasks.get(job.name)
      if (!definition) throw new NonRetryableError(`${entry} declares no task "${job.name}" in its own process.`)
      const input = checkedInput(definition, job.params)
      const calls = remoteCalls(job.call)
      const { ownerId, sessionId } = job
      const session = sessionId === undefined ? undefined : new RemoteSession(calls, sessionId, { ownerId })
      const handler = definition.handler as (input: unknown, context: TaskContext) => unknown
      const context = contextOf(job, session, calls)
      const work = () => withSession(session ?? new OwnerSession({ ownerId }), () => handler(input, context))
      return asJson(await current.run(calls, work))
    },
    retryable: (task, error) =>
      !(error instanceof NonRetryableError) && (app.tasks.get(task)?.retryable(error) ?? false),
  }
}

function contextOf(job: RunningJob, session: RemoteSession | undefined, calls: RemoteCalls): TaskContext {
  const { taskId, attempt, signal, fence, claim } = job
  return {
    taskId,
    attempt,
    session,
    signal,
    fence,
    progress: (fraction, message) => {
      if (fraction !== undefined && !(fraction >= 0 && fraction <= 1)) {
        throw new RangeError(`progress(${fraction}): the fraction done is a number from 0 to 1.`)
      }
      if (signal.reason instanceof AttemptFenced) throw new AttemptFenced('attempt', `task ${taskId}`, claim)
      // Told, not waited for. Whoever may no longer write hears of it from the calls that it does wait for.
      calls.progress(fraction, message).catch(() => {})
    },
    heartbeat: () => calls.heartbeat(),
    log: (message, data) => calls.log(message, data),
  }
}
