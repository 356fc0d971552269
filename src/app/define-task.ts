/** From the options and the handler of `app.task` to a task's definition: what makes no sense is refused where it is declared. */
import { types } from 'node:util'
import { z } from 'zod'
import { checkCallbackUrl, printed } from '../execution/index.ts'
import type { TaskDefinition } from './definition.ts'
import { parseDuration } from './duration.ts'
import { keyOf } from './keys.ts'
import { processOf } from './process/options.ts'
import type { RetryRule, TaskFunction, TaskOptions, WithInput } from './task.ts'
import { limitsOf } from './task-limits.ts'
import { atLeastOne, checkHandler, checkOptions, listOfText, type Names, oneOf, validateName } from './unchecked.ts'

const ON_LOCKED = ['join', 'queue', 'reject', 'replace'] as const
const ON_INTERRUPT = ['retry', 'fail'] as const
const OPTIONS: Names<TaskOptions & WithInput<z.ZodType>> = {
  input: true,
  description: true,
  tags: true,
  retries: true,
  backoff: true,
  retryFor: true,
  timeout: true,
  grace: true,
  retryOnTimeout: true,
  onInterrupt: true,
  lock: true,
  onLocked: true,
  process: true,
  priority: true,
  concurrency: true,
  concurrencyKey: true,
  rateLimit: true,
  expires: true,
  maxQueued: true,
  callbackUrl: true,
  onFailure: true,
}
const BACKOFF: Names<NonNullable<TaskOptions['backoff']>> = { base: true, factor: true, max: true }

/** @throws TypeError, InvalidInput for options that make no sense */
export function defineTask(
  name: string,
  options: TaskOptions & Partial<WithInput<z.ZodType>>,
  handler: TaskFunction<never, unknown>,
): TaskDefinition {
  validateName('task', name)
  checkOptions(`task ${name}`, options, OPTIONS)
  checkHandler(`task ${name}`, handler)
  if (options.onFailure) checkHandler(`task ${name}: onFailure`, options.onFailure)
  const { retries = 0, backoff = {}, retryFor, lock } = options
  const input = strict(schemaOf(name, options.input))
  const onLocked = oneOf(`task ${name}: onLocked`, options.onLocked ?? 'join', ON_LOCKED)
  const onInterrupt = oneOf(`task ${name}: onInterrupt`, options.onInterrupt ?? 'retry', ON_INTERRUPT)
  if (!Number.isInteger(retries) || retries < 0) {
    throw new TypeError(`task ${name}: retries is ${retries}, it must be a whole number from 0.`)
  }
  if (retryFor) checkRules(name, retryFor)
  if (options.callbackUrl !== undefined) checkCallbackUrl(options.callbackUrl, true)
  checkOptions(`task ${name}: backoff`, backoff, BACKOFF)
  const { factor = 2 } = backoff
  if (!Number.isFinite(factor)) throw new TypeError(`task ${name}: backoff.factor is ${factor}, it must be a number.`)
  const { priority = 0 } = options
  if (!Number.isSafeInteger(priority)) {
    throw new TypeError(`task ${name}: priority is ${priority}, it must be a whole number.`)
  }
  return {
    name,
    description: options.description,
    tags: listOfText(`task ${name}: tags`, options.tags ?? []),
    input,
    retries,
    backoff: {
      base: parseDuration(backoff.base ?? 1, 'backoff.base'),
      factor: Math.max(1, factor),
      max: parseDuration(backoff.max ?? '5m', 'backoff.max'),
    },
    timeoutMs: options.timeout === undefined ? undefined : parseDuration(options.timeout, 'timeout'),
    graceMs: parseDuration(options.grace ?? 5, 'grace'),
    retryOnTimeout: options.retryOnTimeout ?? false,
    onInterrupt,
    priority,
    onLocked,
    lockKey: lock === undefined ? undefined : keyOf({ name, input }, 'lock', lock),
    limits: limitsOf({ name, input }, options),
    expiresMs: options.expires === undefined ? undefined : parseDuration(options.expires, 'expires'),
    maxQueued: atLeastOne(`task ${name}: maxQueued`, options.maxQueued),
    callbackUrl: options.callbackUrl,
    onFailure: options.onFailure,
    process: processOf(name, options.process),
    retryable: (error) => retryFor === undefined || retryFor.some((rule) => matches(rule, error)),
    declared: options,
    handler: handler as (input: never, context: never) => unknown,
  }
}

function schemaOf(task: string, schema: z.ZodType | undefined): z.ZodType | undefined {
  if (schema === undefined || typeof schema.safeParse === 'function') return schema
  throw new TypeError(`task ${task}: input is no zod schema. Write: input: z.object({ … })`)
}

/** An object schema that says nothing of other keys refuses them: a misspelt parameter is an error, not silence. */
function strict(schema: z.ZodType | undefined): z.ZodType | undefined {
  return schema instanceof z.ZodObject && schema.def.catchall === undefined ? schema.strict() : schema
}

/** @throws TypeError for what decides nothing: no function, or one whose promise would always say yes */
function checkRules(task: string, rules: readonly RetryRule[]): void {
  const odd = Array.isArray(rules)
    ? rules.find((rule) => typeof rule !== 'function' || types.isAsyncFunction(rule))
    : rules
  if (odd === undefined) return
  const what = types.isAsyncFunction(odd) ? 'an asynchronous function' : printed(odd)
  throw new TypeError(
    `task ${task}: retryFor has ${what}. Give a list of classes of errors, or of functions that say at once: (error) => boolean`,
  )
}

function matches(rule: RetryRule, error: unknown): boolean {
  return isErrorClass(rule) ? error instanceof rule : rule(error)
}

function isErrorClass(rule: RetryRule): rule is new (...args: never[]) => Error {
  return rule === Error || rule.prototype instanceof Error
}
