/**
 * Loaded in the process of a task: imports the file that defines the app, finds the handler by the task's name, and runs
 * it with a session and tasks that are carried out by the process that runs the app.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { AttemptFenced, NotRunning } from '../../actors/index.ts'
import {
  asJson,
  asLogged,
  knowErrors,
  type LoadedGuest,
  type LoadGuest,
  NonRetryableError,
  printed,
  type RunningJob,
} from '../../execution/index.ts'
import { withSession } from '../current-session.ts'
import { findApp } from '../find-app.ts'
import { handlerInput } from '../input.ts'
import { OwnerSession } from '../owner-session.ts'
import type { TaskContext } from '../task.ts'
import { TaskFailed } from '../task-api.ts'
import type { RemoteCalls } from './calls.ts'
import { enterGuest } from './in-guest.ts'
import { RemoteSession, remoteCalls, remoteTaskApi } from './remote.ts'

/** Twice as often as progress is recorded. */
const PROGRESS_EVERY_MS = 125

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
      const input = handlerInput(definition, job.params)
      const calls = remoteCalls(job.call)
      const { ownerId, sessionId } = job
      const session = sessionId === undefined ? undefined : new RemoteSession(calls, sessionId, { ownerId })
      const handler = definition.handler as (input: unknown, context: TaskContext) => unknown
      const progress = new Progress(calls)
      const context = contextOf(job, session, calls, progress)
      const work = () =>
        withSession(session ?? new OwnerSession({ ownerId }), heldByHost, () => handler(input, context))
      try {
        return asJson(await current.run(calls, work))
      } finally {
        await progress.flush()
      }
    },
    retryable: (task, error) => {
      try {
        return !(error instanceof NonRetryableError) && (app.tasks.get(task)?.retryable(error) ?? false)
      } catch (thrown) {
        // Told where all is that it prints: in the task's log.
        process.stderr.write(`The retryFor of task ${task} threw: ${printed(thrown)}\n`)
        return false
      }
    },
  }
}

/** Told, not waited for, and the last of many: a handler may call it in its innermost loop. */
class Progress {
  readonly #calls: RemoteCalls
  #told = Number.NEGATIVE_INFINITY
  #later: NodeJS.Timeout | undefined
  #latest: Parameters<RemoteCalls['progress']> | undefined
  #telling: Promise<void> = Promise.resolve()

  constructor(calls: RemoteCalls) {
    this.#calls = calls
  }

  tell(fraction: number | undefined, message: string | undefined): void {
    this.#latest = [fraction, message]
    const restMs = this.#told + PROGRESS_EVERY_MS - performance.now()
    if (restMs <= 0) void this.flush()
    // What a handler says before it waits for long is shown all the same.
    else this.#later ??= setTimeout(() => void this.flush(), restMs).unref()
  }

  flush(): Promise<void> {
    clearTimeout(this.#later)
    this.#later = undefined
    const latest = this.#latest
    this.#latest = undefined
    if (latest === undefined) return this.#telling
    this.#told = performance.now()
    // An attempt that may no longer write hears of it from the calls that it waits for.
    this.#telling = this.#calls.progress(...latest).catch(() => {})
    return this.#telling
  }
}

function contextOf(
  job: RunningJob,
  session: RemoteSession | undefined,
  calls: RemoteCalls,
  progress: Progress,
): TaskContext {
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
      progress.tell(fraction, message === undefined ? undefined : printed(message))
    },
    heartbeat: () => calls.heartbeat(),
    log: async (message, data) => calls.log(printed(message), asLogged(data)),
  }
}

/** Each call is held against the claim where it is carried out. */
async function heldByHost(): Promise<void> {}
