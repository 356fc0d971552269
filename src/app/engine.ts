/** Runs an app: its commands and reads over the actors, the node and the read models. */
import { v5 as uuidv5 } from 'uuid'
import {
  type ActorSystem,
  CapsuleError,
  CommandRefused,
  decideTask,
  InvalidInput,
  isEnded,
  LockHeldError,
  NotFound,
  type Origin,
  QueueFull,
  scheduleKind,
  sessionKind,
  type TaskCommand,
  type TaskContext as TaskState,
  taskKind,
  UnknownTask,
} from '../actors/index.ts'
import {
  type EventStore,
  type JsonObject,
  newId,
  type Position,
  type RecordedEvent,
  type StreamKind,
  type Submission,
  streamName,
} from '../events/index.ts'
import {
  checkCallbackUrl,
  cronInWords,
  describeError,
  type Node,
  onFailureTask,
  TimeoutError,
} from '../execution/index.ts'
import type { JobFilter, JobStatus, JobView, ReadModels } from '../projections/index.ts'
import type { App, Runs } from './app.ts'
import { forEachJob } from './bulk.ts'
import type { PageDefinition, TaskDefinition } from './definition.ts'
import { parseDuration } from './duration.ts'
import { releaseLock } from './locks.ts'
import type {
  BulkOutcome,
  Caller,
  Executed,
  HealthCheck,
  RunningApp,
  ScheduleInfo,
  SubmitItem,
  SubmitRequest,
  Submitted,
} from './running.ts'
import { submitMany } from './submit-many.ts'
import {
  type FindOptions,
  parseInput,
  type ScheduleOptions,
  type TaskApi,
  type TaskHandle,
  withDefaults,
} from './task.ts'

export interface EngineParts {
  readonly app: App
  readonly version: string
  readonly system: ActorSystem
  readonly store: EventStore
  /** Nobody else uses it: it is closed with the app. */
  readonly ownsStore: boolean
  readonly reads: ReadModels
  readonly node: Node
  readonly allowPrivateCallbacks?: boolean
  /** Lets go of what the handlers were given. */
  readonly close?: () => Promise<void>
  /** Called when everything is closed. */
  readonly release?: () => void
}

/** Namespace of task ids that derive from an idempotency key. */
const KEYED = '8f0a3b52-1c7e-5d0b-9a56-4b7a2f6f9d11'
const ID = /^[A-Za-z0-9_-]{1,200}$/

export class Engine implements RunningApp, Runs {
  readonly #parts: EngineParts
  /** By task with maxQueued: submits on their way to the log. */
  readonly #submitting = new Map<string, number>()

  constructor(parts: EngineParts) {
    this.#parts = parts
  }

  get name(): string {
    return this.#parts.app.name
  }
  get version(): string {
    return this.#parts.version
  }
  get nodeId(): string {
    return this.#parts.node.id
  }
  /** Live nodes that take work, as this one sees it. */
  get nodes(): readonly string[] {
    return this.#parts.node.nodes
  }
  /** Appends of this node that another one was ahead of, by the type of their first event. */
  get conflicts(): ReadonlyMap<string, number> {
    return this.#parts.system.conflicts
  }
  get hasChat(): boolean {
    return this.#parts.app.onMessage !== undefined
  }
  get tasks(): ReadonlyMap<string, TaskDefinition> {
    return this.#parts.app.tasks
  }
  get pages(): readonly PageDefinition[] {
    return this.#parts.app.pages
  }
  get reads(): ReadModels {
    return this.#parts.reads
  }

  // Tasks --------------------------------------------------------------------------------------------------------------

