/**
 * The task's rules: a command and what is known, in; facts or a refusal, out. Pure.
 *
 * A command of an attempt is held against the claim before anything else: an attempt that lost its claim changes
 * nothing, whatever state the task is in now, and the try is recorded.
 */
import { instant, isWaiting, type TaskError, type TaskFact, type TaskStatus } from '../../events/index.ts'
import { AttemptFenced, CommandRefused } from '../errors.ts'
import { type DecideContext, type Decision, nothing, refuse, type State } from '../kind.ts'
import type { Start, TaskCommand } from './commands.ts'
import type { Claim, TaskContext } from './machine.ts'

type Task = State<TaskContext>
type TaskDecision = Decision<TaskFact>
type ClaimedCommand = Extract<TaskCommand, { readonly claim: string }>

/** A task that ended its node twice runs alone; alone and a third time, it is the one to blame. */
export const CRASHES_BEFORE_ALONE = 2

export function decideTask(command: TaskCommand, task: Task, context: DecideContext): TaskDecision {
  switch (command.type) {
    case 'submit':
      return submit(command, task, context)
    case 'start':
      return start(command, task, context)
    case 'refresh':
      return extend(task.context.claim, task, context)
    case 'cancel':
      return cancel(command, task)
    case 'reject':
      return isWaiting(task.value)
        ? { facts: [{ type: 'TaskFailed', data: { error: command.error } }] }
        : refuse(new CommandRefused('reject', `The task is ${task.value}, not waiting.`))
    case 'expire':
      return expire(task, context) ?? refuse(new CommandRefused('expire', 'The task has not expired.'))
    case 'requeue':
      return requeue(command.reason, task)
    case 'delete':
      return remove(task)
    case 'settleCallback':
      return settleCallback(command, task)
    default:
      return claimed(command, task, context)
  }
}

function submit(
  { submission, start }: Extract<TaskCommand, { type: 'submit' }>,
  task: Task,
  context: DecideContext,
): TaskDecision {
  if (task.value !== 'new') return nothing
  if (submission.runAt !== undefined) {
    return { facts: [{ type: 'TaskScheduled', data: { ...submission, runAt: submission.runAt } }] }
  }
  const submitted = { type: 'TaskSubmitted', data: submission } as const
  return { facts: start ? [submitted, started(start, 1, submission.timeoutMs, context)] : [submitted] }
}

function start(command: Start, task: Task, context: DecideContext): TaskDecision {
  const { submission, runAt, attempt, crashes } = task.context
  if (!submission || !isWaiting(task.value))
    return refuse(new CommandRefused('start', `The task is ${task.value}, not waiting.`))
  if (command.run !== undefined && command.run !== task.context.run)
    return refuse(new CommandRefused('start', `The task is in its run ${task.context.run}, not ${command.run}.`))
  if (command.crashes !== undefined && command.crashes < crashes)
    return refuse(
      new CommandRefused('start', `It ended ${crashes} processes, of which the node knows ${command.crashes}.`),
    )
  if (runAt !== undefined && runAt > Math.max(context.now, command.waitedUntil ?? 0)) {
    return refuse(new CommandRefused('start', `The task is not due before ${instant(runAt)}.`))
  }
  return expire(task, context) ?? { facts: [started(command, attempt + 1, submission.timeoutMs, context)] }
}

/** A task that waits for its very first start, too late; whoever wanted to start it is refused. */
function expire(task: Task, context: DecideContext): TaskDecision | undefined {
  const { submission, attempt, run } = task.context
  if (submission?.expiresAt === undefined || attempt > 0 || run > 1 || !isWaiting(task.value)) return undefined
  if (Date.parse(submission.expiresAt) > context.now) return undefined
  const error = taskError('Expired', 'The task was not started before it expired.')
  const refusal = new CommandRefused('start', `The task expired at ${submission.expiresAt}.`)
  return { facts: [{ type: 'TaskFailed', data: { error } }], refusal }
}

function started(start: Start, attempt: number, timeoutMs: number | undefined, context: DecideContext) {
  const { node, version, fence, alone, claim } = start
  return {
    type: 'TaskStarted',
    id: claim,
    by: `node:${node}`,
    data: {
      // In the order of their names, as the hash takes them.
      ...(alone ? { alone } : {}),
      attempt,
      ...(timeoutMs === undefined ? {} : { deadline: instant(context.now + timeoutMs) }),
      ...(fence === undefined ? {} : { fence }),
      node,
      ...(version === undefined ? {} : { version }),
    },
  } as const
}

