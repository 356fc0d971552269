/**
 * The app that simulations run: tasks with every option, whose input says how their handler behaves; a chat whose
 * messages do the same; and a schedule for each policy. It notes every execution, so that the log can be held against
 * what really ran.
 */
import type { Clock } from '../../src/actors/index.ts'
import { type App, createApp, type Session, type TaskContext, type TaskOptions } from '../../src/app/index.ts'
import { NonRetryableError } from '../../src/execution/index.ts'

export const APP = 'sim'

/** How a handler behaves; a type alias, so that it is a JSON object. */
export type Behaviour = {
  readonly does:
    | 'succeed'
    /** Throws in its first `times` attempts. */
    | 'fail'
    /** The same, with what is not an Error. */
    | 'throw'
    | 'give up'
    /** Waits for its abort. */
    | 'block'
    /** Does not hear its abort, and tries to speak after it. */
    | 'deaf'
    /** Hears nothing and never ends. */
    | 'hang'
  readonly ms: number
  readonly times: number
  /** Replies, notifies, logs, shows progress. */
  readonly talks: boolean
  /** Submits another task. */
  readonly child: boolean
  readonly key: string
}

/** One call of a handler. */
export interface Execution {
  readonly taskId: string
  readonly attempt: number
  readonly process: string
  readonly startedAt: number
  endedAt: number | undefined
}

export interface Surroundings {
  readonly process: string
  /** Of the process: its timers die with it. */
  readonly clock: Clock
  readonly concurrency: number
  readonly executions: Execution[]
}

export const TASKS = {
  plain: { retries: 2, backoff: { base: 1, factor: 2, max: 10 } },
  once: { onInterrupt: 'fail', timeout: 20 },
  strict: { timeout: 5, grace: 2, retries: 1, backoff: { base: '500ms' } },
  patient: { timeout: 5, grace: 1, retries: 2, retryOnTimeout: true, priority: 1 },
  picky: { retries: 3, retryFor: [RangeError], backoff: { base: '100ms' } },
  joining: { lock: 'shared:{key}', onLocked: 'join', timeout: 20, grace: 1, retries: 1 },
  queueing: { lock: 'shared:{key}', onLocked: 'queue', timeout: 20, grace: 1, retries: 1 },
  rejecting: { lock: 'shared:{key}', onLocked: 'reject', timeout: 20, grace: 1 },
  replacing: { lock: 'shared:{key}', onLocked: 'replace', timeout: 20, grace: 1 },
  careful: { lock: 'shared:{key}', onLocked: 'queue', timeout: 20, grace: 1, onInterrupt: 'fail' },
  limited: { concurrency: 2, timeout: 20, grace: 1, retries: 1 },
  keyed: { concurrencyKey: { key: '{key}', limit: 1 }, timeout: 20, grace: 1 },
  rated: { rateLimit: { limit: 2, per: 10 }, retries: 1, backoff: { base: '100ms' } },
  expiring: { concurrency: 1, expires: 8, timeout: 20, grace: 1 },
  bounded: { concurrency: 1, maxQueued: 2, timeout: 20, grace: 1 },
  guarded: { lock: 'shared:{key}', onLocked: 'queue', concurrency: 1, timeout: 20, grace: 1 },
  mourned: { timeout: 5, grace: 1, onFailure: () => {} },
} as const satisfies Readonly<Record<string, TaskOptions>>
export type TaskName = keyof typeof TASKS

/** What the tasks above may do at most. */
export const LIMITS: Readonly<
  Record<
    string,
    { readonly limit?: number; readonly perKey?: number; readonly starts?: number; readonly windowMs?: number }
  >
> = {
  limited: { limit: 2 },
  keyed: { perKey: 1 },
  rated: { starts: 2, windowMs: 10_000 },
  expiring: { limit: 1 },
  bounded: { limit: 1 },
  guarded: { limit: 1 },
}

export interface SimulatedSchedule {
  readonly everyMinutes: number
  readonly overlap: 'skip' | 'queue' | 'parallel'
  readonly missed: 'skip' | 'latest' | 'all'
}

