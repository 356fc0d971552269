/** User code throws anything; the log keeps what a reader needs of it: never `{}`. */
import { inspect, types } from 'node:util'
import { DEEPEST_JSON, type JsonValue, nestsTooDeep, plainJson, type TaskError } from '../events/index.ts'

/** Thrown by a handler to say that no further attempt can help. */
export class NonRetryableError extends Error {
  override readonly name = 'NonRetryableError'
}

/** The attempt's deadline passed. The reason of its aborted signal. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError'
}

/** Somebody asked to cancel, or to stop the turn. The reason of the aborted signal. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError'
}

/** The node is stopping; the work runs again elsewhere or later. The reason of the aborted signal. */
export class ShutdownError extends Error {
  override readonly name = 'ShutdownError'
}

const LONGEST_NAME = 200
const LONGEST_MESSAGE = 8_000
const LONGEST_STACK = 16_000

export function describeError(error: unknown, retryable: boolean): TaskError {
  if (!isError(error)) {
    return { type: 'NonError', message: cut(`Not an Error was thrown: ${printed(error)}`, LONGEST_MESSAGE), retryable }
  }
  const stack = fieldOf(error, 'stack')
  const cause = fieldOf(error, 'cause')
  const { type, message } = told(error)
  return {
    type: type || 'Error',
    message: message || type || 'Error',
    ...(stack ? { stack: cut(printed(stack), LONGEST_STACK) } : {}),
    retryable,
    ...(cause === undefined
      ? {}
      : {
          cause: isError(cause) ? told(cause) : { type: typeof cause, message: cut(printed(cause), LONGEST_MESSAGE) },
        }),
  }
}

function told(error: Error): { readonly type: string; readonly message: string } {
  return {
    type: cut(printed(fieldOf(error, 'name')), LONGEST_NAME),
    message: cut(printed(fieldOf(error, 'message')), LONGEST_MESSAGE),
  }
}

/** Errors of another realm (node:vm) are no instances of ours; a proxy may refuse to say what it is. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error || types.isNativeError(value)
  } catch {
    return false
  }
}

/** A getter may throw, and so may a proxy: whoever tells of an error must not end with it. */
export function fieldOf(error: Error, field: 'name' | 'message' | 'stack' | 'cause'): unknown {
  try {
    return error[field]
  } catch {
    return 'cannot be read'
  }
}

/** Any value as text: fields of an error need not be what their types say. */
export function printed(value: unknown): string {
  if (typeof value === 'string') return value
  for (const print of [toText, (odd: unknown) => Object.prototype.toString.call(odd)]) {
    try {
      return print(value)
    } catch {}
  }
  return 'a value that cannot be printed'
}

function toText(value: unknown): string {
  return typeof value === 'bigint' || isError(value) ? String(value) : (JSON.stringify(value) ?? String(value))
}

function cut(text: string, limit: number): string {
  if (text.length <= limit) return text
  // Not between the halves of a character that takes two.
  const kept = text.slice(0, limit).replace(/[\uD800-\uDBFF]$/, '')
  return `${kept}… (${text.length - kept.length} more characters)`
}

/** A handler's result as the log keeps it; `undefined` becomes null. @throws NonRetryableError if JSON cannot hold it */
export function asJson(value: unknown): JsonValue {
  if (value === undefined || value === null) return null
  if (typeof value === 'string' || typeof value === 'boolean') return value
  let result: JsonValue
  try {
    result = plainJson(value)
  } catch (error) {
    const [why = ''] = printed(isError(error) ? fieldOf(error, 'message') : error).split('\n')
    throw new NonRetryableError(
      `The result is not JSON (${why}). Return plain objects, arrays, strings, numbers and booleans.`,
      { cause: error },
    )
  }
  if (nestsTooDeep(result)) {
    throw new NonRetryableError(`The result nests too deep: lists and objects may nest ${DEEPEST_JSON} deep.`)
  }
  return result
}

/** What a handler logs beside its message: of what JSON cannot hold, how it is printed. To log is no reason to fail. */
export function asLogged(data: unknown): JsonValue | undefined {
  if (data === undefined) return undefined
  try {
    return plainJson(data)
  } catch {
    return cut(inspected(data), LONGEST_MESSAGE)
  }
}

function inspected(value: unknown): string {
  try {
    return inspect(value)
  } catch {
    return printed(value)
  }
}
