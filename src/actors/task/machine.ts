/**
 * The task machine: which fact may follow which, and what is known after it. Its picture is in
 * docs/concepts/tasks.md; the rules that choose the facts are in decide.ts.
 */
import { assign, setup } from 'xstate'
import type { JsonValue, Submission, TaskError, TaskFact } from '../../events/index.ts'
import { type Applied, applied, NOTHING_APPLIED, type Recorded } from '../kind.ts'

/** The attempt under way; its id is that of the TaskStarted event. */
export interface Claim {
  readonly id: string
  readonly attempt: number
  readonly node: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly deadline: number | undefined
  readonly alone: boolean
}

export interface TaskContext extends Applied {
  readonly submission: Submission | undefined
  /** 1 for the first run; each requeue begins another. */
  readonly run: number
  /** Starts so far, over all runs. */
  readonly attempt: number
  /** Attempts of this run that used up a retry. */
  readonly failures: number
  /** Attempts of this run that ended with their process. */
  readonly crashes: number
  readonly claim: Claim | undefined
  /** Not to be started before this, milliseconds since the epoch. */
  readonly runAt: number | undefined
  readonly cancelRequested: { readonly reason: string | undefined; readonly by: string } | undefined
  readonly result: JsonValue | undefined
  readonly error: TaskError | undefined
  /** `claim:command` of writes that were refused, so that a zombie in a loop is recorded once. */
  readonly refusedWrites: readonly string[]
  /** Runs whose callback was delivered or given up. */
  readonly settledCallbacks: readonly number[]
  readonly deleted: boolean
}

const initial: TaskContext = {
  ...NOTHING_APPLIED,
  submission: undefined,
  run: 1,
  attempt: 0,
  failures: 0,
  crashes: 0,
  claim: undefined,
  runAt: undefined,
  cancelRequested: undefined,
  result: undefined,
  error: undefined,
  refusedWrites: [],
  settledCallbacks: [],
  deleted: false,
}

const ended = { claim: undefined, runAt: undefined, cancelRequested: undefined } as const

/** What is known after a fact; which state it leads to is the machine's. */
export function evolveTask(context: TaskContext, fact: Recorded<TaskFact>): TaskContext {
  return { ...context, ...changes(context, fact), ...applied(context, fact) }
}

function changes(context: TaskContext, fact: Recorded<TaskFact>): Partial<TaskContext> {
  switch (fact.type) {
    case 'TaskSubmitted':
      return { submission: fact.data }
    case 'TaskScheduled':
      return { submission: fact.data, runAt: Date.parse(fact.data.runAt) }
    case 'TaskStarted': {
      const { attempt, node, deadline, alone } = fact.data
      return {
        attempt,
        runAt: undefined,
        error: undefined,
        claim: {
          id: fact.id,
          attempt,
          node,
          startedAt: fact.at,
          deadline: deadline === undefined ? undefined : Date.parse(deadline),
          alone: alone === true,
        },
      }
    }
    case 'TaskDeadlineExtended':
      return context.claim ? { claim: { ...context.claim, deadline: Date.parse(fact.data.deadline) } } : {}
    case 'TaskRetryScheduled':
      return { ...ended, runAt: Date.parse(fact.data.runAt), failures: context.failures + 1, error: fact.data.error }
    case 'TaskInterrupted':
      return {
        ...ended,
        runAt: Date.parse(fact.data.runAt),
        crashes: context.crashes + (fact.data.cause === 'crash' ? 1 : 0),
      }
    case 'TaskCancelRequested':
      return { cancelRequested: { reason: fact.data.reason, by: fact.by } }
    case 'TaskCompleted':
      return { ...ended, result: fact.data.result, error: undefined }
    case 'TaskFailed':
    case 'TaskTimedOut':
      return { ...ended, error: fact.data.error }
    case 'TaskCancelled':
      return { ...ended }
    case 'TaskRequeued':
      return { run: fact.data.run, failures: 0, crashes: 0, result: undefined, error: undefined }
    case 'TaskWriteRefused':
      return { refusedWrites: [...context.refusedWrites.slice(-31), `${fact.data.claim}:${fact.data.tried}`] }
    case 'TaskDeleted':
      return { deleted: true }
    case 'CallbackDelivered':
    case 'CallbackFailed':
      return { settledCallbacks: [...context.settledCallbacks.slice(-31), fact.data.run] }
    default:
      return {}
  }
}

export const taskMachine = setup({
  types: { context: {} as TaskContext, events: {} as Recorded<TaskFact> },
  actions: { apply: assign(({ context, event }) => evolveTask(context, event)) },
}).createMachine({
  id: 'task',
  context: initial,
  initial: 'new',
  on: {
    TaskWriteRefused: { actions: 'apply' },
    TaskDeleted: { actions: 'apply' },
    CallbackDelivered: { actions: 'apply' },
    CallbackFailed: { actions: 'apply' },
  },
  states: {
    new: {
      on: {
        TaskSubmitted: { target: 'pending', actions: 'apply' },
        TaskScheduled: { target: 'scheduled', actions: 'apply' },
      },
    },
    pending: { on: waiting() },
    scheduled: { on: waiting() },
    retry: { on: waiting() },
    running: {
      on: {
        TaskProgressed: { actions: 'apply' },
        TaskLogged: { actions: 'apply' },
        TaskDeadlineExtended: { actions: 'apply' },
        TaskCancelRequested: { actions: 'apply' },
        TaskRetryScheduled: { target: 'retry', actions: 'apply' },
        TaskInterrupted: { target: 'retry', actions: 'apply' },
        TaskCompleted: { target: 'completed', actions: 'apply' },
        TaskFailed: { target: 'failed', actions: 'apply' },
        TaskTimedOut: { target: 'timeout', actions: 'apply' },
        TaskCancelled: { target: 'cancelled', actions: 'apply' },
      },
    },
    completed: {},
    failed: { on: { TaskRequeued: { target: 'pending', actions: 'apply' } } },
    cancelled: { on: { TaskRequeued: { target: 'pending', actions: 'apply' } } },
    timeout: { on: { TaskRequeued: { target: 'pending', actions: 'apply' } } },
  },
})

function waiting() {
  return {
    TaskStarted: { target: 'running', actions: 'apply' },
    TaskCancelled: { target: 'cancelled', actions: 'apply' },
    TaskFailed: { target: 'failed', actions: 'apply' },
  } as const
}
