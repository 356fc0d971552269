/** Which jobs: the grammar of the filters that lists, boards and bulk commands share, and what the read models take it for. */
import { z } from 'zod'
import type { JobFilter } from '../../projections/index.ts'
import { cursor, many, pageSize, wholeNumber } from './queries.ts'
import { params, status, when } from './values.ts'

/** The filters that lists, boards and bulk commands share. */
export const filterFields = {
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
