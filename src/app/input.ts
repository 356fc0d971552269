/** A task's input: as it is handed in, as it is recorded, and as the handler gets it. */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { InvalidInput } from '../actors/index.ts'
import { copyOf, DEEPEST_JSON, type JsonObject, type JsonValue, nestsTooDeep, plainJson } from '../events/index.ts'
import { isError, NonRetryableError, printed } from '../execution/index.ts'
import type { TaskDefinition } from './definition.ts'

/** What of a task decides about its input. */
export type InputRules = Pick<TaskDefinition, 'name' | 'input'>

/** An input as plain JSON of its own, whatever becomes of the one that was handed in. @throws InvalidInput */
export function plainInput(task: string, input: unknown): JsonObject {
  const [plain, problem = 'give an object'] = jsonOf(input)
  if (typeof plain === 'object' && plain !== null && !Array.isArray(plain)) return plain as JsonObject
  throw new InvalidInput(`The input of task ${task} is not JSON`, [{ path: '', message: problem }])
}

/** The params to record, of what fits: as given, and the schema's defaults for what was left out. @throws InvalidInput */
export function recordedInput(task: InputRules, params: JsonObject): JsonObject {
  return withDefaults(task, params, parseInput(task, params))
}

/**
 * The input as the handler gets it. The code may be newer than the submit: what no longer fits fails at once, with the
 * reason. @throws NonRetryableError
 */
export function handlerInput(task: InputRules, params: JsonObject): unknown {
  try {
    // Its own: what a handler does to its input, the next attempt must not see.
    return parseInput(task, copyOf(params))
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error
    throw new NonRetryableError(`The input no longer fits the running code. ${error.message}`, { cause: error })
  }
}

/** What the schema makes of an input. @throws InvalidInput naming each field that does not fit */
export function parseInput(task: InputRules, params: JsonObject): unknown {
  if (nestsTooDeep(params)) {
    throw new InvalidInput(`The input of task ${task.name} is not valid`, [
      { path: '', message: `lists and objects may nest ${DEEPEST_JSON} deep` },
    ])
  }
  if (!task.input) return params
  const parsed = parsedBy(task.input, task.name, params)
  if (parsed.success) return parsed.data
  throw new InvalidInput(
    `The input of task ${task.name} is not valid`,
    parsed.error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message })),
  )
}

function parsedBy(schema: z.ZodType, task: string, params: JsonObject) {
  try {
    return schema.safeParse(params)
  } catch (error) {
    if (!isAsync(error)) throw error
    throw new TypeError(
      `The input schema of task ${task} is asynchronous, and an input is checked at once. Check what takes time in the ` +
        'handler, and throw a NonRetryableError for what does not fit.',
      { cause: error },
    )
  }
}

/** The app may have a zod of its own, whose classes are others. */
function isAsync(error: unknown): boolean {
  return isError(error) && error.constructor.name === z.core.$ZodAsyncError.name
}

function withDefaults({ input }: InputRules, params: JsonObject, parsed: unknown): JsonObject {
  if (!input || typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return params
  const defaults: Record<string, JsonValue> = {}
  for (const [key, value] of Object.entries(parsed)) {
    if (Object.hasOwn(params, key) || value === undefined) continue
    const [plain, problem] = jsonOf(value)
    // What JSON cannot hold (a bigint) is made anew at each start.
    if (problem === undefined) defaults[key] = plain
  }
  if (Object.keys(defaults).length === 0) return params
  // What the schema has made of a default already, or added by itself, is not what it takes: that is made anew at each start.
  const makes = (recorded: JsonObject, key?: string): boolean => {
    const { success, data } = input.safeParse(recorded)
    if (!success) return false
    return key === undefined
      ? isDeepStrictEqual(data, parsed)
      : isDeepStrictEqual(Reflect.get(Object(data), key), Reflect.get(parsed, key))
  }
  const all = { ...params, ...defaults }
  if (makes(all)) return all
  return {
    ...params,
    ...Object.fromEntries(Object.entries(defaults).filter(([key, value]) => makes({ ...params, [key]: value }, key))),
  }
}

function jsonOf(value: unknown): readonly [json: JsonValue, problem?: string] {
  try {
    return [plainJson(value)]
  } catch (error) {
    return [null, printed(error)]
  }
}