  async submit(request: SubmitRequest, caller: Caller): Promise<Submitted> {
    return (await this.#prepare(request, caller))()
  }

  submitMany(name: string, items: readonly SubmitItem[], caller: Caller) {
    const definition = this.#definition(name)
    return submitMany(definition, items, caller, (request, each) => this.#prepare(request, each))
  }

  /** Checks a request. @returns what submits it */
  async #prepare(request: SubmitRequest, caller: Caller): Promise<() => Promise<Submitted>> {
    const definition = this.#definition(request.name)
    const { sessionId } = request
    const ownerId = sessionId === undefined ? caller.ownerId : await this.#sessionOwner(sessionId)
    const submission = this.#submission(definition, request, ownerId)
    const taskId = this.#taskId(definition.name, ownerId, request, caller)
    const { maxQueued } = definition
    return () =>
      maxQueued === undefined
        ? this.#parts.node.submitter.submit(taskId, submission, originOf(caller))
        : this.#submitBounded(maxQueued, taskId, submission, originOf(caller))
  }

  /** @throws QueueFull if as many wait, or are on their way to the log, as the task allows */
  async #submitBounded(limit: number, taskId: string, submission: Submission, origin: Origin): Promise<Submitted> {
    const { node, system } = this.#parts
    const { name } = submission
    if (node.queued(name) + (this.#submitting.get(name) ?? 0) >= limit) {
      // A repeat of one that was taken is no addition.
      const { state } = await system.read(taskKind, taskId)
      if (state.value === 'new') throw new QueueFull(name, limit)
    }
    this.#submitting.set(name, (this.#submitting.get(name) ?? 0) + 1)
    try {
      return await node.submitter.submit(taskId, submission, origin)
    } finally {
      this.#submitting.set(name, (this.#submitting.get(name) ?? 1) - 1)
    }
  }

  async pauseTask(name: string, caller: Caller): Promise<Position> {
    this.#definition(name)
    return this.#parts.node.setPaused(name, true, originOf(caller))
  }

  async resumeTask(name: string, caller: Caller): Promise<Position> {
    this.#definition(name)
    return this.#parts.node.setPaused(name, false, originOf(caller))
  }

  isPaused(name: string): boolean {
    return this.#parts.node.isPaused(name)
  }

  async execute(name: string, params: JsonObject, caller: Caller, waitMs?: number): Promise<Executed> {
    const definition = this.#definition(name)
    let submitted: Submitted
    try {
      const request: SubmitRequest = { name, params }
      const submission: Submission = {
        ...this.#submission(definition, request, caller.ownerId),
        retries: 0,
        ...(definition.lockKey ? { onLocked: 'reject' } : {}),
      }
      const taskId = this.#taskId(name, caller.ownerId, request, caller)
      submitted = await this.#parts.node.submitter.submit(taskId, submission, originOf(caller))
    } catch (error) {
      if (!(error instanceof InvalidInput || error instanceof LockHeldError)) throw error
      const { type, message, stack = '' } = describeError(error, false)
      const refused = { type: error instanceof InvalidInput ? 'ValidationError' : type, message, stack }
      return { taskId: undefined, params, outcome: { kind: 'error', error: refused } }
    }
    const { taskId } = submitted
    await this.#ended(taskId, waitMs)
    const { state } = await this.#parts.system.read(taskKind, taskId)
    const recorded = state.context.submission?.params ?? params
    if (!isEnded(state.value)) return { taskId, params: recorded, outcome: { kind: 'pending' } }
    if (state.value === 'completed') {
      return { taskId, params: recorded, outcome: { kind: 'result', result: state.context.result ?? null } }
    }
    const error = state.context.error ?? { type: 'CancelledError', message: 'The task was cancelled.' }
    return { taskId, params: recorded, outcome: { kind: 'error', error } }
  }

  async cancelJob(id: string, caller: Caller, reason?: string): Promise<Position> {
    return this.#command(id, { type: 'cancel', ...(reason === undefined ? {} : { reason }) }, caller)
  }

  async cancelWaiting(filter: JobFilter, caller: Caller): Promise<BulkOutcome> {
    await this.#caughtUp()
    const status = WAITING.filter((waiting) => filter.status === undefined || filter.status.includes(waiting))
    if (status.length === 0) return { count: 0, position: this.reads.position }
    return forEachJob(this.reads, { ...filter, status }, caller, (id, each) =>
      this.#command(id, { type: 'cancel', onlyWaiting: true }, each),
    )
  }

  async retryEnded(filter: JobFilter, caller: Caller): Promise<BulkOutcome> {
    await this.#caughtUp()
    const status = filter.status?.filter((wanted) => RETRYABLE.includes(wanted)) ?? FAILED
    if (status.length === 0) return { count: 0, position: this.reads.position }
    return forEachJob(this.reads, { ...filter, status }, caller, (id, each) => this.retryJob(id, each))
  }

  async retryJob(id: string, caller: Caller): Promise<Position> {
    const { context, value } = await this.#task(id)
    const { submission } = context
    if (context.deleted) throw new NotFound('job', id)
    if (submission?.lockKey === undefined) return this.#command(id, { type: 'requeue' }, caller)
    const { refusal } = decideTask({ type: 'requeue' }, { value, context }, { now: 0, by: caller.by, newId: newId })
    if (refusal) throw refusal
    // The lock's stream decides, and the requeue follows: it lands, if need be after a restart.
    const origin = originOf(caller)
    const { cause } = await this.#parts.node.locks.acquire(id, submission, origin, {
      requeue: true,
      run: context.run + 1,
    })
    const land = { ...origin, mustLand: true, ...(cause === undefined ? {} : { causationId: cause }) }
    return (await this.#parts.system.execute(taskKind, id, { type: 'requeue' }, land)).position
  }

