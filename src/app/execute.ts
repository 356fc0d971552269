/** Running a task at once, as Chapkit's clients do: submitted like any other, once, and waited for. */
import { type ActorSystem, InvalidInput, isEnded, LockHeldError, taskKind } from '../actors/index.ts'
import { nestsTooDeep } from '../events/index.ts'
import { describeError, type Node } from '../execution/index.ts'
import type { Caller, Executed, SubmitRequest, Submitted } from './running.ts'
import type { Submits } from './submits.ts'
import { untilEnded } from './task-api.ts'

/**
 * An input that is refused, and a lock that is held, are the outcome and not an error: there was no job then.
 * @throws UnknownTask, and else what a submit does
 */
export async function executeOnce(
  parts: { readonly system: ActorSystem; readonly node: Pick<Node, 'whenEnded'> },
  submits: Submits,
  { name, params }: Pick<SubmitRequest, 'name' | 'params'>,
  caller: Caller,
  waitMs: number | undefined,
): Promise<Executed> {
  submits.definition(name)
  let submitted: Submitted
  try {
    submitted = await submits.once(name, params, caller)
  } catch (error) {
    if (!(error instanceof InvalidInput || error instanceof LockHeldError)) throw error
    const { type, message, stack = '' } = describeError(error, false)
    const refused = { type: error instanceof InvalidInput ? 'ValidationError' : type, message, stack }
    // Of an input that is refused for its depth no answer could be written.
    const told = nestsTooDeep(params) ? {} : params
    return { taskId: undefined, params: told, outcome: { kind: 'error', error: refused } }
  }
  const { taskId } = submitted
  await untilEnded(parts, taskId, waitMs)
  const { state } = await parts.system.read(taskKind, taskId)
  const recorded = state.context.submission?.params ?? params
  if (!isEnded(state.value)) return { taskId, params: recorded, outcome: { kind: 'pending' } }
  if (state.value === 'completed') {
    return { taskId, params: recorded, outcome: { kind: 'result', result: state.context.result ?? null } }
  }
  const error = state.context.error ?? { type: 'CancelledError', message: 'The task was cancelled.' }
  return { taskId, params: recorded, outcome: { kind: 'error', error } }
}
