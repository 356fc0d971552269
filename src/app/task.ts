/** Tasks as an app declares and uses them: the options, the descriptor that submits, the handle of one submitted task. */
import { types } from 'node:util'
import { z } from 'zod'
import { InvalidInput, MOST_PER_WINDOW } from '../actors/index.ts'
import { copyOf, type JsonObject, type JsonValue, type TaskError } from '../events/index.ts'
import { checkCallbackUrl, printed, type TaskLimits } from '../execution/index.ts'
import type { JobFilter, JobStatus, JobView } from '../projections/index.ts'
import type { TaskDefinition } from './definition.ts'
import { type Duration, parseDuration } from './duration.ts'
import { type InputRules, parseInput } from './input.ts'
import { processOf } from './process/options.ts'
import type { Session } from './session.ts'
import { checkHandler, checkOptions, type Names } from './unchecked.ts'

/** What a task's handler gets beside its input. */
export interface TaskContext {
  readonly taskId: string
  /** 1 for the first start. */
  readonly attempt: number
  /** The conversation the task may reply to, if it was submitted with one. */
  readonly session: Session | undefined
  /** Aborted on timeout, cancel and shutdown: hand it to what you wait for. */
  readonly signal: AbortSignal
  /** How far the work is, from 0 to 1. Conflated: call it as often as you like. */
  progress(fraction: number | undefined, message?: string): void
  /** Pushes the deadline out by the task's timeout. */
  heartbeat(): Promise<void>
  /** A line of the task's own log. */
  log(message: string, data?: JsonValue): Promise<void>
  /** Fencing token of the task's lock, for side effects elsewhere: grows with every holder. */
  readonly fence: string | undefined
}

export interface TaskOptions<Input = never> {
  readonly description?: string
  readonly tags?: readonly string[]
  /** Attempts after the first one. Default 0. */
  readonly retries?: number
  /** Pause before an attempt: a random part of base × factor^failures, at most max. Default 1s, 2, 5m. */
  readonly backoff?: { readonly base?: Duration; readonly factor?: number; readonly max?: Duration }
  /** Only these errors are worth another attempt: a class, or a function that says so. Default: all. */
  readonly retryFor?: readonly RetryRule[]
  /** Of each attempt. Default: none. */
  readonly timeout?: Duration
  /** How long an aborted handler may take to stop before it is abandoned. Default 5s. */
  readonly grace?: Duration
  /** A timed-out attempt uses up a retry instead of ending the task. Default false. */
  readonly retryOnTimeout?: boolean
  /** What becomes of the task when its process dies: it runs again, or fails. Default 'retry'. */
  readonly onInterrupt?: 'retry' | 'fail'
  /** At most one live task per key: `'report:{report_id}'` filled in from the input, or a function of it. */
  readonly lock?: KeyOf<Input>
  /** What a submit does while the lock is held. Default 'join'. */
  readonly onLocked?: 'join' | 'queue' | 'reject' | 'replace'
  /**
   * Runs the handler in its own OS process: for work that keeps a processor busy, needs much memory, or may crash. With
   * `memory` the process is ended when it uses more: '256mb', '2gb'. Default false.
   */
  readonly process?: boolean | { readonly memory?: string }
  /** Higher first. Default 0. */
  readonly priority?: number
  /** How many run at the same time, over all nodes. Default: as many as the nodes run. */
  readonly concurrency?: number
  /** How many run at the same time for each key, made like a lock's: `{ key: 'user:{user_id}', limit: 2 }`. */
  readonly concurrencyKey?: { readonly key: KeyOf<Input>; readonly limit: number }
  /** How many start in a window of time, over all nodes: `{ limit: 100, per: '1s' }`. */
  readonly rateLimit?: { readonly limit: number; readonly per: Duration }
  /** A task that did not start this long after it could have is of no use any more: it fails as expired. */
  readonly expires?: Duration
  /** A submit is refused while so many wait. Default: no bound. */
  readonly maxQueued?: number
  /** POSTed with the final job when a run has ended, whatever the end; a submit may name another one. */
  readonly callbackUrl?: string
  /** Runs after a run that ended as failed or timeout, as a durable task of its own: `<task>.on_failure`. */
  readonly onFailure?: FailureFunction<Input>
}

/** What an onFailure handler gets beside the input and the error. `taskId` and the rest are its own task's. */
export interface FailureContext extends TaskContext {
  /** The run that failed. */
  readonly failed: { readonly taskId: string; readonly run: number }
}

