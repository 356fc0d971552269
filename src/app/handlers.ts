/** Wraps what users wrote into what execution runs: input checked, session at hand, context injected. */
import type { ActorSystem } from '../actors/index.ts'
import { InvalidInput, sessionKind } from '../actors/index.ts'
import {
  type Attempt,
  type Handlers,
  NonRetryableError,
  occurrenceTask,
  type TaskHandler,
  type TurnRun,
} from '../execution/index.ts'
import type { ReadModels } from '../projections/index.ts'
import type { App, MessageHandler, Schedule } from './app.ts'
import type { TaskDefinition } from './definition.ts'
import { ChatSession, OwnerSession, type Session, withSession } from './session.ts'
import { parseInput, type TaskContext } from './task.ts'

interface Services {
  readonly system: ActorSystem
  readonly reads: ReadModels
  readonly node: string
}

export function handlersOf(app: App, services: Services): Handlers {
  const handlers = new Map<string, TaskHandler>()
  for (const definition of app.tasks.values()) handlers.set(definition.name, taskHandler(definition, services))
  for (const schedule of app.schedules.values()) handlers.set(occurrenceTask(schedule.name), scheduleHandler(schedule))
  const { onMessage } = app
  return {
    names: [...handlers.keys()],
    task: (name) => handlers.get(name),
    turn: onMessage && ((turn) => answer(onMessage, turn, services)),
  }
}

function taskHandler(definition: TaskDefinition, services: Services): TaskHandler {
  const handler = definition.handler as (input: unknown, context: TaskContext) => unknown
  return {
    limits: definition.limits,
    retryable: definition.retryable,
    async run(attempt) {
      const input = checked(definition, attempt)
      const session = sessionOf(attempt, services)
      const context: TaskContext = {
        taskId: attempt.taskId,
        attempt: attempt.claim.attempt,
        session,
        signal: attempt.signal,
        fence: attempt.fence,
        progress: (fraction, message) => attempt.progress(fraction, message),
        heartbeat: () => attempt.heartbeat(),
        log: (message, data) => attempt.log('info', message, data),
      }
      return withSession(session ?? new OwnerSession({ ownerId: attempt.submission.ownerId }), () =>
        handler(input, context),
      )
    },
  }
}

/** The code may be newer than the submit: what no longer fits fails at once, with the reason. */
function checked(definition: TaskDefinition, attempt: Attempt): unknown {
  try {
    return parseInput(definition, attempt.submission.params)
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error
    throw new NonRetryableError(`The input no longer fits the running code. ${error.message}`, { cause: error })
  }
}

function scheduleHandler(schedule: Schedule): TaskHandler {
  return {
    retryable: () => false,
    async run(attempt) {
      const session = new OwnerSession({ ownerId: attempt.submission.ownerId })
      const due = new Date(attempt.submission.occurrence?.due ?? attempt.claim.startedAt)
      const { taskId, signal } = attempt
      return withSession(session, () => schedule.handler({ due, taskId, signal, session }))
    },
  }
}

function sessionOf(attempt: Attempt, { system, reads, node }: Services): Session | undefined {
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
      assertCurrent: () => attempt.assertCurrent(),
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
      assertCurrent: () => {},
    },
  )
  await withSession(session, () => onMessage(session, { id: message.messageId, text: message.text }, { signal }))
}
