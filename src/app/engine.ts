/** Runs an app: its commands and reads over the actors, the node and the read models. */
import { type ActorSystem, CommandRefused, NotFound, scheduleKind, sessionKind } from '../actors/index.ts'
import {
  type EventStore,
  isWaiting,
  type JsonObject,
  type LogVerdict,
  newId,
  type Position,
  type RecordedEvent,
  START,
  type StreamKind,
  streamName,
  streamPrefix,
  verifyLog,
} from '../events/index.ts'
import { type AttemptTally, cronInWords, type Node, onFailureTask } from '../execution/index.ts'
import type { JobFilter, JobView, ReadModels } from '../projections/index.ts'
import type { App, Runs } from './app.ts'
import { notAnId, originOf, sessionIdOf, VALID_ID } from './callers.ts'
import type { PageDefinition, TaskDefinition } from './definition.ts'
import { executeOnce } from './execute.ts'
import { healthOf } from './health.ts'
import { JobCommands } from './job-commands.ts'
import { releaseLock } from './locks.ts'
import { type RetireOutcome, type RetireRequest, retireFrom } from './retention/index.ts'
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
import { Submits } from './submits.ts'
import { type TaskApi, taskApiOf, untilEnded } from './task-api.ts'
import { untilTurnEnded } from './turn-end.ts'

export interface EngineParts {
  readonly app: App
  readonly version: string
  readonly system: ActorSystem
  readonly store: EventStore
  /** Nobody else uses it: it is closed with the app. */
  readonly ownsStore: boolean
  readonly reads: ReadModels
  readonly node: Node
  /** Directory that retired streams go to, if there is one. */
  readonly archive?: string
  readonly allowPrivateCallbacks?: boolean
  /** Lets go of what the handlers were given. */
  readonly close?: () => Promise<void>
  /** Called when everything is closed. */
  readonly release?: () => void
}

export class Engine implements RunningApp, Runs {
  readonly #parts: EngineParts
  readonly #submits: Submits
  readonly #jobs: JobCommands
  /** By task: one serves all its submits. */
  readonly #taskApis = new Map<string, TaskApi<unknown>>()
  #stopped: { readonly clean: boolean } | undefined

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.#submits = new Submits(parts)
    this.#jobs = new JobCommands(parts)
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
  get attempts(): AttemptTally {
    return this.#parts.node.attempts
  }
  get work(): RunningApp['work'] {
    return this.#parts.node.work
  }

  // Tasks --------------------------------------------------------------------------------------------------------------

  submit(request: SubmitRequest, caller: Caller): Promise<Submitted> {
    return this.#submits.one(request, caller)
  }

  async submitMany(name: string, items: readonly SubmitItem[], caller: Caller) {
    return this.#submits.many(name, items, caller)
  }

  async pauseTask(name: string, caller: Caller): Promise<Position> {
    this.#submits.definition(name)
    return this.#parts.node.setPaused(name, true, originOf(caller))
  }

  async resumeTask(name: string, caller: Caller): Promise<Position> {
    this.#submits.definition(name)
    return this.#parts.node.setPaused(name, false, originOf(caller))
  }

  isPaused(name: string): boolean {
    return this.#parts.node.isPaused(name)
  }

