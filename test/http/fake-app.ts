/** A running app of plain maps, small enough to see through: what HTTP does with one is what these tests are about. */

import { z } from 'zod'
import { InvalidInput, ManualClock, NotFound, UnknownTask } from '../../src/actors/index.ts'
import { forEachJob } from '../../src/app/bulk.ts'
import type {
  Caller,
  Executed,
  HealthCheck,
  PageDefinition,
  RetireOutcome,
  RetireRequest,
  RunningApp,
  SubmitItem,
  SubmitRequest,
  TaskDefinition,
} from '../../src/app/index.ts'
import { untilTurnEnded } from '../../src/app/turn-end.ts'
import {
  type JsonObject,
  type LogVerdict,
  type Position,
  type RecordedEvent,
  START,
  StoreUnavailable,
  type StreamKind,
} from '../../src/events/index.ts'
import { AttemptTally } from '../../src/execution/index.ts'
import {
  type BoardQuery,
  type JobFilter,
  type JobQuery,
  type JobView,
  type OccurrenceView,
  ReadModelBehind,
  type ReadModelStatus,
  type ReadModels,
  type ScheduleView,
  type SessionView,
  type TranscriptView,
  UnknownReadModel,
  type Watch,
  type WatchSink,
  type WatchTopic,
  type WatchTopics,
} from '../../src/projections/index.ts'

export const T0 = Date.parse('2026-01-05T09:00:00.000Z')
export const at = (position: number | bigint) => BigInt(position) as Position

export function task(name: string, more: Partial<TaskDefinition> = {}): TaskDefinition {
  return {
    name,
    description: undefined,
    tags: [],
    input: undefined,
    retries: 0,
    backoff: { base: 1000, factor: 2, max: 300_000 },
    timeoutMs: undefined,
    graceMs: 5000,
    retryOnTimeout: false,
    onInterrupt: 'retry',
    priority: 0,
    onLocked: 'join',
    lockKey: undefined,
    limits: undefined,
    expiresMs: undefined,
    maxQueued: undefined,
    callbackUrl: undefined,
    onFailure: undefined,
    process: undefined,
    retryable: () => true,
    declared: {},
    handler: () => null,
    ...more,
  }
}

export function jobView(id: string, more: Partial<JobView> = {}): JobView {
  return {
    id,
    name: 'greet',
    title: 'greet',
    status: 'pending',
    params: {},
    result: null,
    error: undefined,
    run: 1,
    attempt: 0,
    retries: 0,
    failures: 0,
    crashes: 0,
    progress: undefined,
    lockKey: undefined,
    lockWait: undefined,
    sessionId: undefined,
    ownerId: 'local',
    tags: [],
    priority: 0,
    submittedAt: T0,
    runAt: undefined,
    startedAt: undefined,
    finishedAt: undefined,
    deadline: undefined,
    node: undefined,
    claim: undefined,
    cancelRequested: false,
    cancelledBy: undefined,
    occurrence: undefined,
    position: at(1),
    ...more,
  }
}

export function sessionView(id: string, more: Partial<SessionView> = {}): SessionView {
  return {
    id,
    title: undefined,
    ownerId: 'local',
    startedAt: T0,
    updatedAt: T0,
    opening: undefined,
    preview: undefined,
    turn: undefined,
    jobs: { running: 0, waiting: 0, completed: 0, failed: 0 },
    ended: false,
    data: {},
    position: at(1),
    ...more,
  }
}

export function scheduleView(name: string, more: Partial<ScheduleView> = {}): ScheduleView {
  return {
    name,
    cron: '0 9 * * 1-5',
    timezone: 'UTC',
    overlap: 'skip',
    missed: 'latest',
    paused: false,
    removed: false,
    lastDue: undefined,
    last: [],
    position: at(1),
    ...more,
  }
}

const greet = task('greet', {
  description: 'Says hello.',
  tags: ['demo', 'simple'],
  input: z.object({ name: z.string().default('World') }),
})
const add = task('add', { tags: ['math', 'demo'], input: z.object({ a: z.number(), b: z.number() }) })