export const SCHEDULES: Readonly<Record<string, SimulatedSchedule>> = {
  skipping: { everyMinutes: 1, overlap: 'skip', missed: 'latest' },
  lining_up: { everyMinutes: 2, overlap: 'queue', missed: 'all' },
  side_by_side: { everyMinutes: 3, overlap: 'parallel', missed: 'skip' },
}

export function simulatedApp(around: Surroundings, scheduled: boolean): App {
  const app = createApp({ name: APP, concurrency: around.concurrency })
  const child = app.task('child', { retries: 1 }, (_, context) =>
    noted(around, context, () => pause(around.clock, 1000, context.signal)),
  )
  for (const [name, options] of Object.entries(TASKS)) {
    app.task(name, options, (input, context) =>
      noted(around, context, async () => {
        const behaviour = input as Behaviour
        if (behaviour.child) {
          const { session, taskId } = context
          await child.submit({}, { session, idempotencyKey: `of-${taskId}` })
        }
        return behave(behaviour, context, around.clock)
      }),
    )
  }
  app.message(async (session, message, { signal }) => {
    const behaviour = JSON.parse(message.text) as Behaviour
    if (behaviour.child) await child.submit({}, { session, idempotencyKey: `of-${message.id}` })
    return behave(behaviour, { session, signal, attempt: 1, taskId: message.id }, around.clock)
  })
  for (const [name, { everyMinutes, overlap, missed }] of Object.entries(scheduled ? SCHEDULES : {})) {
    app.schedule(name, `*/${everyMinutes} * * * *`, { overlap, missed }, ({ due, taskId, signal }) =>
      noted(around, { taskId, attempt: 0 }, () => {
        // Some last longer than their interval.
        const minute = Math.floor(due.getTime() / 60_000)
        return pause(around.clock, minute % 5 === 0 ? 150_000 : (minute % 3) * 10_000, signal)
      }),
    )
  }
  return app
}

async function noted<T>(
  { executions, process, clock }: Surroundings,
  { taskId, attempt }: Pick<TaskContext, 'taskId' | 'attempt'>,
  work: () => Promise<T>,
): Promise<T> {
  const execution: Execution = { taskId, attempt, process, startedAt: clock.now(), endedAt: undefined }
  executions.push(execution)
  try {
    return await work()
  } finally {
    execution.endedAt = clock.now()
  }
}

interface Context extends Pick<TaskContext, 'signal' | 'attempt' | 'taskId'>, Partial<Pick<TaskContext, 'log'>> {
  readonly session: Session | undefined
  readonly progress?: TaskContext['progress']
  readonly heartbeat?: TaskContext['heartbeat']
}

async function behave({ does, ms, times, talks }: Behaviour, context: Context, clock: Clock): Promise<object> {
  const { session, signal, attempt } = context
  if (talks) {
    context.progress?.(0.1, 'begun')
    await session?.notify(`attempt ${attempt}`, { id: 'state' })
    await session?.reply('begun', { id: 'begun' })
    await context.log?.('begun')
  }
  switch (does) {
    case 'succeed':
      await pause(clock, ms, signal)
      break
    case 'fail':
      await pause(clock, ms, signal)
      if (attempt <= times) throw times % 2 === 0 ? new RangeError('out of range') : new TypeError('not that')
      break
    case 'throw':
      await pause(clock, ms, signal)
      if (attempt <= times) throw times % 2 === 0 ? 'only text' : undefined
      break
    case 'give up':
      throw new NonRetryableError('hopeless')
    case 'block':
      await pause(clock, 24 * 60 * 60_000, signal)
      break
    case 'deaf':
      await pause(clock, 8000 + ms)
      await session?.reply('heard nothing', { id: 'late' })
      break
    case 'hang':
      await new Promise(() => {})
  }
  if (talks) {
    context.progress?.(0.9, 'nearly')
    await context.heartbeat?.()
    if (session) {
      await using writer = session.streamReply({ id: 'streamed' })
      await writer.write('one ')
      await writer.write('two')
    }
    await session?.reply('ended', { id: 'ended' })
  }
  return { attempt }
}

function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const timer = clock.at(clock.now() + ms, resolve)
    signal?.addEventListener('abort', () => {
      timer.cancel()
      reject(signal.reason)
    })
  })
}