  execute(name: string, params: JsonObject, caller: Caller, waitMs?: number): Promise<Executed> {
    return executeOnce(this.#parts, this.#submits, { name, params }, caller, waitMs)
  }

  cancelJob(id: string, caller: Caller, reason?: string): Promise<Position> {
    return this.#jobs.cancel(id, caller, reason)
  }

  cancelWaiting(filter: JobFilter, caller: Caller): Promise<BulkOutcome> {
    return this.#jobs.cancelWaiting(filter, caller)
  }

  retryEnded(filter: JobFilter, caller: Caller): Promise<BulkOutcome> {
    return this.#jobs.retryEnded(filter, caller)
  }

  retryJob(id: string, caller: Caller): Promise<Position> {
    return this.#jobs.retry(id, caller)
  }

  refreshJob(id: string, caller: Caller): Promise<Position> {
    return this.#jobs.refresh(id, caller)
  }

  deleteJob(id: string, caller: Caller): Promise<Position> {
    return this.#jobs.delete(id, caller)
  }

  async waitForJob(id: string, timeoutMs: number): Promise<JobView | undefined> {
    await untilEnded(this.#parts, id, timeoutMs)
    await this.reads.waitFor(this.acknowledged('task', id))
    return this.reads.job(id)
  }

  waitingFor(job: JobView): string | undefined {
    if (!isWaiting(job.status)) return undefined
    if (!this.#runs(job.name)) return `handler ${job.name}`
    return this.#parts.node.waitsFor(job)
  }

  taskApi<Result>(name: string): TaskApi<Result> {
    let api = this.#taskApis.get(name)
    if (!api) {
      api = taskApiOf(name, this, this.#parts)
      this.#taskApis.set(name, api)
    }
    // What its handler returns is known to whoever declared the task.
    return api as TaskApi<Result>
  }

  // Sessions -----------------------------------------------------------------------------------------------------------

  async createSession(caller: Caller, options: { readonly id?: string; readonly title?: string } = {}) {
    const sessionId = options.id ?? sessionIdOf(caller)
    if (!VALID_ID.test(sessionId)) throw notAnId('session', sessionId)
    const { title } = options
    const command = { type: 'start', ownerId: caller.ownerId, ...(title === undefined ? {} : { title }) } as const
    const { position } = await this.#parts.system.execute(sessionKind, sessionId, command, originOf(caller))
    return { sessionId, position }
  }

  async sendMessage(
    sessionId: string,
    message: { readonly text: string; readonly messageId?: string; readonly create?: boolean; readonly own?: boolean },
    caller: Caller,
  ) {
    if (!this.hasChat) {
      throw new CommandRefused('message.send', 'This app answers no messages: it declares no app.message() handler.')
    }
    if (!VALID_ID.test(sessionId)) throw notAnId('session', sessionId)
    const messageId = message.messageId ?? caller.commandId ?? newId()
    const { position } = await this.#parts.system.execute(
      sessionKind,
      sessionId,
      {
        type: 'receive',
        messageId,
        text: message.text,
        ...(message.create ? { createFor: caller.ownerId } : {}),
        ...(message.own ? { onlyOf: caller.ownerId } : {}),
      },
      originOf(caller),
    )
    return { messageId, position }
  }

  async waitForTurn(sessionId: string, messageId: string, timeoutMs: number) {
    const { reads } = this
    await reads.waitFor(this.acknowledged('session', sessionId))
    return untilTurnEnded({ reads, clock: this.#parts.system.clock }, sessionId, messageId, timeoutMs)
  }

  async retryMessage(sessionId: string, messageId: string, caller: Caller) {
    const newMessageId = caller.commandId ?? newId()
    const command = { type: 'retry', messageId, newMessageId } as const
    const { position } = await this.#parts.system.execute(sessionKind, sessionId, command, originOf(caller))
    return { messageId: newMessageId, position }
  }

  async stopTurn(sessionId: string, caller: Caller): Promise<Position> {
    return (await this.#parts.system.execute(sessionKind, sessionId, { type: 'stopTurn' }, originOf(caller))).position
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
    const { facts, repeated, position } = await this.#parts.system.execute(
      scheduleKind,
      name,
      { type: 'trigger', name },
      originOf(caller),
    )
    const due = facts[0] ?? repeated
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

  head(): Promise<Position> {
    return this.#parts.store.head()
  }

  history(kind: StreamKind, id: string, part: Parameters<RunningApp['history']>[2] = {}) {
    return this.#parts.store.readStream(streamName(this.name, kind, id), part)
  }

  acknowledged(kind: StreamKind, id: string): Position {
    return this.#parts.system.acknowledged(streamName(this.name, kind, id))
  }

  async events(of: Parameters<RunningApp['events']>[0], limit: number): Promise<readonly RecordedEvent[]> {
    const { store } = this.#parts
    const prefix = streamPrefix(this.name)
    if ('stream' in of) {
      const { stream, from = 0n } = of
      return stream.startsWith(prefix) ? store.readStream(stream, { from, limit }) : []
    }
    return store.readAll({ from: of.after ?? START, prefixes: [prefix], limit })
  }

  get archive(): string | undefined {
    return this.#parts.archive
  }

  retire(request: RetireRequest, { by }: Caller): Promise<RetireOutcome> {
    const { system, store, reads, archive } = this.#parts
    return retireFrom({ system, store, reads, archive, by }, request)
  }

  verify(options: { readonly archive?: string } = {}): Promise<LogVerdict> {
    return verifyLog(this.#parts.store, { ...options, app: this.name })
  }

  health(): Promise<readonly HealthCheck[]> {
    return healthOf(this.#parts.store, this.reads, this.#parts.system)
  }

  async stop(options: { readonly drainMs?: number; readonly hurry?: AbortSignal } = {}) {
    if (this.#stopped) return this.#stopped
    const { app, node, reads, store, ownsStore, close, release } = this.#parts
    const clean = await node.drain(options.drainMs ?? 10_000, options.hurry)
    await close?.()
    app.runNoMore(this)
    await reads.close()
    if (ownsStore) await store.close()
    release?.()
    this.#stopped = { clean }
    return this.#stopped
  }

  // ---------------------------------------------------------------------------------------------------------------------

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
}
