/** Jobs in columns, and which of them are in view. */
import { z } from 'zod'
import type * as Wire from '../wire.ts'
import { filterFields } from './job-filter.ts'
import { job } from './jobs.ts'
import { instantText, position, status } from './values.ts'

const columnSpec = z.strictObject({ label: z.string().min(1).max(200), statuses: z.array(status).min(1) })
export const boardColumns = z.array(columnSpec).min(1).max(12) satisfies z.ZodType<Wire.BoardColumnSpec[]>

export const boardFilter = z.strictObject({
  ...filterFields,
  since: instantText.exactOptional(),
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
