/** A task's input on the command line: JSON, or value by value. */
import { text as toText } from 'node:stream/consumers'
import { InvalidArgumentError } from 'commander'
import { z } from 'zod'
import type { JsonObject, JsonValue } from '../../events/index.ts'
import { taskInfo } from '../../http/index.ts'
import type { Client } from '../client.ts'
import { UsageError } from '../errors.ts'

/** Values by name, as they were typed. */
export type Named = Readonly<Record<string, string>>

/** One more `name=value`. */
export function parseNamed(text: string, before: Named = {}): Named {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Give a name and a value, as report_id=q3.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** As the input of the task has them: text stays text where it is wanted, whatever it looks like. */
export async function typed(client: Client, task: string | undefined, named: Named): Promise<JsonObject> {
  const wanted = task === undefined ? {} : propertiesOf(await client.get(taskPath(task), taskInfo))
  return Object.fromEntries(
    Object.entries(named).map(([name, text]) => [name, wanted[name] === 'string' ? text : jsonOrText(text)]),
  )
}

function propertiesOf({ schema }: z.output<typeof taskInfo>): Readonly<Record<string, string | undefined>> {
  const { properties } = z.looseObject({ properties: z.record(z.string(), property).default({}) }).parse(schema)
  return Object.fromEntries(Object.entries(properties).map(([name, { type }]) => [name, type]))
}

const property = z.looseObject({ type: z.string().optional().catch(undefined) }).catch({})

function jsonOrText(text: string): JsonValue {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

export function taskPath(name: string): string {
  return `/api/v1/tasks/${encodeURIComponent(name)}`
}

/** @param text an object, or `-` for what comes on standard input @throws UsageError */
export async function readParams(text: string): Promise<JsonObject> {
  return objectOf(text === '-' ? await toText(process.stdin) : text)
}

function objectOf(text: string): JsonObject {
  let value: JsonValue
  try {
    value = JSON.parse(text)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new UsageError(
      `The params are no JSON (${why}). Give them as '{"report_id": "q3"}', or as --param report_id=q3.`,
    )
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw new UsageError('The params are no object. Give them as \'{"report_id": "q3"}\', or as --param report_id=q3.')
}
