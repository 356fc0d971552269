/**
 * Errors on their way between a task's process and the one that started it. An error keeps its name, message, stack,
 * cause and facts; one of a class that both sides know is an instance of that class again.
 */
import {
  AttemptFenced,
  CommandIdTaken,
  CommandRefused,
  IdempotencyConflict,
  InvalidInput,
  LockHeldError,
  MailboxFull,
  NotFound,
  NotRunning,
  QueueFull,
  TaskRetired,
  TooContended,
  UnknownTask,
} from '../../actors/index.ts'
import { EventTooLarge, StoreUnavailable } from '../../events/index.ts'
import { CancelledError, fieldOf, isError, NonRetryableError, printed, ShutdownError, TimeoutError } from '../errors.ts'

export interface WiredError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  /** Own fields beside those above: code, ids, issues. */
  readonly facts: Readonly<Record<string, unknown>>
  readonly cause: WiredError | undefined
}

type ErrorClass = new (...args: never[]) => Error

/** The classes an app can meet in `catch`, beside those declared further up: src/index.ts exports them. */
export const APP_ERRORS: readonly ErrorClass[] = [
  AttemptFenced,
  CancelledError,
  CommandIdTaken,
  CommandRefused,
  EventTooLarge,
  IdempotencyConflict,
  InvalidInput,
  LockHeldError,
  MailboxFull,
  NonRetryableError,
  NotFound,
  NotRunning,
  QueueFull,
  ShutdownError,
  StoreUnavailable,
  TaskRetired,
  TimeoutError,
  TooContended,
  UnknownTask,
]

const known = new Map([...APP_ERRORS, RangeError, TypeError].map((errorClass) => [errorClass.name, errorClass]))

/** Adds classes that are declared further up. */
export function knowErrors(...classes: readonly ErrorClass[]): void {
  for (const errorClass of classes) known.set(errorClass.name, errorClass)
}

const STANDARD = new Set(['name', 'message', 'stack', 'cause'])
const DEEPEST_CAUSE = 5

export function wireError(error: unknown, depth = 0): WiredError {
  if (!isError(error)) {
    return { name: 'NonError', message: printed(error), stack: undefined, facts: {}, cause: undefined }
  }
  const stack = fieldOf(error, 'stack')
  const cause = fieldOf(error, 'cause')
  return {
    name: printed(fieldOf(error, 'name')) || 'Error',
    message: printed(fieldOf(error, 'message')),
    stack: stack === undefined ? undefined : printed(stack),
    facts: factsOf(error),
    cause: cause === undefined || depth >= DEEPEST_CAUSE ? undefined : wireError(cause, depth + 1),
  }
}

export function reviveError({ name, message, stack, facts, cause }: WiredError): Error {
  const error = new Error(message, cause === undefined ? undefined : { cause: reviveError(cause) })
  const errorClass = known.get(name)
  if (errorClass) Object.setPrototypeOf(error, errorClass.prototype)
  for (const [key, value] of Object.entries({ ...facts, stack })) {
    Object.defineProperty(error, key, { value, enumerable: key !== 'stack', configurable: true, writable: true })
  }
  if (error.name !== name) Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  return error
}

/** What can be read of it, and crosses. */
function factsOf(error: Error): WiredError['facts'] {
  const facts: [string, unknown][] = []
  for (const key of Object.keys(error)) {
    if (STANDARD.has(key)) continue
    try {
      const value: unknown = Reflect.get(error, key)
      structuredClone(value)
      facts.push([key, value])
    } catch {}
  }
  return Object.fromEntries(facts)
}
