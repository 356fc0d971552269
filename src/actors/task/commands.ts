/** What may be asked of a task. A command of an attempt names its claim: without the current one it is refused. */
import type { JsonValue, Submission, TaskError } from '../../events/index.ts'

/** What a node says of itself when it takes a task. */
export interface Start {
  readonly node: string
  /** The app's version, so that history says which code ran. */
  readonly version?: string
  /** Fencing token: the revision at which the task's lock was acquired. */
  readonly fence?: string
  /** Nothing else runs on the node meanwhile. */
  readonly alone?: boolean
  /** The run that the node means: one that has not heard of a requeue knows nothing of the locks of the new run. */
  readonly run?: number
  /** How many processes died of this run, as the node knows: one that knows of too few would not run it alone. */
  readonly crashes?: number
  /** The id that the claim must have, when a permit was taken for it. */
  readonly claim?: string
  /** The node has waited for this time (milliseconds since the epoch), should the date have been set back meanwhile. */
  readonly waitedUntil?: number
}

export type TaskCommand =
  /** With `start` the task is claimed in the append that submits it. */
  | { readonly type: 'submit'; readonly submission: Submission; readonly start?: Start | undefined }
  | ({ readonly type: 'start' } & Start)
  | { readonly type: 'progress'; readonly claim: string; readonly fraction?: number; readonly message?: string }
  | {
      readonly type: 'log'
      readonly claim: string
      readonly level: 'debug' | 'info' | 'warn' | 'error'
      readonly message: string
      readonly data?: JsonValue
    }
  /** The attempt's heartbeat: pushes its deadline out by the task's timeout. */
  | { readonly type: 'extend'; readonly claim: string }
  /** The same from outside, for whichever attempt runs. */
  | { readonly type: 'refresh' }
  | { readonly type: 'complete'; readonly claim: string; readonly result: JsonValue }
  /** `delayMs`: how long to wait before the next attempt, should there be one. */
  | { readonly type: 'fail'; readonly claim: string; readonly error: TaskError; readonly delayMs: number }
  | { readonly type: 'timeOut'; readonly claim: string; readonly error: TaskError; readonly delayMs: number }
  | {
      readonly type: 'interrupt'
      readonly claim: string
      readonly cause: 'crash' | 'drain' | 'lost'
      /** It crashed a process that ran nothing else. */
      readonly alone?: boolean
      readonly detail?: string
    }
  /** The attempt stopped because it was asked to. */
  | { readonly type: 'acknowledgeCancel'; readonly claim: string }
  /** `onlyWaiting`: leave it if it has started. */
  | { readonly type: 'cancel'; readonly reason?: string; readonly onlyWaiting?: boolean }
  /** A waiting task cannot run: its input no longer fits, it expired. */
  | { readonly type: 'reject'; readonly error: TaskError }
  /** It waited too long for its first start to be of use. Refused if that is not so. */
  | { readonly type: 'expire' }
  | { readonly type: 'requeue'; readonly reason?: string }
  | { readonly type: 'delete' }
  /** What became of telling the receiver how a run ended: an answer's status, or why it was given up. */
  | ({ readonly type: 'settleCallback'; readonly run: number; readonly url: string; readonly tries: number } & (
      | { readonly status: number }
      | { readonly reason: string }
    ))
