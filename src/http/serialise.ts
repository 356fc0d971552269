/** From what the read models answer to what crosses the wire: snake_case, ISO instants, null for absent facts. */
import { z } from 'zod'
import {
  type Executed,
  jobJson,
  maybeInstant,
  type PageDefinition,
  type RunningApp,
  type UiBlock,
} from '../app/index.ts'
import {
  factOf,
  instant,
  isWaiting,
  type JsonObject,
  type JsonValue,
  type RecordedEvent,
  type TaskFact,
} from '../events/index.ts'
import type {
  BoardDelta,
  BoardView,
  ItemView,
  JobView,
  LockParty,
  LockView,
  OccurrenceView,
  ScheduleView,
  SessionView,
  TranscriptView,
} from '../projections/index.ts'
import { boardColumns, boardFilter } from './schemas/index.ts'
import type * as Wire from './wire.ts'

/** The wire's types are mutable for the client's sake; here a value is only written out. */
const json = (value: JsonValue): Wire.Json => value as Wire.Json
const jsonObject = (value: JsonObject): { [key: string]: Wire.Json } => value as { [key: string]: Wire.Json }

export function toJob(view: JobView, app: Pick<RunningApp, 'waitingFor'>, joined = false): Wire.Job {
  const job = jobJson(view, waitingFor(view, app), joined)
  return { ...job, params: jsonObject(view.params), result: json(view.result) }
}

function waitingFor(view: JobView, app: Pick<RunningApp, 'waitingFor'>): string | null {
  if (!isWaiting(view.status)) return null
  if (view.lockWait) return `lock ${view.lockKey ?? ''}, ${ordinal(view.lockWait.place)} in line`
  return app.waitingFor(view) ?? null
}

function ordinal(n: number): string {
  const teen = n % 100 >= 11 && n % 100 <= 13
  const suffix = teen ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th')
  return `${n}${suffix}`
}

export function toExecuteResult(name: string, { taskId, params, outcome }: Executed): Wire.ExecuteResult {
  return {
    task_name: name,
    params: jsonObject(params),
    result: outcome.kind === 'result' ? json(outcome.result) : null,
    error:
      outcome.kind === 'error'
        ? { type: outcome.error.type, message: outcome.error.message, traceback: outcome.error.stack ?? '' }
        : null,
    job_id: taskId ?? null,
  }
}

export function toHistoryEvent(event: RecordedEvent): Wire.HistoryEvent {
  return {
    type: event.type,
    at: event.metadata.at,
    by: event.metadata.by,
    position: String(event.position),
    revision: Number(event.revision),
    data: jsonObject(event.data),
    hash: event.metadata.hash ?? null,
  }
}

/** The lines that a job logged, oldest first, out of its history. */
export function toLogLines(history: readonly RecordedEvent[]): Wire.LogLine[] {
  const attempts = new Map<string, number>()
  const lines: Wire.LogLine[] = []
  for (const event of history) {
    const fact = factOf<TaskFact>(event)
    if (fact.type === 'TaskStarted') attempts.set(event.id, fact.data.attempt)
    if (fact.type !== 'TaskLogged') continue
    const { claim, level, message, data = null } = fact.data
    lines.push({ at: event.metadata.at, level, message, data: json(data), attempt: attempts.get(claim) ?? 0 })
  }
  return lines
}

export function toLock({ key, holder, queue }: LockView): Wire.Lock {
  const party = ({ taskId, name, ownerId, status, since }: LockParty): Wire.LockParty => ({
    job_id: taskId,
    task_name: name,
    owner_id: ownerId,
    status: status ?? null,
    since: instant(since),
  })
  return {
    key,
    fence: holder.fence,
    holder: party(holder),
    queue: queue.map((waiter, index) => ({ ...party(waiter), place: index + 1 })),
  }
}

export function toBoard(view: BoardView, app: Pick<RunningApp, 'waitingFor'>): Wire.Board {
  return {
    position: String(view.position),
    total: view.total,
    columns: view.columns.map((column) => ({
      label: column.label,
      statuses: [...column.statuses],
      count: column.count,
      order: column.order,
      after: column.after,
      jobs: column.jobs.map((job) => toJob(job, app)),
    })),
  }
}