  async refreshJob(id: string, caller: Caller): Promise<Position> {
    return this.#command(id, { type: 'refresh' }, caller)
  }

  async deleteJob(id: string, caller: Caller): Promise<Position> {
    const { value, context } = await this.#task(id)
    if (context.deleted) throw new NotFound('job', id)
    if (!isEnded(value)) await unlessRefused(this.#command(id, { type: 'cancel', reason: 'Deleted' }, caller))
    const { commandId: _, ...origin } = originOf(caller)
    return (await this.#parts.system.execute(taskKind, id, { type: 'delete' }, origin)).position
  }

  async waitForJob(id: string, timeoutMs: number): Promise<JobView | undefined> {
    await this.#ended(id, timeoutMs)
    await this.reads.waitFor(this.acknowledged('task', id))
    return this.reads.job(id)
  }

  waitingFor(job: JobView): string | undefined {
    if (!(WAITING as readonly JobStatus[]).includes(job.status)) return undefined
    if (!this.#runs(job.name)) return `handler ${job.name}`
    return this.#parts.node.waitsFor(job.id)
  }

  taskApi<Result>(name: string): TaskApi<Result> {
    const filter = (options: FindOptions): JobFilter => {
      const { status, input, limit: _, offset: __, ...rest } = options
      return {
        ...rest,
        name,
        ...(status === undefined ? {} : { status: typeof status === 'string' ? [status] : status }),
        ...(input === undefined ? {} : { params: input }),
      }
    }
    return {
      submit: async (input, options) => {
        const { taskId, joined } = await this.submit({ name, ...itemOf(input, options) }, callerOf(options.session))
        return this.#handle<Result>(taskId, joined)
      },
      submitMany: async (inputs, options, keys) => {
        const items = inputs.map((input, index) => {
          const idempotencyKey = keys?.[index]
          return itemOf(input, { ...options, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) })
        })
        const outcomes = await this.submitMany(name, items, callerOf(options.session))
        return outcomes.map((outcome) =>
          outcome.status === 'rejected'
            ? outcome
            : { status: 'fulfilled', value: this.#handle<Result>(outcome.value.taskId, outcome.value.joined) },
        )
      },
      find: async (options) => {
        await this.#caughtUp()
        const { limit = 100, offset = 0 } = options
        return (await this.reads.jobs({ ...filter(options), limit, offset })).items
      },
      count: async (options) => {
        await this.#caughtUp()
        return this.reads.countJobs(filter(options))
      },
      cancel: async (options) => (await this.cancelWaiting(filter(options), SYSTEM)).count,
      handle: (taskId) => this.#handle<Result>(taskId, false),
    }
  }

  // Sessions -----------------------------------------------------------------------------------------------------------

  async createSession(caller: Caller, options: { readonly id?: string; readonly title?: string } = {}) {
    const sessionId = options.id ?? newId()
    if (!ID.test(sessionId)) throw notAnId('session', sessionId)
    const { title } = options
    const command = { type: 'start', ownerId: caller.ownerId, ...(title === undefined ? {} : { title }) } as const
    const { position } = await this.#parts.system.execute(sessionKind, sessionId, command, originOf(caller))
    return { sessionId, position }
  }

  async sendMessage(
    sessionId: string,
    message: { readonly text: string; readonly messageId?: string; readonly create?: boolean },
    caller: Caller,
  ) {
    if (!this.hasChat) {
      throw new CommandRefused('message.send', 'This app answers no messages: it declares no app.message() handler.')
    }
    if (!ID.test(sessionId)) throw notAnId('session', sessionId)
    const messageId = message.messageId ?? caller.commandId ?? newId()
    const { position } = await this.#inSession(
      sessionId,
      { type: 'receive', messageId, text: message.text, ...(message.create ? { createFor: caller.ownerId } : {}) },
      originOf(caller),
    )
    return { messageId, position }
  }

  async retryMessage(sessionId: string, messageId: string, caller: Caller) {
    const newMessageId = caller.commandId ?? newId()
    const command = { type: 'retry', messageId, newMessageId } as const
    const { position } = await this.#inSession(sessionId, command, originOf(caller))
    return { messageId: newMessageId, position }
  }

  async stopTurn(sessionId: string, caller: Caller): Promise<Position> {
    return (await this.#inSession(sessionId, { type: 'stopTurn' }, originOf(caller))).position
  }

  // Locks --------------------------------------------------------------------------------------------------------------

  releaseLock(key: string, caller: Caller): Promise<Position> {
    const { system, node } = this.#parts
    return releaseLock({ system, locks: node.locks }, key, originOf(caller))
  }

  // Schedules ----------------------------------------------------------------------------------------------------------

  upcoming(name: string, count: number): readonly string[] {
    return this.#isKnownPaused(name)
      ? []
      : this.#parts.node.schedules.upcoming(name, count).map((due) => new Date(due).toISOString())
  }

  scheduleInfo(name: string): ScheduleInfo | undefined {
    const schedule = this.#parts.app.schedules.get(name)
    if (!schedule) return undefined
    const next = this.#isKnownPaused(name) ? undefined : this.#parts.node.schedules.next(name)
    return {
      name,
      meaning: cronInWords(schedule.cron),
      nextAt: next === undefined ? undefined : new Date(next).toISOString(),
    }
  }

  async triggerSchedule(name: string, caller: Caller) {
    this.#schedule(name)
    const { facts, position } = await this.#parts.system.execute(
      scheduleKind,
      name,
      { type: 'trigger', name },
      originOf(caller),
    )
    const due = facts[0] ?? (await this.#recordedFor(caller, 'schedule', name))
    return { taskId: String(due?.data.taskId), position }
  }

  async pauseSchedule(name: string, caller: Caller): Promise<Position> {
    this.#schedule(name)
    return (await this.#parts.system.execute(scheduleKind, name, { type: 'pause' }, originOf(caller))).position
  }

  async resumeSchedule(name: string, caller: Caller): Promise<Position> {
    this.#schedule(name)
    return (await this.#parts.system.execute(scheduleKind, name, { type: 'resume' }, originOf(caller))).position
  }

  // The whole ----------------------------------------------------------------------------------------------------------

  history(kind: StreamKind, id: string): Promise<readonly RecordedEvent[]> {
    return this.#parts.store.readStream(streamName(this.name, kind, id))
  }

  acknowledged(kind: StreamKind, id: string): Position {
    return this.#parts.system.acknowledged(streamName(this.name, kind, id))
  }

  async health(): Promise<readonly HealthCheck[]> {
    return [await this.#storeHealth(), await this.#readHealth()]
  }

  async stop(options: { readonly drainMs?: number; readonly hurry?: AbortSignal } = {}) {
    const { app, node, reads, store, ownsStore, close, release } = this.#parts
    const clean = await node.drain(options.drainMs ?? 10_000, options.hurry)
    await close?.()
    app.runOn(undefined)
    await reads.close()
    if (ownsStore) await store.close()
    release?.()
    return { clean }
  }

  // ---------------------------------------------------------------------------------------------------------------------

  #definition(name: string): TaskDefinition {
    const definition = this.tasks.get(name)
    if (!definition) throw new UnknownTask(name, [...this.tasks.keys()])
    return definition
  }

  #runs(name: string): boolean {
    const { app } = this.#parts
    return (
      app.tasks.has(name) ||
      (name.startsWith('schedule:') && app.schedules.has(name.slice(9))) ||
      [...app.tasks.values()].some((task) => task.onFailure && onFailureTask(task.name) === name)
    )
  }

  /** Only where nobody else appends; else what is resident may have been overtaken, and the read models say it. */
  #isKnownPaused(name: string): boolean {
    const { system } = this.#parts
    return system.exclusive && system.peek(scheduleKind, name)?.value === 'paused'
  }

  #schedule(name: string): void {
    if (!this.#parts.app.schedules.has(name)) throw new NotFound('schedule', name)
  }

  #submission(definition: TaskDefinition, request: SubmitRequest, ownerId: string): Submission {
    const params = withDefaults(request.params, parseInput(definition, request.params))
    const { timeoutMs, lockKey, retryOnTimeout, onInterrupt } = definition
    const { sessionId, idempotencyKey, callbackUrl = definition.callbackUrl } = request
    if (callbackUrl !== undefined) checkCallbackUrl(callbackUrl, this.#parts.allowPrivateCallbacks ?? false)
    const runAt = this.#runAt(request)
    const expiresAt = this.#expiresAt(definition.expiresMs, runAt)
    return {
      name: definition.name,
      params,
      ownerId,
      priority: request.priority ?? definition.priority,
      tags: [...definition.tags],
      retries: definition.retries,
      backoff: definition.backoff,
      graceMs: definition.graceMs,
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(retryOnTimeout ? { retryOnTimeout } : {}),
      ...(onInterrupt === 'fail' ? { onInterrupt } : {}),
      ...(definition.onFailure ? { onFailure: true } : {}),
      ...(callbackUrl === undefined ? {} : { callbackUrl }),
      ...(definition.process ? { process: true } : {}),
      ...(lockKey === undefined ? {} : { lockKey: lockKey(params), onLocked: definition.onLocked }),
      ...(runAt === undefined ? {} : { runAt }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    }
  }

  #runAt({ delay, runAt }: SubmitRequest): string | undefined {
    if (delay !== undefined && runAt !== undefined) {
      throw new InvalidInput('The start is said twice', [{ path: 'delay', message: 'give either delay or run_at' }])
    }
    if (delay !== undefined) {
      const due = this.#parts.system.clock.now() + parseDuration(delay, 'delay')
      if (due > LATEST)
        throw new InvalidInput('The delay is too long', [{ path: 'delay', message: 'ends after the year 9999' }])
      return new Date(due).toISOString()
    }
    if (runAt === undefined) return undefined
    const at = Date.parse(runAt)
    if (Number.isNaN(at)) {
      throw new InvalidInput(`"${runAt}" is not an instant`, [
        { path: 'run_at', message: 'write ISO 8601: 2026-01-31T09:00:00Z' },
      ])
    }
    return new Date(at).toISOString()
  }

  /** Counted from when it could start. */
  #expiresAt(expiresMs: number | undefined, runAt: string | undefined): string | undefined {
    if (expiresMs === undefined) return undefined
    const from = runAt === undefined ? this.#parts.system.clock.now() : Date.parse(runAt)
    return new Date(Math.min(LATEST, from + expiresMs)).toISOString()
  }

  /** With a key, or a client's id of the command, the same asking is the same task. */
  #taskId(name: string, ownerId: string, request: SubmitRequest, caller: Caller): string {
    const key = request.idempotencyKey ?? caller.commandId
    return key === undefined ? newId() : uuidv5(JSON.stringify([this.name, name, ownerId, key]), KEYED)
  }

  async #sessionOwner(sessionId: string): Promise<string> {
    if (!ID.test(sessionId)) throw notAnId('session', sessionId)
    const { state } = await this.#parts.system.read(sessionKind, sessionId)
    if (state.context.ownerId === undefined) throw new NotFound('session', sessionId)
    return state.context.ownerId
  }