type AnyWatch = { topic: WatchTopic; params: unknown; sink: unknown; from: Position | undefined; closed: boolean }

/** Reads that show what was put; with `lagging`, only once somebody waited for it. */
export class FakeReads implements ReadModels {
  position = at(1)
  readonly jobsById = new Map<string, JobView>()
  readonly transcripts = new Map<string, TranscriptView>()
  readonly schedulesByName = new Map<string, ScheduleView>()
  occurrencesList: readonly OccurrenceView[] = []
  readonly watches: AnyWatch[] = []
  readonly waitedFor: Position[] = []
  readonly unseen: { position: Position; show: () => void }[] = []

  waitFor(position: Position, timeoutMs = 5000): Promise<void> {
    this.waitedFor.push(position)
    for (const { show } of this.unseen.splice(0)) show()
    if (position <= this.position) return Promise.resolve()
    return Promise.reject(new ReadModelBehind({ wanted: position, actual: this.position, timeoutMs }))
  }
  async job(id: string) {
    return this.jobsById.get(id)
  }
  #matching(filter: JobFilter) {
    return [...this.jobsById.values()].filter(
      (job) =>
        (filter.name === undefined || job.name === filter.name) &&
        (filter.status === undefined || filter.status.includes(job.status)) &&
        (filter.ownerId === undefined || job.ownerId === filter.ownerId) &&
        (filter.sessionId === undefined || job.sessionId === filter.sessionId) &&
        (filter.tag === undefined || job.tags.includes(filter.tag)) &&
        (filter.since === undefined || job.submittedAt >= filter.since) &&
        Object.entries(filter.params ?? {}).every(([name, value]) => String(job.params[name]) === String(value)),
    )
  }
  async jobs({ limit = 50, cursor, ...filter }: JobQuery) {
    const all = this.#matching(filter).reverse()
    const start = cursor === undefined ? 0 : Number(cursor)
    const end = start + limit
    return {
      items: all.slice(start, end),
      next: end < all.length ? String(end) : undefined,
      total: all.length,
      position: this.position,
    }
  }
  async tally() {
    const jobs = this.#matching({})
    const kinds = Map.groupBy(jobs, ({ name, status }) => `${name} ${status}`).values()
    return [...kinds].map((of) => ({ name: of[0]?.name ?? '', status: of[0]?.status ?? 'pending', count: of.length }))
  }
  async countJobs(filter: JobFilter) {
    return this.#matching(filter).length
  }
  async jobIds(filter: JobFilter) {
    return { ids: this.#matching(filter).map(({ id }) => id), next: undefined }
  }
  retirable(): never {
    throw new Error('not of interest over HTTP')
  }
  async board(query: BoardQuery) {
    const columns = query.columns.map((column, index) => {
      const { after, limit } = query.windows[index] ?? { after: 0, limit: 50 }
      const jobs = this.#matching({ ...query.filter, status: column.statuses })
      return {
        ...column,
        count: jobs.length,
        order: 'oldest first' as const,
        after,
        jobs: jobs.slice(after, after + limit),
      }
    })
    return { position: this.position, total: columns.reduce((sum, { count }) => sum + count, 0), columns }
  }
  async session(id: string) {
    return this.transcripts.get(id)?.session
  }
  async sessions({ ownerId, limit = 50, cursor = '0' }: { ownerId?: string; limit?: number; cursor?: string }) {
    const all = [...this.transcripts.values()].map(({ session }) => session)
    const mine = all.filter((session) => ownerId === undefined || session.ownerId === ownerId)
    mine.sort((a, b) => b.updatedAt - a.updatedAt)
    const end = Number(cursor) + limit
    const next = end < mine.length ? String(end) : undefined
    // They are not counted.
    return { items: mine.slice(Number(cursor), end), next, total: undefined, position: this.position }
  }
  async transcript(id: string, { after = -1, limit = 50 }: { after?: number; limit?: number } = {}) {
    const found = this.transcripts.get(id)
    return found && { ...found, items: found.items.filter(({ index }) => index > after).slice(0, limit) }
  }
  async schedules() {
    return [...this.schedulesByName.values()]
  }
  async schedule(name: string) {
    return this.schedulesByName.get(name)
  }
  async occurrences(_name: string, { limit = 50 }: { limit?: number }) {
    const items = this.occurrencesList.slice(0, limit)
    const next = limit < this.occurrencesList.length ? 'more' : undefined
    return { items, next, total: undefined, position: this.position }
  }
  async locks() {
    return []
  }
  work(): never {
    throw new Error('not of interest over HTTP')
  }
  /** What is made again. */
  rebuilt: ReadModelStatus['rebuild']
  rebuildFailed: string | undefined
  async status() {
    const { position, rebuilt: rebuild, rebuildFailed: failed } = this
    return [{ name: 'jobs', version: 1, position, rebuilding: rebuild !== undefined, rebuild, failed }]
  }
  async rebuild(name?: string) {
    if (name !== undefined && name !== 'jobs') throw new UnknownReadModel({ name, known: ['jobs'] })
    this.rebuilt = { position: START, until: this.position, events: 0 }
    return this.status()
  }
  async close() {}

  watch<T extends WatchTopic>(
    topic: T,
    params: WatchTopics[T]['params'],
    sink: WatchSink<T>,
    from?: Position,
  ): Watch<T> {
    const entry: AnyWatch = { topic, params, sink, from, closed: false }
    this.watches.push(entry)
    return {
      update: (next) => {
        entry.params = next
      },
      close: () => {
        entry.closed = true
      },
    }
  }

  /** The sinks of the open watches of a topic. */
  sinks<T extends WatchTopic>(topic: T): WatchSink<T>[] {
    return this.open(topic).map(({ sink }) => sink as WatchSink<T>)
  }
  open(topic: WatchTopic): AnyWatch[] {
    return this.watches.filter((watch) => watch.topic === topic && !watch.closed)
  }
}

