/**
 * What clients send and get, as zod schemas: requests are checked by them, and the OpenAPI document is made of them.
 * Each is held to its type in wire.ts.
 */
import { z } from 'zod'
import { MOST_AT_ONCE } from '../app/index.ts'
import { type JsonObject, TASK_STATUSES } from '../events/index.ts'
import type { JobFilter } from '../projections/index.ts'
import type * as Wire from './wire.ts'

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)

/** User data: it came from JSON and is not looked into. */
const anyJson = z.custom<Wire.Json>(() => true)
const anyObject = z
  .custom<{ [key: string]: Wire.Json }>(isObject, 'must be an object')
  .meta({ type: 'object', additionalProperties: true })
/** As {@link anyObject}, for values that go into the app. */
export const params = z
  .custom<JsonObject>(isObject, 'must be an object, like {"report_id": "daily"}')
  .meta({ type: 'object', additionalProperties: true, description: 'The input of the task, by name' })

const instant = z.string().meta({ format: 'date-time' })
export const status = z.enum(TASK_STATUSES)
const position = z.string().meta({ description: 'A place in the log: opaque, a whole number as text' })

// Jobs --------------------------------------------------------------------------------------------------------------

export const jobAction = z.enum(['cancel', 'retry', 'refresh', 'delete'])

export const job = z
  .object({
    id: z.string(),
    task_name: z.string(),
    title: z.string().meta({ description: 'What tells this run from its siblings' }),
    status,
    params: anyObject,
    result: anyJson,
    error: z.object({ type: z.string(), message: z.string(), retryable: z.boolean() }).nullable(),
    error_traceback: z.string().nullable(),
    attempt: z.int(),
    retries: z.int().meta({ description: 'Attempts after the first one' }),
    failures: z.int(),
    progress: z.object({ fraction: z.number().nullable(), message: z.string().nullable() }).nullable(),
    lock_key: z.string().nullable(),
    waiting_for: z.string().nullable().meta({ description: 'A sentence; null when it waits for nothing but its turn' }),
    session_id: z.string().nullable(),
    owner_id: z.string(),
    tags: z.array(z.string()),
    priority: z.int(),
    joined: z.boolean().meta({ description: 'The submission joined this live job of the same lock' }),
    submitted_at: instant,
    run_at: instant.nullable(),
    started_at: instant.nullable(),
    finished_at: instant.nullable(),
    deadline: instant.nullable(),
    node: z.string().nullable(),
    cancelled_by: z.string().nullable(),
    cancel_requested: z.boolean(),
    allowed_actions: z.array(jobAction),
    refused_actions: z
      .object({
        cancel: z.string().exactOptional(),
        retry: z.string().exactOptional(),
        refresh: z.string().exactOptional(),
        delete: z.string().exactOptional(),
      })
      .meta({ description: 'Why an action is not offered, by action' }),
    position,
    abridged: z.boolean().meta({
      description: 'On a board, if its input or result has over 8 KiB: that is left out ({}, null). GET the job for it',
    }),
  })
  .meta({ id: 'Job' }) satisfies z.ZodType<Wire.Job>

export const historyEvent = z
  .object({
    type: z.string(),
    at: instant,
    by: z.string(),
    position,
    revision: z.int(),
    data: anyObject,
    hash: z.string().nullable(),
  })
  .meta({ id: 'HistoryEvent' }) satisfies z.ZodType<Wire.HistoryEvent>

export const logLine = z
  .object({
    at: instant,
    level: z.enum(['debug', 'info', 'warn', 'error']),
    message: z.string(),
    data: anyJson,
    attempt: z.int().meta({ description: 'Which start of the job said it, from 1' }),
  })
  .meta({ id: 'LogLine' }) satisfies z.ZodType<Wire.LogLine>

// Locks -------------------------------------------------------------------------------------------------------------

const lockParty = z.object({
  job_id: z.string(),
  task_name: z.string(),
  owner_id: z.string(),
  status: status.nullable().meta({ description: 'Of the job; null while it is being recorded' }),
  since: instant.meta({ description: 'When it took the lock, or began to wait' }),
})

export const lock = z
  .object({
    key: z.string(),
    fence: z.string().meta({ description: 'Fencing token of the holder: grows with every holder' }),
    holder: lockParty,
    queue: z.array(lockParty.extend({ place: z.int().meta({ description: '1 is next' }) })),
  })
  .meta({ id: 'Lock' }) satisfies z.ZodType<Wire.Lock>

