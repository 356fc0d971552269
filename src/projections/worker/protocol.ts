/** What the calling thread and the thread of the read models say to each other. */
import { type Position, StoreCorrupt, StoreUnavailable } from '../../events/index.ts'
import type { Asked, QuestionName } from '../core.ts'
import { BadCursor, PoisonEvent, UnknownReadModel, WatchTargetMissing } from '../errors.ts'
import type { WatchTopic, WatchTopics } from '../views.ts'

/** Where the log is: in a data directory of this machine, or on the servers that a connection string names. */
export type LogPlace =
  | { readonly kind: 'file'; readonly directory: string; readonly signal: SharedArrayBuffer | undefined }
  | { readonly kind: 'cluster'; readonly url: string }

export interface WorkerOptions {
  readonly app: string
  /** read.db */
  readonly file: string
  readonly log: LogPlace
}

export interface Ask<Q extends QuestionName> {
  readonly kind: 'ask'
  readonly id: number
  readonly question: Q
  readonly asked: Asked<Q>
}

export interface OpenWatch<T extends WatchTopic> {
  readonly kind: 'watch'
  readonly id: number
  readonly topic: T
  readonly params: WatchTopics[T]['params']
  readonly from: Position | undefined
}

export type ToWorker =
  | Ask<QuestionName>
  /** Somebody waits for a position that is not reached. */
  | { readonly kind: 'awaited' }
  | OpenWatch<WatchTopic>
  | { readonly kind: 'update'; readonly id: number; readonly params: WatchTopics[WatchTopic]['params'] }
  | { readonly kind: 'unwatch'; readonly id: number }
  | { readonly kind: 'close' }

export type FromWorker =
  /** It has its databases open, and read.db is of this log. */
  | { readonly kind: 'ready'; readonly position: Position }
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'refused'; readonly id: number; readonly error: SentError }
  /** What holds the read models up; they try again. `stuck`: those in use, which follow the log no further. */
  | { readonly kind: 'trouble'; readonly error: SentError; readonly stuck?: boolean }
  | Told

/** To one watch. */
export type Told =
  | { readonly kind: 'snapshot'; readonly id: number; readonly position: Position; readonly data: unknown }
  | {
      readonly kind: 'delta'
      readonly id: number
      readonly from: Position
      readonly to: Position
      readonly changes: unknown
    }
  | { readonly kind: 'failed'; readonly id: number; readonly error: SentError }

/** An error as facts: a clone between threads would lose its class and its fields. */
export type SentError =
  | { readonly code: 'bad-cursor'; readonly cursor: string }
  | { readonly code: 'unknown-read-model'; readonly name: string; readonly known: readonly string[] }
  | { readonly code: 'watch-target-missing'; readonly topic: string; readonly id: string }
  | {
      readonly code: 'poison-event'
      readonly readModel: string
      readonly stream: string
      readonly type: string
      readonly position: Position
      readonly reason: string
    }
  | { readonly code: 'store-unavailable'; readonly message: string; readonly retryable: boolean }
  | { readonly code: 'store-corrupt'; readonly message: string }
  | { readonly code: 'other'; readonly name: string; readonly message: string; readonly stack: string | undefined }

export function sendable(error: unknown): SentError {
  if (error instanceof BadCursor) return { code: error.code, cursor: error.cursor }
  if (error instanceof WatchTargetMissing) return { code: error.code, topic: error.topic, id: error.id }
  if (error instanceof UnknownReadModel) return { code: error.code, name: error.readModel, known: error.known }
  if (error instanceof PoisonEvent) {
    const { code, readModel, stream, type, position, cause } = error
    return { code, readModel, stream, type, position, reason: cause instanceof Error ? cause.message : String(cause) }
  }
  if (error instanceof StoreUnavailable) {
    return { code: error.code, message: error.message, retryable: error.retryable }
  }
  if (error instanceof StoreCorrupt) return { code: error.code, message: error.message }
  if (error instanceof Error) return { code: 'other', name: error.name, message: error.message, stack: error.stack }
  return { code: 'other', name: 'Error', message: String(error), stack: undefined }
}

export function received(error: SentError): Error {
  switch (error.code) {
    case 'bad-cursor':
      return new BadCursor(error.cursor)
    case 'unknown-read-model':
      return new UnknownReadModel(error)
    case 'watch-target-missing':
      return new WatchTargetMissing(error)
    case 'poison-event':
      return new PoisonEvent({ ...error, cause: error.reason })
    case 'store-unavailable':
      return new StoreUnavailable(error.message, { retryable: error.retryable })
    case 'store-corrupt':
      return new StoreCorrupt(error.message)
    case 'other': {
      const other = new Error(error.message)
      other.name = error.name
      if (error.stack !== undefined) other.stack = error.stack
      return other
    }
  }
}