/** `input` is handed over as it was recorded, should it no longer fit the task's schema. */
export type FailureFunction<Input> = (input: Input, error: TaskError, context: FailureContext) => unknown

/** A key made of the input: `'report:{report_id}'`, or a function. */
export type KeyOf<Input> = string | ((input: Input) => string)

/** Input schema; checked at submit and again at start. Without one any JSON object goes. */
export interface WithInput<Schema extends z.ZodType> {
  readonly input: Schema
}

export type RetryRule = (new (...args: never[]) => Error) | ((error: unknown) => boolean)

export type TaskFunction<Input, Result> = (input: Input, context: TaskContext) => Result | Promise<Result>

export interface SubmitOptions {
  /** The conversation the task may reply to; its owner becomes the task's. */
  readonly session?: Session | undefined
  readonly priority?: number
  /** The same owner, task and key is the same task, however often it is submitted. */
  readonly idempotencyKey?: string
  /** POSTed with the final job when a run has ended. */
  readonly callbackUrl?: string
}

export interface SubmitManyOptions<Input = never> extends Omit<ScheduleOptions, 'idempotencyKey'> {
  /** Of each task, by its input and its place from 0. */
  readonly idempotencyKey?: (input: Input, index: number) => string
}

export interface ScheduleOptions extends SubmitOptions {
  /** From now. */
  readonly delay?: Duration
  readonly runAt?: Date | string
}

export interface TaskFilter extends Pick<JobFilter, 'tag' | 'q'> {
  readonly status?: JobStatus | readonly JobStatus[]
  readonly sessionId?: string
  readonly ownerId?: string
  /** Input fields, by equality. */
  readonly input?: Readonly<Record<string, JsonValue>>
}

export interface FindOptions extends TaskFilter {
  /** Default 100; `Infinity` for all. */
  readonly limit?: number
  readonly offset?: number
}

/** One submitted task. */
export interface TaskHandle<Result = JsonValue> {
  readonly taskId: string
  /** The live task of the same lock was joined instead of making a new one. */
  readonly joined: boolean
  status(): Promise<JobStatus>
  job(): Promise<JobView>
  /** Waits for the end. @throws TaskFailed when it did not complete, TimeoutError after `timeout`, NotRunning when the app stops */
  result(options?: { readonly timeout?: Duration }): Promise<Result>
  cancel(reason?: string): Promise<void>
  /** Pushes a running task's deadline out by its timeout. */
  refresh(): Promise<void>
}

/** A declared task: what app.task returns. */
export interface Task<Input, Result> {
  readonly name: string
  submit(input: Input, options?: SubmitOptions): Promise<TaskHandle<Result>>
  /** Submits it for later. */
  schedule(input: Input, options: ScheduleOptions): Promise<TaskHandle<Result>>
  /**
   * Submits many at once, which costs little more than one. Each answer stands in its input's place: a handle, or why
   * that one was refused. @throws InvalidInput, and submits none, if an input does not fit
   */
  submitMany(
    inputs: readonly Input[],
    options?: SubmitManyOptions<Input>,
  ): Promise<readonly PromiseSettledResult<TaskHandle<Result>>[]>
  /** Newest first. @throws InvalidInput, as those below, if the filter has a name or a value that there is not */
  find(options?: FindOptions): Promise<readonly JobView[]>
  count(filter?: TaskFilter): Promise<number>
  /** Cancels those that wait. @returns how many */
  cancel(filter?: TaskFilter): Promise<number>
  /** The handle of a task submitted earlier. */
  handle(taskId: string): TaskHandle<Result>
}

/** A task as whatever runs the app serves it: the descriptor without the types of one task's input. */
export interface TaskApi<Result> {
  submit(input: JsonObject, options: ScheduleOptions): Promise<TaskHandle<Result>>
  /** `keys`: the idempotency key of each. */
  submitMany(
    inputs: readonly JsonObject[],
    options: Omit<ScheduleOptions, 'idempotencyKey'>,
    keys?: readonly string[],
  ): Promise<readonly PromiseSettledResult<TaskHandle<Result>>[]>
  find(options: FindOptions): Promise<readonly JobView[]>
  count(filter: TaskFilter): Promise<number>
  cancel(filter: TaskFilter): Promise<number>
  handle(taskId: string): TaskHandle<Result>
}

