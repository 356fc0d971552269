/** Wraps what users wrote into what execution runs: input checked, session at hand, context injected. */
import type { ActorSystem } from '../actors/index.ts'
import { sessionKind, taskKind } from '../actors/index.ts'
import { copyOf, taskError } from '../events/index.ts'
import {
  type Attempt,
  asLogged,
  type Handlers,
  type LoopWatch,
  NonRetryableError,
  occurrenceTask,
  onFailureTask,
  type TaskHandler,
  type TaskProcesses,
  type TurnRun,
} from '../execution/index.ts'
import type { ReadModels } from '../projections/index.ts'
import type { App, MessageHandler, Runs, Schedule } from './app.ts'
import { ChatSession } from './chat-session.ts'
import { withSession } from './current-session.ts'
import type { TaskDefinition } from './definition.ts'
import { handlerInput } from './input.ts'
import { OwnerSession } from './owner-session.ts'
import { callsOf } from './process/host.ts'
import type { FailureFunction, TaskContext } from './task.ts'

interface Services {
  readonly system: ActorSystem
  readonly reads: ReadModels
  readonly node: string
  /** For process tasks. Absent where they run in this process: in tests. */
  readonly apart?: Apart | undefined
  /** Names handlers that hold the event loop. */
  readonly watch?: LoopWatch | undefined
}

interface Apart {
  readonly processes: TaskProcesses
  /** Whatever runs the app, once it does. */
  readonly runs: Runs
}

export function handlersOf(app: App, services: Services): Handlers {
  const handlers = new Map<string, TaskHandler>()
  for (const definition of app.tasks.values()) {
    const { apart } = services
    const handler =
      definition.process && apart ? processHandler(definition, apart, services) : taskHandler(definition, services)
    handlers.set(definition.name, handler)
  }
  for (const { name, onFailure, input } of app.tasks.values()) {
    if (onFailure) handlers.set(onFailureTask(name), failureHandler(onFailure, input, services))
  }
  for (const schedule of app.schedules.values()) handlers.set(occurrenceTask(schedule.name), scheduleHandler(schedule))
  const { onMessage } = app
  const { watch } = services
  const turn = onMessage && ((turn: TurnRun) => answer(onMessage, turn, services))
  if (watch) for (const [name, handler] of handlers) handlers.set(name, watched(`Task ${name}`, handler, watch))
  return {
    names: [...handlers.keys()],
    task: (name) => handlers.get(name),
    turn: watch && turn ? (run) => watch.run('The message handler', () => turn(run)) : turn,
  }
}

function watched(name: string, handler: TaskHandler, watch: LoopWatch): TaskHandler {
  if (handler.isolated) return handler
  return { ...handler, run: (attempt) => watch.run(name, () => handler.run(attempt)) }
}

function taskHandler(definition: TaskDefinition, services: Services): TaskHandler {
  const handler = definition.handler as (input: unknown, context: TaskContext) => unknown
  return {
    limits: definition.limits,
    retryable: definition.retryable,
    async run(attempt) {
      const input = handlerInput(definition, attempt.submission.params)
      return withContext(attempt, services, (context) => handler(input, context))
    },
  }
}

/** Runs what a task's onFailure says about a run that failed; `input` is the task's schema. */
function failureHandler(
  onFailure: NonNullable<TaskDefinition['onFailure']>,
  input: TaskDefinition['input'],
  services: Services,
): TaskHandler {
  const handler = onFailure as FailureFunction<unknown>
  return {
    retryable: () => true,
    async run(attempt) {
      const { failureOf, params } = attempt.submission
      if (!failureOf) throw new NonRetryableError('This task says nothing of the run it is about.')
      const { state } = await services.system.read(taskKind, failureOf.taskId)
      if (!state.context.submission)
        throw new NonRetryableError(`Task ${failureOf.taskId} was retired: its input is gone.`)
      const given = copyOf(state.context.submission.params)
      // What no longer fits the running code may be just why it failed: then it is handed over as it was recorded.
      const parsed = input?.safeParse(given)
      const fitting = parsed?.success ? parsed.data : given
      const error = taskError.parse(params.error)
      return withContext(attempt, services, (context) => handler(fitting, error, { ...context, failed: failureOf }))
    },
  }
}