/** Commands of an attempt: nothing but the current claim gets further than this. */
function claimed(command: ClaimedCommand, task: Task, context: DecideContext): TaskDecision {
  const { claim } = task.context
  if (claim?.id !== command.claim) return fenced(command, task)
  switch (command.type) {
    case 'progress': {
      const { fraction, message } = command
      return {
        facts: [
          {
            type: 'TaskProgressed',
            data: {
              claim: claim.id,
              ...(fraction === undefined ? {} : { fraction }),
              ...(message === undefined ? {} : { message }),
            },
          },
        ],
      }
    }
    case 'log': {
      const { level, message, data } = command
      return {
        facts: [
          { type: 'TaskLogged', data: { claim: claim.id, level, message, ...(data === undefined ? {} : { data }) } },
        ],
      }
    }
    case 'extend':
      return extend(claim, task, context)
    case 'complete':
      return { facts: [{ type: 'TaskCompleted', data: { claim: claim.id, result: command.result } }] }
    case 'fail':
      return cancelled(claim, task) ?? fail(command, claim, task, context)
    case 'timeOut':
      return cancelled(claim, task) ?? timeOut(command, claim, task, context)
    case 'interrupt':
      return cancelled(claim, task) ?? interrupt(command, claim, task, context)
    case 'acknowledgeCancel':
      return (
        cancelled(claim, task) ?? refuse(new CommandRefused('acknowledgeCancel', 'Nobody asked to cancel the task.'))
      )
  }
}

/** Records once that a former attempt tried to write, and refuses. */
function fenced(command: ClaimedCommand, task: Task): TaskDecision {
  const refusal = new AttemptFenced('attempt', 'the task', command.claim)
  if (task.value === 'new' || task.context.refusedWrites.includes(`${command.claim}:${command.type}`))
    return { facts: [], refusal }
  const reason = task.context.claim
    ? `Attempt ${task.context.claim.attempt} on ${task.context.claim.node} holds the claim.`
    : `The task is ${task.value}: no attempt holds a claim.`
  return { facts: [{ type: 'TaskWriteRefused', data: { claim: command.claim, tried: command.type, reason } }], refusal }
}

/** After a request to cancel, the run ends as cancelled, unless it finished first. */
function cancelled(claim: Claim, task: Task): TaskDecision | undefined {
  const requested = task.context.cancelRequested
  if (!requested) return undefined
  const { reason } = requested
  return { facts: [{ type: 'TaskCancelled', data: { claim: claim.id, ...(reason === undefined ? {} : { reason }) } }] }
}

function fail(
  { error, delayMs }: Extract<TaskCommand, { type: 'fail' }>,
  claim: Claim,
  task: Task,
  context: DecideContext,
): TaskDecision {
  return error.retryable && hasRetryLeft(task)
    ? {
        facts: [
          {
            type: 'TaskRetryScheduled',
            data: { claim: claim.id, cause: 'failure', error, runAt: instant(context.now + delayMs) },
          },
        ],
      }
    : { facts: [{ type: 'TaskFailed', data: { claim: claim.id, error } }] }
}

function timeOut(
  { error, delayMs }: Extract<TaskCommand, { type: 'timeOut' }>,
  claim: Claim,
  task: Task,
  context: DecideContext,
): TaskDecision {
  return task.context.submission?.retryOnTimeout && hasRetryLeft(task)
    ? {
        facts: [
          {
            type: 'TaskRetryScheduled',
            data: { claim: claim.id, cause: 'timeout', error, runAt: instant(context.now + delayMs) },
          },
        ],
      }
    : { facts: [{ type: 'TaskTimedOut', data: { claim: claim.id, error } }] }
}

function interrupt(
  { cause, alone = false, detail }: Extract<TaskCommand, { type: 'interrupt' }>,
  claim: Claim,
  task: Task,
  context: DecideContext,
): TaskDecision {
  const how = detail === undefined ? '' : ` ${detail}`
  if (task.context.submission?.onInterrupt === 'fail') {
    return failed(claim, 'TaskInterrupted', `Its process ended (${cause}) and onInterrupt is 'fail'.${how}`)
  }
  if (cause === 'crash' && (claim.alone || alone) && task.context.crashes >= CRASHES_BEFORE_ALONE) {
    const crashes = task.context.crashes + 1
    return failed(
      claim,
      'Poisoned',
      `It ended the process that ran it ${crashes} times, the last time alone on ${claim.node}.${how}`,
    )
  }
  return {
    facts: [
      {
        type: 'TaskInterrupted',
        data: { claim: claim.id, cause, runAt: instant(context.now), ...(detail === undefined ? {} : { detail }) },
      },
    ],
  }
}

function failed(claim: Claim, type: string, message: string): TaskDecision {
  return { facts: [{ type: 'TaskFailed', data: { claim: claim.id, error: { type, message, retryable: false } } }] }
}

function extend(claim: Claim | undefined, task: Task, context: DecideContext): TaskDecision {
  if (!claim)
    return refuse(new CommandRefused('refresh', `The task is ${task.value}: only a running task has a deadline.`))
  const timeoutMs = task.context.submission?.timeoutMs
  if (timeoutMs === undefined)
    return refuse(new CommandRefused('refresh', 'The task has no timeout, so no deadline to push out.'))
  return {
    facts: [{ type: 'TaskDeadlineExtended', data: { claim: claim.id, deadline: instant(context.now + timeoutMs) } }],
  }
}