const NAME = /^[a-zA-Z0-9_-]{1,100}$/
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
const KEY: Names<NonNullable<TaskOptions['concurrencyKey']>> = { key: true, limit: true }
const RATE: Names<NonNullable<TaskOptions['rateLimit']>> = { limit: true, per: true }

export function validateName(kind: 'task' | 'schedule', name: string): void {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new TypeError(
      `The ${kind} name "${name}" is not URL-safe: use letters, digits, _ and -, at most 100 characters.`,
    )
  }
}

/**
 * Holds an option against the values it has: Node runs an app's types unchecked, and the log would keep any text.
 * @throws TypeError that lists them
 */
export function oneOf<T extends string>(what: string, value: T, known: readonly T[]): T {
  if (known.includes(value)) return value
  throw new TypeError(`${what} is ${JSON.stringify(value)}. Use one of: ${known.join(', ')}.`)
}

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
    tags: options.tags ?? [],
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
    maxQueued: atLeastOne(name, 'maxQueued', options.maxQueued),
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

/** What a function makes of the input as its handler sees it, or a template of the input as it was recorded. */
function keyOf(task: InputRules, what: string, key: KeyOf<never>): (params: JsonObject) => string {
  const make = typeof key === 'function' ? madeBy(task, key) : filledIn(task, what, key)
  return (params) => {
    const made = textOf(make(params), `The ${what} of task ${task.name}`)
    // It names a stream, and half a character (a surrogate without its other half) has no bytes to name one with.
    if (!made.isWellFormed()) {
      throw new InvalidInput(`The ${what} of task ${task.name} comes to text that is not well-formed Unicode`, [
        { path: '', message: 'half of a character is in it; send whole ones' },
      ])
    }
    return made
  }
}

function madeBy(task: InputRules, key: Extract<KeyOf<never>, (...args: never[]) => unknown>) {
  return (params: JsonObject) => (key as (input: unknown) => unknown)(parseInput(task, copyOf(params)))
}

/** A number will do, as in a template. @throws TypeError */
function textOf(made: unknown, what: string): string {
  if (typeof made === 'string') return made
  if (typeof made === 'number' || typeof made === 'boolean') return String(made)
  throw new TypeError(`${what} comes to ${printed(made)}: let its function return text. It is called with the input.`)
}

function filledIn({ name }: InputRules, what: string, template: string) {
  return (params: JsonObject): string =>
    template.replaceAll(/\{([^{}]+)\}/g, (_, field: string) => {
      const value = params[field]
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
      throw new InvalidInput(`The ${what} of task ${name} is "${template}"`, [
        { path: field, message: 'must be text, a number or a boolean' },
      ])
    })
}

function limitsOf(task: InputRules, options: TaskOptions): TaskLimits | undefined {
  const { name } = task
  const { concurrencyKey, rateLimit } = options
  if (concurrencyKey) checkOptions(`task ${name}: concurrencyKey`, concurrencyKey, KEY)
  if (rateLimit) checkOptions(`task ${name}: rateLimit`, rateLimit, RATE)
  const concurrency = atLeastOne(name, 'concurrency', options.concurrency)
  if (concurrency === undefined && !concurrencyKey && !rateLimit) return undefined
  return {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(concurrencyKey === undefined
      ? {}
      : {
          key: {
            of: keyOf(task, 'concurrencyKey', concurrencyKey.key),
            limit: atLeastOne(name, 'concurrencyKey.limit', concurrencyKey.limit) ?? 1,
          },
        }),
    ...(rateLimit === undefined ? {} : { rate: rateOf(name, rateLimit) }),
  }
}

function rateOf(name: string, { limit, per }: { readonly limit: number; readonly per: Duration }) {
  const perMs = parseDuration(per, 'rateLimit.per')
  const starts = atLeastOne(name, 'rateLimit.limit', limit) ?? 1
  if (perMs < 1 || starts > MOST_PER_WINDOW) {
    throw new TypeError(
      `task ${name}: rateLimit is ${limit} in ${perMs} ms. Allow 1 to ${MOST_PER_WINDOW} starts in a window of at least 1 ms; for more, take a shorter window.`,
    )
  }
  return { limit: starts, perMs }
}

function atLeastOne(name: string, option: string, value: number | undefined): number | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= 1)) return value
  throw new TypeError(`task ${name}: ${option} is ${value}, it must be a whole number from 1.`)
}
