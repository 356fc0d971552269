/** A declared task as whatever runs the app serves it: submit, find, count, cancel, and the handle of one task. */
import {
  type ActorSystem,
  CapsuleError,
  InvalidInput,
  isEnded,
  NotFound,
  NotRunning,
  type TaskContext,
  taskKind,
} from '../actors/index.ts'
import { copyOf, type EventStore, type JsonObject, TASK_STATUSES } from '../events/index.ts'
import { type Node, TimeoutError } from '../execution/index.ts'
import type { JobFilter, JobQuery, JobView, Page } from '../projections/index.ts'
import { SYSTEM } from './callers.ts'
import { type Duration, parseDuration } from './duration.ts'
import { plainInput } from './input.ts'
import type { Caller, RunningApp, SubmitItem } from './running.ts'
import type { FindOptions, ScheduleOptions, TaskFilter, TaskHandle } from './task.ts'
import { checkOptions, type Names } from './unchecked.ts'

/** A task as whatever runs the app serves it: the descriptor without the types of one task's input. */
export interface TaskApi<Result> {
  submit(input: JsonObject, options: ScheduleOptions): Promise<TaskHandle<Result>>
  /** `keys`: the idempotency key of each. */
  submitMany(
    inputs: readonly JsonObject[],
    options: Omit<ScheduleOptions, 'idempotencyKey'>,
    keys?: readonly string[],
  ): Promise<readonly PromiseSettledResult<TaskHandle<Result>>[]>
  find(options: FindOptions): Promise<readonly JobView[]>
  count(filter: TaskFilter): Promise<number>
  cancel(filter: TaskFilter): Promise<number>
  handle(taskId: string): TaskHandle<Result>
}

/** So many jobs the read models give at once. */
const MOST_A_PAGE = 500

export interface TaskApiParts {
  readonly system: ActorSystem
  readonly store: Pick<EventStore, 'head'>
  readonly node: Pick<Node, 'whenEnded'>
}

/** `handle.result()` of a task that did not complete. */
export class TaskFailed extends CapsuleError {
  readonly code = 'task-failed'
  readonly taskId: string
  readonly status: string
  constructor(taskId: string, status: string, message: string) {
    super(message)
    this.taskId = taskId
    this.status = status
  }
}

export function taskApiOf<Result>(name: string, running: RunningApp, parts: TaskApiParts): TaskApi<Result> {
  const handle = (taskId: string, joined: boolean) => new Handle<Result>(taskId, joined, running, parts)
  return {
    submit: async (input, options) => {
      const { taskId, joined } = await running.submit(
        { name, ...itemOf(name, input, options) },
        callerOf(options.session),
      )
      return handle(taskId, joined)
    },
    submitMany: async (inputs, options, keys) => {
      if (!Array.isArray(inputs))
        throw new InvalidInput('That submits nothing', [{ path: 'inputs', message: 'give a list' }])
      const items = inputs.map((input, index) => {
        const idempotencyKey = keys?.[index]
        return itemOf(name, input, { ...options, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) })
      })
      const outcomes = await running.submitMany(name, items, callerOf(options.session))
      return outcomes.map((outcome) =>
        outcome.status === 'rejected'
          ? outcome
          : { status: 'fulfilled', value: handle(outcome.value.taskId, outcome.value.joined) },
      )
    },
    find: async (options) => {
      const { limit = 100, offset = 0, ...filter } = options
      const query = { ...filterOf(name, filter), offset: wholeNumber('offset', offset) }
      const most = limit === Number.POSITIVE_INFINITY ? limit : wholeNumber('limit', limit)
      await caughtUp({ reads: running.reads, store: parts.store })
      return jobsOf(running, query, most)
    },
    count: async (filter) => {
      const query = filterOf(name, filter)
      await caughtUp({ reads: running.reads, store: parts.store })
      return running.reads.countJobs(query)
    },
    cancel: async (filter) => (await running.cancelWaiting(filterOf(name, filter), SYSTEM)).count,
    handle: (taskId) => handle(taskId, false),
  }
}

/** Resolves when reads include all that is in the log now. */
export async function caughtUp({ reads, store }: Pick<RunningApp, 'reads'> & Pick<TaskApiParts, 'store'>) {
  await reads.waitFor(await store.head())
}

/** @throws NotFound */
export async function taskState(
  { system }: Pick<TaskApiParts, 'system'>,
  id: string,
): Promise<{ readonly value: string; readonly context: TaskContext }> {
  const { state } = await system.read(taskKind, id)
  if (state.value === 'new') throw new NotFound('job', id)
  return state
}

/** Resolves when the task has ended, or after `timeoutMs`. @throws NotRunning when the app stops before */
export async function untilEnded(
  { system, node }: Pick<TaskApiParts, 'system' | 'node'>,
  id: string,
  timeoutMs: number | undefined,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<'ended' | 'late' | 'stopped'>()
  const hasEnded = async () => isEnded((await system.read(taskKind, id)).state.value)
  const stop = node.whenEnded(id, (isSeen) => resolve(isSeen ? 'ended' : 'stopped'))
  const timer =
    timeoutMs === undefined ? undefined : system.clock.at(system.clock.now() + timeoutMs, () => resolve('late'))
  try {
    // Listen first, look then: an end in between is not missed.
    if (await hasEnded()) return
    if ((await promise) === 'stopped' && !(await hasEnded()))
      throw new NotRunning(`The app stopped before task ${id} had ended, which goes on at the next start`)
  } finally {
    stop()
    timer?.cancel()
  }
}