function cancel({ reason, onlyWaiting }: Extract<TaskCommand, { type: 'cancel' }>, task: Task): TaskDecision {
  const data = reason === undefined ? {} : { reason }
  if (isWaiting(task.value)) return { facts: [{ type: 'TaskCancelled', data }] }
  const { claim, cancelRequested } = task.context
  if (!claim) return refuse(new CommandRefused('cancel', `The task has ended already: it is ${task.value}.`))
  if (onlyWaiting)
    return refuse(new CommandRefused('cancel', 'The task is running: only waiting ones were to be cancelled.'))
  return cancelRequested ? nothing : { facts: [{ type: 'TaskCancelRequested', data: { claim: claim.id, ...data } }] }
}

function requeue(reason: string | undefined, task: Task): TaskDecision {
  // Retention counts on it: between its copy and its end nothing begins a task again.
  if (task.context.deleted) return refuse(new CommandRefused('retry', 'The task was deleted. Submit it again.'))
  switch (task.value) {
    case 'failed':
    case 'cancelled':
    case 'timeout':
      return {
        facts: [
          { type: 'TaskRequeued', data: { run: task.context.run + 1, ...(reason === undefined ? {} : { reason }) } },
        ],
      }
    case 'completed':
      return refuse(new CommandRefused('retry', 'The task has completed. Submit it again to run it again.'))
    default:
      return refuse(new CommandRefused('retry', `The task is ${task.value}: it has not ended.`))
  }
}

function remove(task: Task): TaskDecision {
  if (task.context.deleted) return nothing
  if (task.value === 'new') return refuse(new CommandRefused('delete', 'There is no such task.'))
  return { facts: [{ type: 'TaskDeleted', data: {} }] }
}

/** Once for each run, however often it was tried. */
function settleCallback(command: Extract<TaskCommand, { type: 'settleCallback' }>, task: Task): TaskDecision {
  const { run, url, tries } = command
  // A task that was retired meanwhile is told of nothing any more.
  if (task.value === 'new') return nothing
  if (task.context.settledCallbacks.includes(run)) return nothing
  return 'status' in command
    ? { facts: [{ type: 'CallbackDelivered', data: { run, url, status: command.status, tries } }] }
    : { facts: [{ type: 'CallbackFailed', data: { run, url, tries, reason: command.reason } }] }
}

function hasRetryLeft(task: Task): boolean {
  return task.context.failures < (task.context.submission?.retries ?? 0)
}

export type TaskAction = 'cancel' | 'retry' | 'refresh' | 'delete'

/** What an operator may do with a task in this state, and why not the rest, by asking the rules themselves. */
export function taskActions(
  status: TaskStatus,
  facts: { readonly cancelRequested: boolean; readonly hasTimeout: boolean },
): { readonly allowed: readonly TaskAction[]; readonly refused: Readonly<Partial<Record<TaskAction, string>>> } {
  const key = `${status}:${facts.cancelRequested}:${facts.hasTimeout}`
  let actions = knownActions.get(key)
  if (!actions) {
    actions = askActions(status, facts.cancelRequested, facts.hasTimeout)
    knownActions.set(key, actions)
  }
  return actions
}

const knownActions = new Map<string, ReturnType<typeof askActions>>()

function askActions(status: TaskStatus, cancelRequested: boolean, hasTimeout: boolean) {
  const claim: Claim = { id: 'claim', attempt: 1, node: 'node', startedAt: 0, deadline: undefined, alone: false }
  const task: Task = {
    value: status,
    context: {
      revision: 0,
      commandIds: [],
      submission: {
        name: 'task',
        params: {},
        ownerId: 'owner',
        priority: 0,
        tags: [],
        retries: 0,
        backoff: { base: 0, factor: 1, max: 0 },
        graceMs: 0,
        ...(hasTimeout ? { timeoutMs: 1 } : {}),
      },
      run: 1,
      attempt: 1,
      failures: 0,
      crashes: 0,
      claim: status === 'running' ? claim : undefined,
      runAt: undefined,
      cancelRequested: cancelRequested ? { reason: undefined, by: 'system' } : undefined,
      result: undefined,
      error: undefined,
      refusedWrites: [],
      settledCallbacks: [],
      deleted: false,
    },
  }
  const context: DecideContext = { key: '', now: 0, by: 'system', newId: () => '' }
  const commands = { cancel: 'cancel', retry: 'requeue', refresh: 'refresh', delete: 'delete' } as const
  const allowed: TaskAction[] = []
  const refused: Partial<Record<TaskAction, string>> = {}
  for (const action of ['cancel', 'retry', 'refresh', 'delete'] as const) {
    const { facts, refusal } = decideTask({ type: commands[action] }, task, context)
    if (facts.length && !refusal) allowed.push(action)
    else refused[action] = refusal?.message ?? 'It has been asked for already.'
  }
  return { allowed, refused }
}

/** For an error the system itself raises about a task. */
function taskError(type: string, message: string, retryable = false): TaskError {
  return { type, message, retryable }
}