const dateText = z.string().refine((text) => !Number.isNaN(Date.parse(text)), 'must be an ISO 8601 date or time')
/** Milliseconds since the epoch, of a text that says when. */
const when = dateText.transform((text) => Date.parse(text)).meta({ format: 'date-time' })

/** `?status=a&status=b` and `?status=a,b` are the same. */
export function many<T extends z.ZodType<unknown, string>>(item: T) {
  return z
    .union([z.string(), z.array(z.string())])
    .transform((value) => (Array.isArray(value) ? value : [value]).flatMap((part) => part.split(',')))
    .pipe(z.array(item))
    .meta({ description: 'Repeat it or separate by commas' })
}

/** A whole number in a query. */
export const wholeNumber = (min: number, max = Number.MAX_SAFE_INTEGER) => {
  const most = max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`
  const wanted = `must be a whole number from ${min}${most}`
  return z.coerce.number(wanted).int(wanted).min(min, wanted).max(max, wanted)
}

export const pageSize = wholeNumber(1, 500)
export const cursor = z.string().min(1).meta({ description: 'From the Link header of the page before' })

/** The filters that lists, boards and bulk commands share. */
const filterFields = {
  task_name: z.string().min(1).exactOptional(),
  session_id: z.string().min(1).exactOptional(),
  owner_id: z.string().min(1).exactOptional(),
  tag: z.string().min(1).exactOptional(),
  q: z.string().max(200).exactOptional().meta({ description: 'Free text over id, title, task name and params' }),
}

const PARAMS_PREFIX = 'params.'

/** A query whose further names are `params.<field>`. */
const withParams = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z
    .object(shape)
    .catchall(z.string().meta({ description: 'params.<field>: jobs whose input has this value' }))
    .check((context) => {
      for (const name of Object.keys(context.value)) {
        if (name in shape || (name.startsWith(PARAMS_PREFIX) && name.length > PARAMS_PREFIX.length)) continue
        const known = [...Object.keys(shape), `${PARAMS_PREFIX}<field>`].join(', ')
        context.issues.push({
          code: 'custom',
          path: [name],
          message: `is not a filter; known are ${known}`,
          input: context.value,
        })
      }
    })

export const jobsQuery = withParams({
  ...filterFields,
  status: many(status).exactOptional(),
  status_filter: many(status).exactOptional().meta({ description: 'The same as status' }),
  since: when.exactOptional().meta({ description: 'Submitted at or after' }),
  until: when.exactOptional().meta({ description: 'Submitted before' }),
  limit: pageSize.default(50),
  offset: wholeNumber(0).exactOptional(),
  cursor: cursor.exactOptional(),
})

export const bulkFilter = z.strictObject({
  filter: z
    .strictObject({
      ...filterFields,
      status: z.union([status.transform((one) => [one]), z.array(status)]).exactOptional(),
      since: when.exactOptional(),
      until: when.exactOptional(),
      params: params.exactOptional(),
    })
    .meta({ description: 'Which jobs; {} means all' }),
})

/** What a bulk command filters by, or a query, which may say `status_filter` too. By params each filters in its own way. */
type FilterInput = Omit<z.infer<typeof bulkFilter>['filter'], 'params'> &
  Pick<z.infer<typeof jobsQuery>, 'status_filter'>

/** A filter as the read models take it. */
export function toJobFilter(input: FilterInput): JobFilter {
  const statuses = input.status ?? input.status_filter
  return {
    ...(input.task_name === undefined ? {} : { name: input.task_name }),
    ...(statuses === undefined ? {} : { status: statuses }),
    ...(input.session_id === undefined ? {} : { sessionId: input.session_id }),
    ...(input.owner_id === undefined ? {} : { ownerId: input.owner_id }),
    ...(input.tag === undefined ? {} : { tag: input.tag }),
    ...(input.q === undefined ? {} : { q: input.q }),
    ...(input.since === undefined ? {} : { since: input.since }),
    ...(input.until === undefined ? {} : { until: input.until }),
  }
}

/** The `params.<field>` of a query, by field; undefined when there is none. */
export function paramsOf(query: Readonly<Record<string, unknown>>): Record<string, string> | undefined {
  const found = Object.entries(query).filter(
    (entry): entry is [string, string] => entry[0].startsWith(PARAMS_PREFIX) && typeof entry[1] === 'string',
  )
  if (found.length === 0) return undefined
  return Object.fromEntries(found.map(([name, value]) => [name.slice(PARAMS_PREFIX.length), value]))
}

// Tasks -------------------------------------------------------------------------------------------------------------

export const taskInfo = z
  .object({
    name: z.string(),
    docstring: z.string().nullable(),
    signature: z.string(),
    parameters: z.array(
      z.object({
        name: z.string(),
        annotation: z.string().nullable(),
        default: z.string().nullable(),
        required: z.boolean(),
      }),
    ),
    tags: z.array(z.string()),
    schema: anyObject.meta({ description: 'JSON Schema of the params' }),
  })
  .meta({ id: 'TaskInfo' }) satisfies z.ZodType<Wire.TaskInfo>

export const executeResult = z
  .object({
    task_name: z.string(),
    params: anyObject,
    result: anyJson,
    error: z.object({ type: z.string(), message: z.string(), traceback: z.string() }).nullable(),
    job_id: z.string().nullable(),
  })
  .meta({ id: 'ExecuteResult' }) satisfies z.ZodType<Wire.ExecuteResult>

export const executeBody = z.strictObject({ params: params.exactOptional() }).default({})

const delay = z
  .union([z.number().min(0), z.string().min(1)])
  .meta({ description: 'Seconds, or a duration like "10m"', examples: ['10m', 30] })

const submission = z.strictObject({
  params: params.exactOptional(),
  session_id: z.string().min(1).exactOptional(),
  delay: delay.exactOptional(),
  run_at: z.iso.datetime({ offset: true }).exactOptional(),
  priority: z.int().exactOptional(),
  callback_url: z.string().exactOptional().meta({ description: 'POSTed with the final job when a run has ended' }),
})
const startsOnce = ({ delay, run_at }: { delay?: unknown; run_at?: unknown }) =>
  delay === undefined || run_at === undefined
const STARTS_TWICE = { path: ['run_at'], message: 'is given beside delay; give one of them' }

export const submitBody = submission.refine(startsOnce, STARTS_TWICE).default({})

const submitItem = submission.extend({ idempotency_key: z.string().min(1).max(200).exactOptional() })
export const submitManyBody = z.strictObject({
  items: z.array(submitItem.refine(startsOnce, STARTS_TWICE)).max(MOST_AT_ONCE),
})

export const taskSubmit = z.strictObject({
  name: z.string().min(1),
  params: anyObject.exactOptional(),
  session_id: z.string().min(1).exactOptional(),
  delay: delay.exactOptional(),
})

// Board -------------------------------------------------------------------------------------------------------------

const columnSpec = z.strictObject({ label: z.string().min(1).max(200), statuses: z.array(status).min(1) })
export const boardColumns = z.array(columnSpec).min(1).max(12) satisfies z.ZodType<Wire.BoardColumnSpec[]>

export const boardFilter = z.strictObject({
  ...filterFields,
  since: dateText.exactOptional(),
}) satisfies z.ZodType<Wire.BoardFilter>

/** Most cards of one column that cross the wire at once. */
export const WIDEST_WINDOW = 200
export const boardWindow = z.strictObject({
  after: z.int().min(0),
  limit: z.int().min(0).max(WIDEST_WINDOW),
}) satisfies z.ZodType<Wire.BoardWindow>

export const boardParams = z.strictObject({
  filter: boardFilter.exactOptional(),
  columns: boardColumns.exactOptional(),
  windows: z.array(boardWindow).max(12).exactOptional(),
}) satisfies z.ZodType<Wire.BoardParams>

export const boardColumn = z
  .object({
    ...columnSpec.shape,
    count: z.int(),
    order: z.enum(['next first', 'oldest first', 'newest first']),
    after: z.int(),
    jobs: z.array(job),
  })
  .meta({ id: 'BoardColumn' }) satisfies z.ZodType<Wire.BoardColumn>

export const board = z
  .object({ position, total: z.int(), columns: z.array(boardColumn) })
  .meta({ id: 'Board' }) satisfies z.ZodType<Wire.Board>

// Sessions ----------------------------------------------------------------------------------------------------------

export const session = z
  .object({
    id: z.string(),
    title: z.string().nullable(),
    owner_id: z.string(),
    started_at: instant,
    updated_at: instant,
    opening: z.string().nullable(),
    preview: z.string().nullable(),
    turn: z
      .object({ id: z.string(), status: z.enum(['queued', 'running']), started_at: instant.nullable() })
      .nullable(),
    jobs: z.object({ running: z.int(), waiting: z.int(), completed: z.int(), failed: z.int() }),
    ended: z.boolean(),
    position,
  })
  .meta({ id: 'Session' }) satisfies z.ZodType<Wire.Session>

const itemBase = { id: z.string(), index: z.number(), at: instant }
export const transcriptItem = z
  .discriminatedUnion('kind', [
    z.object({
      ...itemBase,
      kind: z.literal('message'),
      text: z.string(),
      by: z.string(),
      state: z.enum(['queued', 'running', 'answered', 'failed', 'interrupted', 'stopped']),
      error: z.string().nullable(),
    }),
    z.object({
      ...itemBase,
      kind: z.literal('reply'),
      text: z.string(),
      streaming: z.boolean(),
      task_id: z.string().nullable(),
    }),
    z.object({
      ...itemBase,
      kind: z.literal('notice'),
      text: z.string(),
      earlier: z.array(z.object({ text: z.string(), at: instant })),
    }),
    z.object({ ...itemBase, kind: z.literal('task'), job_id: z.string(), message: z.string().nullable() }),
    z.object({ ...itemBase, kind: z.literal('block'), block: anyObject }),
  ])
  .meta({ id: 'TranscriptItem' }) satisfies z.ZodType<Wire.TranscriptItem>

/** Chosen by a client, so that it can make the conversation and its first message in any order. */
export const sessionId = z.string().regex(/^[A-Za-z0-9_-]{1,200}$/, 'must be 1 to 200 letters, digits, _ or -')

export const createSessionBody = z
  .strictObject({ id: sessionId.exactOptional(), title: z.string().max(500).exactOptional() })
  .default({})

const MESSAGE_TEXT = z
  .string()
  .max(100_000)
  .refine((text) => text.trim() !== '', 'must not be empty')
export const messageBody = z.strictObject({ text: MESSAGE_TEXT })
export const messageSend = z.strictObject({
  session_id: sessionId,
  text: MESSAGE_TEXT,
  create: z.boolean().exactOptional(),
})

// Schedules and pages -----------------------------------------------------------------------------------------------

export const occurrence = z
  .object({
    due: instant,
    decision: z.enum(['due', 'skipped']),
    trigger: z.enum(['cron', 'caught-up', 'manual']).nullable(),
    reason: z.enum(['overlap', 'missed', 'paused']).nullable(),
    job_id: z.string().nullable(),
    status: status.nullable(),
    position,
  })
  .meta({ id: 'Occurrence' }) satisfies z.ZodType<Wire.Occurrence>

export const schedule = z
  .object({
    name: z.string(),
    description: z.string().nullable(),
    cron: z.string(),
    meaning: z.string(),
    timezone: z.string(),
    overlap: z.enum(['skip', 'queue', 'parallel']),
    missed: z.enum(['skip', 'latest', 'all']),
    paused: z.boolean(),
    removed: z.boolean(),
    next_at: instant.nullable(),
    upcoming: z.array(instant).exactOptional().meta({ description: 'The next due times, if `next` asked for them' }),
    last: z.array(occurrence),
    position,
  })
  .meta({ id: 'Schedule' }) satisfies z.ZodType<Wire.Schedule>

export const page = z
  .object({
    name: z.string(),
    icon: z.string().nullable(),
    slug: z.string(),
    blocks: z.array(
      z.discriminatedUnion('kind', [
        z.object({
          kind: z.literal('task_board'),
          title: z.string().nullable(),
          filter: boardFilter.nullable(),
          columns: boardColumns.nullable(),
          refresh_ms: z.number().nullable(),
        }),
        z.object({ kind: z.literal('divider') }),
        z.object({ kind: z.literal('heading'), text: z.string() }),
        z.object({ kind: z.literal('text'), text: z.string() }),
      ]),
    ),
  })
  .meta({ id: 'Page' }) satisfies z.ZodType<Wire.Page>

export const pageEntry = z.object({ name: z.string(), icon: z.string().nullable(), slug: z.string() })

export const appInfo = z
  .object({
    name: z.string(),
    version: z.string(),
    node: z.string(),
    has_chat: z.boolean(),
    has_schedules: z.boolean(),
    pages: z.array(pageEntry),
  })
  .meta({ id: 'AppInfo' }) satisfies z.ZodType<Wire.AppInfo>

export const problem = z
  .object({
    type: z.templateLiteral(['urn:capsule:error:', z.string()]),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().exactOptional(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).exactOptional(),
  })
  .meta({ id: 'Problem' }) satisfies z.ZodType<Wire.Problem>

// What is made of the above ------------------------------------------------------------------------------------------

export const submittedMany = z.object({
  items: z.array(z.union([z.object({ job, error: z.null() }), z.object({ job: z.null(), error: problem })])),
}) satisfies z.ZodType<Wire.SubmittedMany>
