/** A task's input as its handler gets it. */
import { InvalidInput } from '../actors/index.ts'
import { copyOf, type JsonObject } from '../events/index.ts'
import { NonRetryableError } from '../execution/index.ts'
import type { TaskDefinition } from './definition.ts'
import { parseInput } from './task.ts'

/** The code may be newer than the submit: what no longer fits fails at once, with the reason. */
export function checkedInput(definition: TaskDefinition, params: JsonObject): unknown {
  try {
    // Its own: what a handler does to its input, the next attempt must not see.
    return parseInput(definition, copyOf(params))
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error
    throw new NonRetryableError(`The input no longer fits the running code. ${error.message}`, { cause: error })
  }
}