  async #inSession(sessionId: string, command: Parameters<typeof sessionKind.decide>[0], origin: Origin) {
    try {
      return await this.#parts.system.execute(sessionKind, sessionId, command, origin)
    } catch (error) {
      throw error instanceof NotFound ? new NotFound('session', sessionId) : error
    }
  }

  async #task(id: string): Promise<{ readonly value: string; readonly context: TaskState }> {
    const { state } = await this.#parts.system.read(taskKind, id)
    if (state.value === 'new') throw new NotFound('job', id)
    return state
  }

  async #command(id: string, command: TaskCommand, caller: Caller): Promise<Position> {
    const { context } = await this.#task(id)
    if (context.deleted) throw new NotFound('job', id)
    return (await this.#parts.system.execute(taskKind, id, command, originOf(caller))).position
  }

  /** Resolves when the task has ended, or after `timeoutMs`. */
  async #ended(id: string, timeoutMs: number | undefined): Promise<void> {
    const { system, node } = this.#parts
    const { promise, resolve } = Promise.withResolvers<void>()
    const stop = node.whenEnded(id, resolve)
    const timer = timeoutMs === undefined ? undefined : system.clock.at(system.clock.now() + timeoutMs, resolve)
    try {
      // Listen first, look then: an end in between is not missed.
      const { state } = await system.read(taskKind, id)
      if (!isEnded(state.value)) await promise
    } finally {
      stop()
      timer?.cancel()
    }
  }

  #handle<Result>(taskId: string, joined: boolean): TaskHandle<Result> {
    return {
      taskId,
      joined,
      status: async () => (await this.#task(taskId)).value as JobView['status'],
      job: async () => {
        await this.reads.waitFor(this.acknowledged('task', taskId))
        const job = await this.reads.job(taskId)
        if (!job) throw new NotFound('job', taskId)
        return job
      },
      result: async (options = {}) => {
        await this.#task(taskId)
        await this.#ended(taskId, options.timeout === undefined ? undefined : parseDuration(options.timeout, 'timeout'))
        const { value, context } = await this.#task(taskId)
        if (value === 'completed') return context.result as Result
        if (!isEnded(value))
          throw new TimeoutError(`Task ${taskId} is still ${value}. Wait longer, or ask for its status.`)
        throw new TaskFailed(taskId, value, context.error?.message ?? `The task was ${value}.`)
      },
      cancel: async (reason) => void (await this.cancelJob(taskId, SYSTEM, reason)),
      refresh: async () => void (await this.refreshJob(taskId, SYSTEM)),
    }
  }

  /** What a command that is repeated led to the first time. */
  async #recordedFor({ commandId }: Caller, kind: StreamKind, id: string): Promise<RecordedEvent | undefined> {
    const events = await this.history(kind, id)
    return events.findLast(({ metadata }) => metadata.commandId === commandId)
  }

  async #caughtUp(): Promise<void> {
    await this.reads.waitFor(await this.#parts.store.head())
  }

  async #storeHealth(): Promise<HealthCheck> {
    try {
      await this.#parts.store.head()
      return { name: 'event store', status: 'healthy' }
    } catch (error) {
      return { name: 'event store', status: 'unhealthy', detail: messageOf(error) }
    }
  }

  async #readHealth(): Promise<HealthCheck> {
    try {
      const behind = (await this.#parts.store.head()) - this.reads.position
      if (behind < 50_000n) return { name: 'read models', status: 'healthy' }
      return { name: 'read models', status: 'degraded', detail: `${behind} events behind the log` }
    } catch (error) {
      return { name: 'read models', status: 'unhealthy', detail: messageOf(error) }
    }
  }
}