/** A class: most submits make one that nobody looks at, and seven functions would be made for it. */
class Handle<Result> implements TaskHandle<Result> {
  readonly taskId: string
  readonly joined: boolean
  readonly #running: RunningApp
  readonly #parts: TaskApiParts

  constructor(taskId: string, joined: boolean, running: RunningApp, parts: TaskApiParts) {
    this.taskId = taskId
    this.joined = joined
    this.#running = running
    this.#parts = parts
  }

  async status(): Promise<JobView['status']> {
    return (await taskState(this.#parts, this.taskId)).value as JobView['status']
  }

  async job(): Promise<JobView> {
    const { reads } = this.#running
    await reads.waitFor(this.#running.acknowledged('task', this.taskId))
    const job = await reads.job(this.taskId)
    if (!job) throw new NotFound('job', this.taskId)
    return job
  }

  async result({ timeout }: { readonly timeout?: Duration } = {}): Promise<Result> {
    const { taskId } = this
    await taskState(this.#parts, taskId)
    await untilEnded(this.#parts, taskId, timeout === undefined ? undefined : parseDuration(timeout, 'timeout'))
    const { value, context } = await taskState(this.#parts, taskId)
    if (value === 'completed') return copyOf(context.result ?? null) as Result
    if (!isEnded(value)) throw new TimeoutError(`Task ${taskId} is still ${value}. Wait longer, or ask for its status.`)
    throw new TaskFailed(taskId, value, context.error?.message ?? `The task was ${value}.`)
  }

  async cancel(reason?: string): Promise<void> {
    await this.#running.cancelJob(this.taskId, SYSTEM, reason)
  }

  async refresh(): Promise<void> {
    await this.#running.refreshJob(this.taskId, SYSTEM)
  }
}

/** The newest `limit` jobs: the read models give them by pages. */
async function jobsOf({ reads }: RunningApp, query: JobQuery, limit: number): Promise<readonly JobView[]> {
  const found: JobView[] = []
  let page: JobQuery | undefined = query
  while (page && found.length < limit) {
    const size = Math.min(MOST_A_PAGE, limit - found.length)
    const { items, next }: Page<JobView> = await reads.jobs({ ...page, limit: size })
    found.push(...items)
    page = next === undefined ? undefined : { ...query, offset: 0, cursor: next }
  }
  return found
}

/** @throws InvalidInput for what is none: it would find, or cancel, more than was meant */
function filterOf(name: string, filter: TaskFilter): JobFilter {
  const { status, sessionId, ownerId, tag, q, input, ...unknown } = filter
  const [option] = Object.keys(unknown)
  if (option !== undefined) throw noFilter(option, 'use status, sessionId, ownerId, tag, q or input')
  const statuses = typeof status === 'string' ? [status] : status
  const odd = statuses?.find((each) => !TASK_STATUSES.includes(each))
  if (odd !== undefined) throw noFilter('status', `"${odd}" is none of ${TASK_STATUSES.join(', ')}`)
  for (const [field, value] of Object.entries(input ?? {})) {
    if (value === undefined) throw noFilter(`input.${field}`, 'is undefined: give a value, or leave it out')
  }
  return {
    name,
    ...(statuses === undefined ? {} : { status: statuses }),
    ...(sessionId === undefined ? {} : { sessionId }),
    ...(ownerId === undefined ? {} : { ownerId }),
    ...(tag === undefined ? {} : { tag }),
    ...(q === undefined ? {} : { q }),
    ...(input === undefined ? {} : { params: input }),
  }
}

/** @throws InvalidInput */
function wholeNumber(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw noFilter(option, `is ${value}, it must be a whole number from 0`)
}

function noFilter(path: string, message: string): InvalidInput {
  return new InvalidInput('That finds no tasks', [{ path, message }])
}

const OPTIONS: Names<ScheduleOptions> = {
  session: true,
  delay: true,
  runAt: true,
  priority: true,
  idempotencyKey: true,
  callbackUrl: true,
}

/** What an app's own code asks for, as every door asks for it. */
function itemOf(name: string, input: JsonObject, options: ScheduleOptions): SubmitItem {
  checkOptions(`a submit of ${name}`, options, OPTIONS)
  const { session, delay, runAt, priority, idempotencyKey, callbackUrl } = options
  return {
    params: plainInput(name, input),
    ...(session?.id === undefined ? {} : { sessionId: session.id }),
    ...(delay === undefined ? {} : { delay }),
    ...(runAt === undefined ? {} : { runAt: textOf(runAt) }),
    ...(priority === undefined ? {} : { priority }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(callbackUrl === undefined ? {} : { callbackUrl }),
  }
}

/** What is no instant is refused as every door's is. */
function textOf(runAt: Date | string): string {
  return runAt instanceof Date && !Number.isNaN(runAt.getTime()) ? runAt.toISOString() : String(runAt)
}

function callerOf(session: ScheduleOptions['session']): Caller {
  const ownerId = session?.user.ownerId ?? 'system'
  return { by: session ? `user:${ownerId}` : 'system', ownerId }
}