export class FakeApp implements RunningApp {
  readonly name = 'demo'
  readonly version = '1.2.3'
  readonly nodeId = 'node-1'
  readonly hasChat = true
  readonly tasks = new Map([greet, add].map((definition) => [definition.name, definition]))
  pages: readonly PageDefinition[] = []
  readonly reads = new FakeReads()
  readonly clock: ManualClock
  readonly attempts = new AttemptTally()
  readonly work = { running: 0, live: 0 }
  /** Every command that came through, with who asked. */
  readonly calls: { command: string; args: readonly unknown[]; caller: Caller }[] = []
  /** What the next commands throw. */
  readonly failures: unknown[] = []
  executed: Executed = { taskId: 'job-x', params: {}, outcome: { kind: 'result', result: { message: 'Hello' } } }
  checks: readonly HealthCheck[] = [{ name: 'store', status: 'healthy' }]
  readonly histories = new Map<string, readonly RecordedEvent[]>()
  /** Keep what is put out of sight until a read waits for it. */
  lagging = false
  readonly #acknowledged = new Map<string, Position>()
  readonly #answers = new Map<string, unknown>()

  constructor(clock = new ManualClock(T0)) {
    this.clock = clock
  }

  /** Puts a job as the next event would, and returns its position. */
  put(job: JobView): Position {
    const position = at(this.reads.position + 1n)
    const show = () => {
      this.reads.jobsById.set(job.id, { ...job, position })
      this.reads.position = position
    }
    this.#acknowledged.set(`task-${job.id}`, position)
    if (this.lagging) this.reads.unseen.push({ position, show })
    else show()
    return position
  }

  /** A command runs once per command id; a repeat gets the same answer. */
  async #once<R>(command: string, args: readonly unknown[], caller: Caller, run: () => R): Promise<R> {
    this.calls.push({ command, args, caller })
    if (this.failures.length > 0) throw this.failures.shift()
    const key = caller.commandId === undefined ? undefined : `${command} ${caller.commandId}`
    if (key !== undefined && this.#answers.has(key)) return this.#answers.get(key) as R
    const answer = run()
    if (key !== undefined) this.#answers.set(key, answer)
    return answer
  }

