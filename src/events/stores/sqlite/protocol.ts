/**
 * What the store's thread and the writer's thread say to each other. Appends travel as flat arrays of strings and numbers:
 * one message a batch, no object per event to clone.
 */

/** Expected revisions as numbers; 0 and up are revisions. */
export const NO_STREAM = -1
export const ANY = -2

/** In the place of an append's count, which is 1 or more: what else is done to a stream. */
export const DELETION = 0
export const CAP = -1

/**
 * One batch: for each append `stream, expected, count`, then for each event `id, type, data, metadata`; for a deletion
 * `stream, expected, DELETION`; for a cap `stream, maxCount, CAP`.
 */
export interface Batch {
  readonly recordedAt: number
  readonly changes: number
  readonly items: readonly (string | number)[]
}

export type ToWriter = Batch | 'close'

/** For each change three numbers: an outcome and its two facts. */
export const APPENDED = 0 // last revision, last position
export const REPEATED = 1 // last revision, last position
export const CONFLICT = 2 // actual revision or NO_STREAM, 0
export const DONE = 3 // 0, 0
export const GONE = 4 // 0, 0: the stream was deleted

/** Why a transaction, or opening, failed; errors do not travel between threads with their class, so their facts do. */
export interface Failure {
  readonly kind: 'corrupt' | 'unavailable'
  readonly retryable: boolean
  readonly message: string
}

/** One transaction's end: it answers the oldest `batches` batches under way. */
export type FromWriter =
  | { readonly is: 'ready'; readonly head: number }
  | { readonly is: 'done'; readonly batches: number; readonly head: number; readonly results: readonly number[] }
  | { readonly is: 'failed'; readonly batches: number; readonly failure: Failure }

/** The first message to the writer's thread. */
export interface WriterOptions {
  readonly file: string
  readonly signal: SharedArrayBuffer
}
