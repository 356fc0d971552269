/** What createApp's declarations come to: plain data about tasks, schedules and pages, with their handlers. */
import type { z } from 'zod'
import type { Backoff, JsonObject, JsonValue, TaskError } from '../events/index.ts'
import type { TaskLimits } from '../execution/index.ts'
import type { TaskOptions } from './task.ts'

export interface TaskDefinition {
  readonly name: string
  readonly description: string | undefined
  readonly tags: readonly string[]
  readonly input: z.ZodType | undefined
  readonly retries: number
  readonly backoff: Backoff
  readonly timeoutMs: number | undefined
  readonly graceMs: number
  readonly retryOnTimeout: boolean
  readonly onInterrupt: 'retry' | 'fail'
  readonly priority: number
  readonly onLocked: 'join' | 'queue' | 'reject' | 'replace'
  /** The lock's key for an input. */
  readonly lockKey: ((input: JsonObject) => string) | undefined
  /** How many may run or start, over all nodes. */
  readonly limits: TaskLimits | undefined
  /** How long after it could have started a task is of no use any more. */
  readonly expiresMs: number | undefined
  /** A submit is refused while so many wait. */
  readonly maxQueued: number | undefined
  /** Told how each run ended, unless the submit names another one. */
  readonly callbackUrl: string | undefined
  /** Runs after a run that failed or timed out. */
  readonly onFailure: ((input: never, error: TaskError, context: never) => unknown) | undefined
  /** Runs in its own OS process, which may use so much memory. */
  readonly process: { readonly memoryBytes: number | undefined } | undefined
  /** Whether the error of a failed attempt is worth another one. */
  readonly retryable: (error: unknown) => boolean
  /** What are functions here, as the app wrote it. */
  readonly declared: Pick<TaskOptions, 'lock' | 'concurrencyKey' | 'retryFor'>
  readonly handler: (input: never, context: never) => unknown
}

export interface BoardColumnDefinition {
  readonly label: string
  readonly statuses: readonly string[]
}

export type UiBlock =
  | {
      readonly kind: 'task_board'
      readonly title?: string
      readonly filter?: Readonly<Record<string, JsonValue>>
      readonly columns?: readonly BoardColumnDefinition[]
      readonly refreshMs?: number
    }
  | { readonly kind: 'divider' }
  | { readonly kind: 'heading'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }

export interface PageDefinition {
  readonly name: string
  readonly slug: string
  /** Of the lucide icon set. */
  readonly icon: string | undefined
  /** Called at each request. */
  readonly render: () => readonly UiBlock[]
}
