/** createApp: collects what an application declares. Nothing runs until it is started (serve, worker, tests). */
import type { z } from 'zod'
import { NotRunning } from '../actors/index.ts'
import { type DeclaredSchedule, validateCron } from '../execution/index.ts'
import { confirmCurrent } from './current-session.ts'
import { defineTask } from './define-task.ts'
import type { PageDefinition, TaskDefinition, UiBlock } from './definition.ts'
import type { Session } from './session.ts'
import type { Task, TaskFunction, TaskOptions, WithInput } from './task.ts'
import type { TaskApi } from './task-api.ts'
import { checkHandler, checkOptions, type Names, oneOf, validateName } from './unchecked.ts'

/** What the app's own descriptors need of whatever runs it. */
export interface Runs {
  taskApi<Result>(name: string): TaskApi<Result>
}

export interface AppOptions {
  /** Starts the names of its streams: letters, digits, _ and -. */
  readonly name: string
  /** Task handlers that run at the same time on a node; the end of one may be recorded while the next runs. Default 256. */
  readonly concurrency?: number
  /** Signs callbacks, so that a receiver can tell that they are the app's. Without one they carry no signature. */
  readonly callbackSecret?: string
  /** Callbacks may go to private, loopback and link-local addresses. Default false. */
  readonly allowPrivateCallbacks?: boolean
  /** `import.meta.url` of the file that exports the app: processes of its tasks import it. `capsule serve` knows it. */
  readonly entry?: string
}

/** What a person wrote. */
export interface IncomingMessage {
  readonly id: string
  readonly text: string
}

export interface TurnContext {
  /** Aborted on Stop, on the turn's timeout (10 minutes) and on shutdown. */
  readonly signal: AbortSignal
}

export type MessageHandler = (session: Session, message: IncomingMessage, context: TurnContext) => unknown

export interface CronOptions {
  /** IANA name. Default UTC. */
  readonly timezone?: string
  /** What happens when an occurrence is due while the one before still runs. Default 'skip'. */
  readonly overlap?: 'skip' | 'queue' | 'parallel'
  /** What becomes of occurrences that were due while nothing ran. Default 'latest': the last one runs. */
  readonly missed?: 'skip' | 'latest' | 'all'
  readonly description?: string
}

export interface OccurrenceContext {
  /** When it was due. */
  readonly due: Date
  readonly taskId: string
  readonly signal: AbortSignal
  readonly session: Session
}

export type ScheduleHandler = (context: OccurrenceContext) => unknown

export interface Schedule extends DeclaredSchedule {
  readonly handler: ScheduleHandler
}

const APP_NAME = /^[a-zA-Z0-9_-]{1,60}$/
const OVERLAP = ['skip', 'queue', 'parallel'] as const
const MISSED = ['skip', 'latest', 'all'] as const
const OPTIONS: Names<AppOptions> = {
  name: true,
  concurrency: true,
  callbackSecret: true,
  allowPrivateCallbacks: true,
  entry: true,
}
const CRON_OPTIONS: Names<CronOptions> = { timezone: true, overlap: true, missed: true, description: true }
type AnyTaskOptions = TaskOptions & Partial<WithInput<z.ZodType>>
const PLAIN_TASK: AnyTaskOptions = {}

export class App {
  readonly name: string
  readonly concurrency: number
  readonly callbackSecret: string | undefined
  readonly allowPrivateCallbacks: boolean | undefined
  readonly entry: string | undefined
  readonly #tasks = new Map<string, TaskDefinition>()
  readonly #schedules = new Map<string, Schedule>()
  readonly #pages = new Map<string, PageDefinition>()
  #onMessage: MessageHandler | undefined
  #running: Runs | undefined

  constructor(options: AppOptions) {
    if (typeof options.name !== 'string' || !APP_NAME.test(options.name)) {
      throw new TypeError(
        `The app name "${options.name}" names its streams: use letters, digits, _ and -, at most 60 characters.`,
      )
    }
    checkOptions(`app ${options.name}`, options, OPTIONS)
    const { callbackSecret: secret } = options
    if (secret !== undefined && (typeof secret !== 'string' || secret === '')) {
      throw new TypeError(
        `app ${options.name}: callbackSecret is no text, or an empty one, with which anybody could sign. Give a secret, or leave it out.`,
      )
    }
    this.name = options.name
    this.callbackSecret = secret
    this.allowPrivateCallbacks = options.allowPrivateCallbacks
    this.concurrency = options.concurrency ?? 256
    this.entry = options.entry
    if (!Number.isInteger(this.concurrency) || this.concurrency < 1) {
      throw new TypeError(`concurrency is ${options.concurrency}, it must be a whole number from 1.`)
    }
  }

  get tasks(): ReadonlyMap<string, TaskDefinition> {
    return this.#tasks
  }

  get schedules(): ReadonlyMap<string, Schedule> {
    return this.#schedules
  }

