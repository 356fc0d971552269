/** Many submits of one task in one call: all checked before any is made, then all on their way to the log together. */
import { type InputIssue, InvalidInput } from '../actors/index.ts'
import type { JsonObject } from '../events/index.ts'
import type { TaskDefinition } from './definition.ts'
import { recordedInput } from './input.ts'
import type { Caller, SubmitItem, SubmitRequest, Submitted } from './running.ts'

export const MOST_AT_ONCE = 1000
/** A caller learns no more from further ones. */
const MOST_ISSUES = 100

/** Checks one request. @returns what submits it */
type Prepare = (request: SubmitRequest, caller: Caller) => Promise<() => Promise<Submitted>>

/**
 * Each outcome stands in its item's place: what is refused only by the state of things (a held lock, a full queue)
 * hinders no other item.
 * @throws InvalidInput naming each place that does not fit, as `items.3.params.x`; then none is submitted
 */
export async function submitMany(
  definition: TaskDefinition,
  items: readonly SubmitItem[],
  caller: Caller,
  prepare: Prepare,
): Promise<readonly PromiseSettledResult<Submitted>[]> {
  const { name } = definition
  if (items.length > MOST_AT_ONCE) {
    throw new InvalidInput('These are too many at once', [{ path: 'items', message: `at most ${MOST_AT_ONCE} a call` }])
  }
  const issues: InputIssue[] = []
  const prepared = await Promise.all(
    items.map(async (item, index) => {
      const path = `items.${index}`
      const params = issuesOf(`${path}.params`, () => checkParams(definition, item.params))
      if (params.length > 0) {
        issues.push(...params)
        return undefined
      }
      try {
        return await prepare({ ...item, name }, callerOf(caller, index))
      } catch (error) {
        issues.push(...below(path, error))
        return undefined
      }
    }),
  )
  const submits = prepared.filter((submit) => submit !== undefined)
  if (submits.length < items.length)
    throw new InvalidInput(`Not all ${items.length} tasks fit, so none was submitted`, issues.slice(0, MOST_ISSUES))
  return Promise.allSettled(submits.map((submit) => submit()))
}

/** The input, and the keys that are made of it. */
function checkParams(definition: TaskDefinition, params: JsonObject): void {
  const recorded = recordedInput(definition, params)
  definition.lockKey?.(recorded)
  definition.limits?.key?.of(recorded)
}

function issuesOf(path: string, check: () => void): readonly InputIssue[] {
  try {
    check()
    return []
  } catch (error) {
    return below(path, error)
  }
}

/** @throws the error, if it is not about the input */
function below(path: string, error: unknown): readonly InputIssue[] {
  if (!(error instanceof InvalidInput)) throw error
  return error.issues.map((issue) => ({ ...issue, path: issue.path === '' ? path : `${path}.${issue.path}` }))
}

/** A client's id of the whole is one id for each. */
function callerOf(caller: Caller, index: number): Caller {
  return caller.commandId === undefined ? caller : { ...caller, commandId: `${caller.commandId}:${index}` }
}
