/** /api/v1/board: jobs in columns by status, as a board shows them. The live topic `board` is the same, kept current. */
import { z } from 'zod'
import { instantOf } from '../app/index.ts'
import type { BoardQuery } from '../projections/index.ts'
import { HttpRefusal } from './problems.ts'
import { paging, type Route, route } from './route.ts'
import * as schemas from './schemas/index.ts'
import { toBoard } from './serialise.ts'
import { type User, visibleTo } from './users.ts'
import type { BoardColumnSpec, BoardParams } from './wire.ts'

const resource = 'Board'

const DEFAULT_COLUMNS: readonly BoardColumnSpec[] = [
  { label: 'Scheduled', statuses: ['scheduled'] },
  { label: 'Queued', statuses: ['pending', 'retry'] },
  { label: 'Running', statuses: ['running'] },
  { label: 'Completed', statuses: ['completed'] },
  { label: 'Failed', statuses: ['failed', 'timeout', 'cancelled'] },
]
const DEFAULT_WINDOW = { after: 0, limit: 50 }

/** A client's parameters as a query with every default filled in, so that equal boards are equal queries. */
export function boardQuery({ filter = {}, columns, windows = [] }: BoardParams, user: User): BoardQuery {
  const { since, ...rest } = filter
  const shown = columns ?? DEFAULT_COLUMNS
  const from = since === undefined ? undefined : instantOf(since)
  return {
    filter: visibleTo(user, schemas.toJobFilter({ ...rest, ...(from === undefined ? {} : { since: from }) })),
    columns: shown,
    windows: shown.map((_, index) => windows[index] ?? DEFAULT_WINDOW),
  }
}

const boardFilterFields = schemas.boardFilter.shape
const windowSize = schemas.wholeNumber(1, schemas.WIDEST_WINDOW).default(DEFAULT_WINDOW.limit)

const columnsText = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text)
    } catch {
      context.addIssue({ code: 'custom', message: 'is not JSON' })
      return z.NEVER
    }
  })
  .pipe(schemas.boardColumns)
  .meta({
    description: 'JSON: a list of {label, statuses}',
    examples: ['[{"label":"Done","statuses":["completed"]}]'],
  })

export const boardRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/board',
    resource,
    summary: 'The board: counts of every column and its first cards',
    query: z.strictObject({ ...boardFilterFields, columns: columnsText.exactOptional(), limit: windowSize }),
    answers: { 200: { description: 'The board as of `position`', schema: schemas.board } },
    errors: ['invalid-input'],
    async handle({ app, user, query: { columns, limit, ...filter } }) {
      const query = boardQuery({ filter, ...(columns === undefined ? {} : { columns }) }, user)
      const windows = query.windows.map(() => ({ after: 0, limit }))
      return toBoard(await app.reads.board({ ...query, windows }), app)
    },
  }),

  route({
    method: 'GET',
    path: '/api/v1/board/$column',
    resource,
    summary: 'Further cards of one column',
    query: z.strictObject({
      ...boardFilterFields,
      statuses: schemas.many(schemas.status),
      label: z.string().min(1).default('Column'),
      after: schemas.wholeNumber(0).default(0).meta({ description: 'How many cards to skip' }),
      limit: windowSize,
    }),
    answers: { 200: { description: 'The column', schema: schemas.boardColumn } },
    errors: ['invalid-input'],
    async handle({ app, user, query: { statuses, label, after, limit, ...filter }, request, reply }) {
      const query = boardQuery({ filter, columns: [{ label, statuses }], windows: [{ after, limit }] }, user)
      const [column] = toBoard(await app.reads.board(query), app).columns
      if (!column) throw new HttpRefusal('internal', 'The board has no such column.')
      const shown = after + column.jobs.length
      paging({ request, reply }, shown < column.count ? { after: shown } : undefined, column.count)
      return column
    },
  }),
]