  get pages(): readonly PageDefinition[] {
    return [...this.#pages.values()]
  }

  get onMessage(): MessageHandler | undefined {
    return this.#onMessage
  }

  /** Declares background work. The handler may be called more than once; its end is recorded once. */
  task<Schema extends z.ZodType, Result>(
    name: string,
    options: TaskOptions<z.output<Schema>> & WithInput<Schema>,
    handler: TaskFunction<z.output<Schema>, Result>,
  ): Task<z.input<Schema>, Result>
  task<Input extends object, Result>(
    name: string,
    options: TaskOptions<Input>,
    handler: TaskFunction<Input, Result>,
  ): Task<Input, Result>
  task<Input extends object, Result>(name: string, handler: TaskFunction<Input, Result>): Task<Input, Result>
  task<Result>(
    name: string,
    optionsOrHandler: AnyTaskOptions | TaskFunction<never, Result>,
    maybeHandler?: TaskFunction<never, Result>,
  ): Task<never, Result> {
    const [options, handler] =
      typeof optionsOrHandler === 'function' ? [PLAIN_TASK, optionsOrHandler] : [optionsOrHandler, maybeHandler]
    if (!handler)
      throw new TypeError(`task ${name} has no handler: app.task('${name}', options, async (input, context) => …)`)
    this.#declare(this.#tasks, 'task', name, defineTask(name, options, handler))
    return this.#descriptor(name)
  }

  /** Answers what people write. One for an app. */
  message(handler: MessageHandler): void {
    if (this.#onMessage) throw new TypeError('app.message() is declared already: an app answers with one handler.')
    checkHandler('app.message()', handler)
    if (this.#running) throw new TypeError('app.message() comes too late: the app is running already.')
    this.#onMessage = handler
  }

  /** Declares recurring work: five fields, six with seconds, or @daily and the like. */
  schedule(name: string, cron: string, handler: ScheduleHandler): void
  schedule(name: string, cron: string, options: CronOptions, handler: ScheduleHandler): void
  schedule(
    name: string,
    cron: string,
    optionsOrHandler: CronOptions | ScheduleHandler,
    maybeHandler?: ScheduleHandler,
  ): void {
    const [options, handler] =
      typeof optionsOrHandler === 'function' ? [{} as CronOptions, optionsOrHandler] : [optionsOrHandler, maybeHandler]
    if (!handler)
      throw new TypeError(`schedule ${name} has no handler: app.schedule('${name}', '${cron}', async () => …)`)
    validateName('schedule', name)
    checkOptions(`schedule ${name}`, options, CRON_OPTIONS)
    checkHandler(`schedule ${name}`, handler)
    const { timezone = 'UTC', overlap = 'skip', missed = 'latest', description } = options
    validateCron(cron, timezone)
    this.#declare(this.#schedules, 'schedule', name, {
      name,
      cron: cron.trim(),
      timezone,
      overlap: oneOf(`schedule ${name}: overlap`, overlap, OVERLAP),
      missed: oneOf(`schedule ${name}: missed`, missed, MISSED),
      ...(description === undefined ? {} : { description }),
      handler,
    })
  }

  /** Adds a page to the app's navigation. `icon` is a name of the lucide set. */
  page(name: string, render: () => readonly UiBlock[]): void
  page(name: string, options: { readonly icon?: string }, render: () => readonly UiBlock[]): void
  page(
    name: string,
    optionsOrRender: { readonly icon?: string } | (() => readonly UiBlock[]),
    maybeRender?: () => readonly UiBlock[],
  ): void {
    const [options, render] =
      typeof optionsOrRender === 'function' ? [{}, optionsOrRender] : [optionsOrRender, maybeRender]
    if (!render) throw new TypeError(`page ${name} has nothing to show: app.page('${name}', () => ui.page([…]))`)
    const slug = slugOf(name)
    if (slug === '') throw new TypeError(`The page name "${name}" has no letter or digit to make an address of.`)
    this.#declare(this.#pages, 'page', slug, { name, slug, icon: options.icon, render })
  }

  /** Called by whoever starts the app. @throws TypeError while something else runs it */
  runOn(running: Runs): void {
    this.assertIdle()
    this.#running = running
  }

  /** Called by whoever ran it, or for one that died, and changes nothing while something else runs it. */
  runNoMore(running = this.#running): void {
    if (this.#running === running) this.#running = undefined
  }

  /** Its descriptors submit to the one thing that runs it. @throws TypeError while it runs */
  assertIdle(): void {
    if (!this.#running) return
    throw new TypeError(
      `The app ${this.name} is running already in this process. Stop it first, or make another one with createApp.`,
    )
  }

  #declare<T>(declared: Map<string, T>, kind: string, name: string, definition: T): void {
    if (declared.has(name)) throw new TypeError(`The ${kind} "${name}" is declared twice.`)
    if (this.#running) throw new TypeError(`The ${kind} "${name}" comes too late: the app is running already.`)
    declared.set(name, definition)
  }

  #descriptor<Result>(name: string): Task<never, Result> {
    const tasks = (): TaskApi<Result> => {
      if (!this.#running) throw new NotRunning(`The app ${this.name} is not running`)
      return this.#running.taskApi<Result>(name)
    }
    return {
      name,
      submit: async (input, options) => {
        const confirmed = confirmCurrent()
        if (confirmed) await confirmed
        return await tasks().submit(input, options ?? {})
      },
      schedule: async (input, options) => {
        await confirmCurrent()
        return tasks().submit(input, options)
      },
      submitMany: async (inputs, { idempotencyKey, ...options } = {}) => {
        await confirmCurrent()
        return tasks().submitMany(inputs, options, idempotencyKey && inputs.map(idempotencyKey))
      },
      find: async (options) => tasks().find(options ?? {}),
      count: async (filter) => tasks().count(filter ?? {}),
      cancel: async (filter) => {
        await confirmCurrent()
        return tasks().cancel(filter ?? {})
      },
      handle: (taskId) => tasks().handle(taskId),
    }
  }
}

function slugOf(name: string): string {
  return name
    .toLowerCase()
    .normalize('NFKD')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
}

export function createApp(options: AppOptions): App {
  return new App(options)
}