function withContext<T>(attempt: Attempt, services: Services, work: (context: TaskContext) => T): Promise<Awaited<T>> {
  const session = sessionOf(attempt, services)
  const context: TaskContext = {
    taskId: attempt.taskId,
    attempt: attempt.claim.attempt,
    session,
    signal: attempt.signal,
    fence: attempt.fence,
    progress: (fraction, message) => attempt.progress(fraction, message),
    heartbeat: () => attempt.heartbeat(),
    log: async (message, data) => attempt.log('info', message, asLogged(data)),
  }
  const own = session ?? new OwnerSession({ ownerId: attempt.submission.ownerId })
  return speaking(session, () =>
    withSession(
      own,
      () => attempt.confirmUnfenced(),
      () => work(context),
    ),
  )
}

/** Runs a handler; the streamed replies that it leaves open end with it, or stand as they are if it fails. */
async function speaking<T>(session: ChatSession | undefined, work: () => T): Promise<Awaited<T>> {
  try {
    const result = await work()
    await session?.endReplies()
    return result
  } catch (error) {
    // One that lost its claim says nothing more.
    await session?.flushReplies().catch(() => {})
    throw error
  }
}

/** Its handler is found by name in its own process, which imports the app's file. */
function processHandler(definition: TaskDefinition, { processes, runs }: Apart, services: Services): TaskHandler {
  const memoryBytes = definition.process?.memoryBytes
  return {
    limits: definition.limits,
    isolated: true,
    retryable: (error) => processes.retryable(error),
    run(attempt) {
      const session = sessionOf(attempt, services)
      return speaking(session, () => processes.run(attempt, callsOf(attempt, session, runs), memoryBytes))
    },
  }
}

function scheduleHandler(schedule: Schedule): TaskHandler {
  return {
    retryable: () => false,
    async run(attempt) {
      const session = new OwnerSession({ ownerId: attempt.submission.ownerId })
      const due = new Date(attempt.submission.occurrence?.due ?? attempt.claim.startedAt)
      const { taskId, signal } = attempt
      const run = () => schedule.handler({ due, taskId, signal, session })
      return withSession(session, () => attempt.confirmUnfenced(), run)
    },
  }
}

function sessionOf(attempt: Attempt, { system, reads, node }: Services): ChatSession | undefined {
  const { sessionId, ownerId } = attempt.submission
  if (sessionId === undefined) return undefined
  return new ChatSession(
    { system, reads },
    sessionId,
    { ownerId },
    {
      speaker: { taskId: attempt.taskId, taskClaim: attempt.claim.id },
      scope: attempt.taskId,
      origin: { by: `node:${node}`, causationId: attempt.claim.id },
      confirmCurrent: () => attempt.confirmCurrent(),
    },
  )
}

async function answer(onMessage: MessageHandler, turn: TurnRun, { system, reads, node }: Services): Promise<void> {
  const { sessionId, claim, message, signal } = turn
  const { state } = await system.read(sessionKind, sessionId)
  const ownerId = state.context.ownerId ?? 'unknown'
  const session = new ChatSession(
    { system, reads },
    sessionId,
    { ownerId },
    {
      speaker: { turnClaim: claim },
      scope: message.messageId,
      origin: { by: `node:${node}`, causationId: claim },
      // The session's own stream holds the turn's claim against the call.
      confirmCurrent: async () => {},
    },
  )
  const run = () => onMessage(session, { id: message.messageId, text: message.text }, { signal })
  await speaking(session, () => withSession(session, () => turn.confirmCurrent(), run))
}