/** What an app's own code asks for, as every door asks for it. */
function itemOf(params: JsonObject, options: ScheduleOptions): SubmitItem {
  const { session, delay, runAt, priority, idempotencyKey, callbackUrl } = options
  return {
    params,
    ...(session?.id === undefined ? {} : { sessionId: session.id }),
    ...(delay === undefined ? {} : { delay }),
    ...(runAt === undefined ? {} : { runAt: typeof runAt === 'string' ? runAt : runAt.toISOString() }),
    ...(priority === undefined ? {} : { priority }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(callbackUrl === undefined ? {} : { callbackUrl }),
  }
}

function callerOf(session: ScheduleOptions['session']): Caller {
  const ownerId = session?.user.ownerId ?? 'system'
  return { by: session ? `user:${ownerId}` : 'system', ownerId }
}

/** A handler, or the app's own code, when no user is known. */
const SYSTEM: Caller = { by: 'system', ownerId: 'system' }
const WAITING = ['pending', 'scheduled', 'retry'] as const satisfies readonly JobStatus[]
const FAILED: readonly JobStatus[] = ['failed', 'timeout']
const RETRYABLE: readonly JobStatus[] = [...FAILED, 'cancelled']
/** The last instant that ISO 8601 writes with four digits of year. */
const LATEST = Date.parse('9999-12-31T23:59:59.999Z')

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

function originOf({ by, commandId, traceparent }: Caller): Origin {
  return { by, commandId, traceparent }
}

function notAnId(kind: string, id: string): InvalidInput {
  return new InvalidInput(`"${id.slice(0, 80)}" is not a ${kind} id`, [
    { path: 'id', message: 'use letters, digits, _ and -, at most 200 characters' },
  ])
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function unlessRefused(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof CommandRefused)) throw error
  }
}
