/** What the main thread and the announcing thread say to each other. */
import type { JsonObject } from '../../events/index.ts'

export interface AnnouncingOptions {
  /** Connection string of the log. */
  readonly url: string
  readonly node: string
  readonly stream: string
  readonly manifest: JsonObject
  /** One BigInt64: when the event loop of the main thread is late, in nanoseconds of `process.hrtime`. */
  readonly beat: SharedArrayBuffer
}

export type ToAnnouncing = 'stop'

export type FromAnnouncing =
  | { readonly kind: 'asked' | 'answered' }
  /** `unavailable`: the log gave no answer, so it is asked again. */
  | { readonly kind: 'failed'; readonly why: string; readonly unavailable: boolean }

/** Nanoseconds by a clock that all threads of the process share. */
export function sharedNow(): bigint {
  return process.hrtime.bigint()
}