  submit(request: SubmitRequest, caller: Caller) {
    return this.#once('submit', [request], caller, () => {
      const definition = this.tasks.get(request.name)
      if (!definition) throw new UnknownTask(request.name, [...this.tasks.keys()])
      const read = definition.input?.safeParse(request.params)
      if (read && !read.success) {
        throw new InvalidInput(
          `The input of ${request.name} does not fit`,
          read.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })),
        )
      }
      const taskId = `job-${this.calls.length}`
      const params = (read?.data ?? request.params) as JsonObject
      return { taskId, joined: false, position: this.put(jobView(taskId, { name: request.name, params })), facts: [] }
    })
  }
  async submitMany(name: string, items: readonly SubmitItem[], caller: Caller) {
    return Promise.allSettled(items.map((item) => this.submit({ ...item, name }, caller)))
  }
  execute(name: string, params: JsonObject, caller: Caller, waitMs?: number) {
    return this.#once('execute', [name, params, waitMs], caller, () => ({ ...this.executed, params }))
  }
  #change(command: string, id: string, caller: Caller, change: (job: JobView) => JobView) {
    return this.#once(command, [id], caller, () => {
      const job = this.reads.jobsById.get(id)
      if (!job) throw new NotFound('job', id)
      return this.put(change(job))
    })
  }
  cancelJob(id: string, caller: Caller) {
    return this.#change('cancel', id, caller, (job) => ({ ...job, status: 'cancelled', cancelledBy: caller.by }))
  }
  readonly paused = new Set<string>()
  isPaused(name: string) {
    return this.paused.has(name)
  }
  pauseTask(name: string, caller: Caller) {
    return this.#once('pauseTask', [name], caller, () => {
      this.paused.add(name)
      return this.reads.position
    })
  }
  resumeTask(name: string, caller: Caller) {
    return this.#once('resumeTask', [name], caller, () => {
      this.paused.delete(name)
      return this.reads.position
    })
  }
  cancelWaiting(filter: JobFilter, caller: Caller) {
    const status = ['pending', 'scheduled', 'retry'].filter(
      (waiting) => filter.status?.includes(waiting as never) ?? true,
    )
    return forEachJob(this.reads, { ...filter, status: status as JobFilter['status'] & {} }, caller, (id, each) =>
      this.cancelJob(id, each),
    )
  }
  retryEnded(filter: JobFilter, caller: Caller) {
    const status = filter.status?.filter((wanted) => ['failed', 'timeout', 'cancelled'].includes(wanted)) ?? [
      'failed',
      'timeout',
    ]
    return forEachJob(this.reads, { ...filter, status: status as JobFilter['status'] & {} }, caller, (id, each) =>
      this.retryJob(id, each),
    )
  }
  retryJob(id: string, caller: Caller) {
    return this.#change('retry', id, caller, (job) => ({ ...job, status: 'pending' }))
  }
  refreshJob(id: string, caller: Caller) {
    return this.#change('refresh', id, caller, (job) => ({ ...job, deadline: T0 + 60_000 }))
  }
  deleteJob(id: string, caller: Caller) {
    return this.#once('delete', [id], caller, () => {
      if (!this.reads.jobsById.delete(id)) throw new NotFound('job', id)
      return this.reads.position
    })
  }
  async waitForJob(id: string) {
    return this.reads.job(id)
  }
  waitingFor(job: JobView) {
    return this.tasks.has(job.name) ? undefined : `handler ${job.name}`
  }

  createSession(caller: Caller, options: { id?: string; title?: string } = {}) {
    return this.#once('createSession', [options], caller, () => {
      const sessionId = options.id ?? `session-${this.calls.length}`
      const session = sessionView(sessionId, { title: options.title, ownerId: caller.ownerId })
      this.reads.transcripts.set(sessionId, { session, items: [] })
      return { sessionId, position: this.reads.position }
    })
  }
  sendMessage(
    sessionId: string,
    message: { text: string; messageId?: string; create?: boolean },
    caller: Caller,
  ): Promise<{ messageId: string; position: Position }> {
    return this.#once('sendMessage', [sessionId, message], caller, () => {
      if (!message.create && !this.reads.transcripts.has(sessionId)) throw new NotFound('session', sessionId)
      return { messageId: message.messageId ?? caller.commandId ?? 'message-new', position: this.reads.position }
    })
  }
  waitForTurn(sessionId: string, messageId: string, timeoutMs: number) {
    return untilTurnEnded(this, sessionId, messageId, timeoutMs)
  }
  retryMessage(sessionId: string, messageId: string, caller: Caller) {
    return this.#once('retryMessage', [sessionId, messageId], caller, () => ({
      messageId: `${messageId}-again`,
      position: this.reads.position,
    }))
  }
  stopTurn(sessionId: string, caller: Caller) {
    return this.#once('stopTurn', [sessionId], caller, () => this.reads.position)
  }

  releaseLock(key: string, caller: Caller) {
    return this.#once('releaseLock', [key], caller, () => this.reads.position)
  }
  upcoming(_name: string, count: number) {
    return Array.from({ length: count }, (_, day) => new Date(Date.UTC(2026, 0, 6 + day, 9)).toISOString())
  }
  scheduleInfo(name: string) {
    return { name, meaning: 'At 09:00, Monday to Friday', nextAt: '2026-01-06T09:00:00.000Z' }
  }
  triggerSchedule(name: string, caller: Caller) {
    return this.#once('triggerSchedule', [name], caller, () => ({ taskId: 'job-now', position: this.reads.position }))
  }
  #switch(command: string, name: string, caller: Caller, paused: boolean) {
    return this.#once(command, [name], caller, () => {
      const schedule = this.reads.schedulesByName.get(name)
      if (!schedule) throw new NotFound('schedule', name)
      this.reads.schedulesByName.set(name, { ...schedule, paused })
      return this.reads.position
    })
  }
  pauseSchedule(name: string, caller: Caller) {
    return this.#switch('pauseSchedule', name, caller, true)
  }
  resumeSchedule(name: string, caller: Caller) {
    return this.#switch('resumeSchedule', name, caller, false)
  }

  async events(of: { readonly after?: Position } | { readonly stream: string; readonly from?: bigint }, limit: number) {
    const all = [...this.histories.values()].flat()
    const wanted =
      'stream' in of
        ? all.filter(({ stream, revision }) => stream === of.stream && revision >= (of.from ?? 0n))
        : all.filter(({ position }) => position > (of.after ?? START))
    return wanted.slice(0, limit)
  }
  archive: string | undefined = '/data/archive'
  retirement: RetireOutcome = {
    retired: 0,
    events: 0,
    bytes: 0,
    completed: 0,
    kept: {},
    broken: [],
    more: false,
    position: START,
  }
  async retire(request: RetireRequest, caller: Caller) {
    this.calls.push({ command: 'retire', args: [request], caller })
    return this.retirement
  }
  readonly verified: { readonly archive?: string }[] = []
  verdict: LogVerdict = { broken: undefined, events: 0, streams: 0, retired: 0, archived: undefined, remaining: 0 }
  async verify(options: { readonly archive?: string } = {}) {
    this.verified.push(options)
    return this.verdict
  }
  /** Undefined while the event store does not answer. */
  headOfLog: Position | undefined = at(1)
  async head() {
    if (this.headOfLog === undefined) throw new StoreUnavailable('no answer', { retryable: true })
    return this.headOfLog
  }
  async history(_kind: StreamKind, id: string, { from = 0n }: { readonly from?: bigint } = {}) {
    return (this.histories.get(id) ?? []).filter(({ revision }) => revision >= from)
  }
  acknowledged(kind: StreamKind, id: string) {
    return this.#acknowledged.get(`${kind}-${id}`) ?? START
  }
  async health() {
    return this.checks
  }
  async stop() {
    return { clean: true }
  }
}
