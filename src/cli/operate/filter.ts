/** The flags that say which jobs, for a query and for a command about all of them. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { instantOf, parseDuration } from '../../app/index.ts'
import { type JsonObject, TASK_STATUSES } from '../../events/index.ts'
import type { Client } from '../client.ts'
import { type Named, parseNamed, typed } from './params.ts'

export interface FilterFlags {
  readonly task?: string
  readonly status?: readonly string[]
  readonly session?: string
  readonly owner?: string
  readonly tag?: string
  readonly search?: string
  readonly since?: string
  readonly until?: string
  readonly param?: Named
}

export function withFilter(command: Command): Command {
  return command
    .option('--task <name>', 'of this task')
    .addOption(new Option('--status <status...>', 'in one of these').choices(TASK_STATUSES))
    .option('--session <id>', 'of this conversation')
    .option('--owner <id>', "of this user; others' only with the scope admin")
    .option('--tag <tag>', 'with this tag')
    .option('--search <text>', 'with this text in id, title, task or params')
    .option('--since <time>', 'submitted since then: 90m, 2d, or an ISO time', parseMoment)
    .option('--until <time>', 'submitted before then', parseMoment)
    .option('--param <name=value>', 'whose input has this value; repeatable', parseNamed)
}

/** Whether they say anything. */
export function isFiltered({ param, ...flags }: FilterFlags): boolean {
  return param !== undefined || Object.keys(named(flags)).length > 0
}

export async function filterOf(client: Client, { param, ...flags }: FilterFlags): Promise<JsonObject> {
  return { ...named(flags), ...(param === undefined ? {} : { params: await typed(client, flags.task, param) }) }
}

export function queryOf({ param = {}, ...flags }: FilterFlags): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(named(flags))) query.set(name, String(value))
  for (const [name, value] of Object.entries(param)) query.set(`params.${name}`, value)
  return query
}

/** As the API names them. */
function named(flags: Omit<FilterFlags, 'param'>): Readonly<Record<string, string | string[]>> {
  const { task, status, session, owner, tag, search, since, until } = flags
  return {
    ...(task === undefined ? {} : { task_name: task }),
    ...(status === undefined ? {} : { status: [...status] }),
    ...(session === undefined ? {} : { session_id: session }),
    ...(owner === undefined ? {} : { owner_id: owner }),
    ...(tag === undefined ? {} : { tag }),
    ...(search === undefined ? {} : { q: search }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  }
}

/** So long ago, or as it is for the server to read. */
function parseMoment(text: string): string {
  try {
    return new Date(Date.now() - parseDuration(text)).toISOString()
  } catch {
    if (instantOf(text) !== undefined) return text
    throw new InvalidArgumentError('Give how long ago, as 90m or 2d, or a time as 2026-11-02T09:00:00Z.')
  }
}
