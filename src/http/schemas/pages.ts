/** The app as its pages show it. */
import { z } from 'zod'
import type * as Wire from '../wire.ts'
import { boardColumns, boardFilter } from './board.ts'

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