export function toBoardChange(delta: BoardDelta, app: Pick<RunningApp, 'waitingFor'>): Wire.BoardChange {
  return {
    column: delta.column,
    count: delta.count,
    after: delta.after,
    ...(delta.ids ? { ids: [...delta.ids] } : {}),
    jobs: delta.jobs.map((job) => toJob(job, app)),
  }
}

export function toSession(view: SessionView): Wire.Session {
  return {
    id: view.id,
    title: view.title ?? null,
    owner_id: view.ownerId,
    started_at: instant(view.startedAt),
    updated_at: instant(view.updatedAt),
    opening: view.opening ?? null,
    preview: view.preview ?? null,
    turn: view.turn
      ? { id: view.turn.id, status: view.turn.status, started_at: maybeInstant(view.turn.startedAt) }
      : null,
    jobs: { ...view.jobs },
    ended: view.ended,
    position: String(view.position),
  }
}

export function toItem(view: ItemView): Wire.TranscriptItem {
  const base = { id: view.id, index: view.index, at: instant(view.at) }
  switch (view.kind) {
    case 'message':
      return { ...base, kind: 'message', text: view.text, by: view.by, state: view.state, error: view.error ?? null }
    case 'reply':
      return { ...base, kind: 'reply', text: view.text, streaming: view.streaming, task_id: view.taskId ?? null }
    case 'notice':
      return {
        ...base,
        kind: 'notice',
        text: view.text,
        earlier: view.earlier.map(({ text, at }) => ({ text, at: instant(at) })),
      }
    case 'task':
      return { ...base, kind: 'task', job_id: view.jobId, message: view.message ?? null }
    case 'block':
      return { ...base, kind: 'block', block: jsonObject(view.block) }
  }
}

export function toTranscript(view: TranscriptView): Wire.Transcript {
  return { session: toSession(view.session), items: view.items.map(toItem) }
}

export function toSchedule(view: ScheduleView, app: Pick<RunningApp, 'scheduleInfo'>): Wire.Schedule {
  const info = app.scheduleInfo(view.name)
  return {
    name: view.name,
    description: view.description ?? null,
    cron: view.cron,
    meaning: info?.meaning ?? view.cron,
    timezone: view.timezone,
    overlap: view.overlap,
    missed: view.missed,
    paused: view.paused,
    removed: view.removed,
    next_at: view.paused ? null : (info?.nextAt ?? null),
    last: view.last.map(toOccurrence),
    position: String(view.position),
  }
}

export function toOccurrence(view: OccurrenceView): Wire.Occurrence {
  return {
    due: view.due,
    decision: view.decision,
    trigger: view.trigger ?? null,
    reason: view.reason ?? null,
    job_id: view.jobId ?? null,
    status: view.status ?? null,
    position: String(view.position),
  }
}

/** Renders the page. @throws what the app's render function throws; TypeError when it gives no blocks, or a board that cannot be */
export function toPage(page: PageDefinition): Wire.Page {
  const { name, icon, slug } = page
  const blocks: unknown = page.render()
  if (!isBlocks(blocks)) {
    throw new TypeError(
      `The page "${name}" gives no blocks. Return them at once: ui.page([…]), and not from a promise.`,
    )
  }
  return { name, icon: icon ?? null, slug, blocks: blocks.map((block) => toBlock(name, block)) }
}

function isBlocks(blocks: unknown): blocks is readonly UiBlock[] {
  return Array.isArray(blocks) && blocks.every((block) => typeof block === 'object' && block !== null)
}

function toBlock(page: string, block: UiBlock): Wire.PageBlock {
  if (block.kind !== 'task_board') return block
  return {
    kind: 'task_board',
    title: block.title ?? null,
    filter: block.filter ? declared(page, 'filter', boardFilter, block.filter) : null,
    columns: block.columns ? declared(page, 'columns', boardColumns, block.columns) : null,
    refresh_ms: block.refreshMs ?? null,
  }
}

/** What the app declares is its own fault, and not that of who looks at it. */
function declared<T>(page: string, what: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new TypeError(`A task board of the page "${page}" has no ${what} that can be: ${z.prettifyError(parsed.error)}`)
}

export function toAppInfo(app: RunningApp, hasSchedules: boolean): Wire.AppInfo {
  return {
    name: app.name,
    version: app.version,
    node: app.nodeId,
    has_chat: app.hasChat,
    has_schedules: hasSchedules,
    pages: app.pages.map(({ name, icon, slug }) => ({ name, icon: icon ?? null, slug })),
  }
}
