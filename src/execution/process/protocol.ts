/**
 * What a task's process and the one that started it say to each other, over Node's IPC with structured clones. The
 * process does the work; every call that reaches further (a reply, a submit) is carried out by the one that started it.
 */
import type { JsonObject, JsonValue } from '../../events/index.ts'
import type { WiredError } from './error-wire.ts'

/** One attempt, as its process needs it. */
export interface Job {
  readonly claim: string
  readonly taskId: string
  readonly name: string
  readonly params: JsonObject
  readonly attempt: number
  readonly fence: string | undefined
  readonly ownerId: string
  readonly sessionId: string | undefined
}

/** What an app adds: the module that knows how to run a job, and where its handlers are. */
export interface Guest {
  /** URL of a module that exports `load: LoadGuest`. */
  readonly module: string
  /** URL of the file that defines the app. */
  readonly entry: string
  readonly app: string
}

/** What the watchdog of a process must know. */
export interface Guarded {
  readonly parentPid: number
  /** The process ends itself above this. */
  readonly memoryBytes: number | undefined
}

/** Told to a process once, in its arguments. */
export interface Start extends Guarded {
  readonly guest: Guest
}

export type ToProcess =
  | { readonly type: 'run'; readonly job: Job }
  | { readonly type: 'abort'; readonly claim: string; readonly reason: WiredError }
  | {
      readonly type: 'answer'
      readonly call: number
      readonly outcome: { readonly value: unknown } | { readonly error: WiredError }
    }

export type FromProcess =
  | { readonly type: 'ready' }
  /** The app's file could not be loaded: no job will run here. */
  | { readonly type: 'unfit'; readonly error: WiredError }
  | {
      readonly type: 'call'
      readonly claim: string
      readonly call: number
      readonly method: string
      readonly args: readonly unknown[]
    }
  | { readonly type: 'returned'; readonly claim: string; readonly result: JsonValue }
  | { readonly type: 'threw'; readonly claim: string; readonly error: WiredError; readonly retryable: boolean }
  /** After a job's outcome. `reusable`: it left nothing open behind it. */
  | { readonly type: 'settled'; readonly claim: string; readonly reusable: boolean }

/** The process's last words, written past its main thread by the watchdog. */
export interface LastWords {
  readonly memory: { readonly usedBytes: number; readonly limitBytes: number }
}

/** Calls by name. A call that is not carried out rejects. */
export type Calls = Readonly<Record<string, (...args: never[]) => Promise<unknown>>>

/** A job as the guest runs it. */
export interface RunningJob extends Job {
  readonly signal: AbortSignal
  /** Carried out by whoever started this process, with the attempt's claim. @throws AttemptFenced */
  call(method: string, args: readonly unknown[]): Promise<unknown>
}

export interface LoadedGuest {
  run(job: RunningJob): Promise<JsonValue>
  /** Whether another attempt might end better after this error. */
  retryable(name: string, error: unknown): boolean
}

export type LoadGuest = (guest: Guest) => Promise<LoadedGuest>

/** The file descriptor of the last words. */
export const LAST_WORDS_FD = 4
