/**
 * Whether a stream may go, as its own events tell: it has ended, long enough ago, and its chain holds. Pure, one event at a
 * time. What other streams know of it (a lock, a schedule, an onFailure task) is for retire.ts to ask.
 */
import {
  ChainVerifier,
  factOf,
  isKnown,
  type RecordedEvent,
  type Revision,
  type SessionFact,
  type Submission,
  type TaskFact,
} from '../../events/index.ts'

/** Why a stream stays. */
export type Kept =
  /** It has not ended, or later than the limit. */
  | 'live'
  /** A callback is to be delivered, or an onFailure task is not done. */
  | 'owed'
  /** It holds its lock or waits for it. */
  | 'locked'
  /** Its schedule does not know yet that it has ended. */
  | 'occurring'
  /** It is about a failed run of a task that is still there. */
  | 'about'
  /** Newer code wrote to it. */
  | 'unknown'
  /** Its events are not as they were appended. */
  | 'broken'
  /** It went, or went on, while it was looked at. */
  | 'changed'

export interface Ended {
  readonly lastRevision: Revision
  readonly sessionId: string | undefined
  /** Undefined for a conversation. */
  readonly task: EndedTask | undefined
}

export interface EndedTask {
  readonly submission: Submission
  readonly deleted: boolean
  /** It may be requeued. */
  readonly mayRunAgain: boolean
  /** Runs whose failure asks for an onFailure task. */
  readonly failedRuns: readonly number[]
}

export type Judgement = { readonly ended: Ended } | { readonly kept: Kept }

/** Takes the events of one stream, from the first on. */
export class Judge {
  readonly #kind: 'task' | 'session'
  readonly #before: number
  readonly #chain = new ChainVerifier()
  #kept: Kept | undefined
  #last: Revision = -1n
  #submission: Submission | undefined
  #endedAt: number | undefined
  #completed = false
  #deleted = false
  #run = 1
  readonly #failedRuns: number[] = []
  /** Runs whose end is to be told. */
  readonly #untold = new Set<number>()

  /** @param before milliseconds since the epoch: what ended later stays */
  constructor(kind: 'task' | 'session', before: number) {
    this.#kind = kind
    this.#before = before
  }

  add(event: RecordedEvent): void {
    this.#last = event.revision
    if (!this.#chain.check(event).ok) this.#kept = 'broken'
    else if (!isKnown(this.#kind, event)) this.#kept ??= 'unknown'
    else if (this.#kind === 'task') this.#task(event)
    else this.#session(event)
  }

  get judgement(): Judgement {
    if (this.#last < 0n) return { kept: 'changed' }
    if (this.#kept) return { kept: this.#kept }
    if (this.#endedAt === undefined || this.#endedAt >= this.#before) return { kept: 'live' }
    if (this.#kind === 'session') return { ended: { lastRevision: this.#last, sessionId: undefined, task: undefined } }
    if (this.#submission === undefined) return { kept: 'live' }
    if (this.#untold.size > 0) return { kept: 'owed' }
    const task = {
      submission: this.#submission,
      deleted: this.#deleted,
      mayRunAgain: !this.#completed && !this.#deleted,
      failedRuns: this.#failedRuns,
    }
    return { ended: { lastRevision: this.#last, sessionId: this.#submission.sessionId, task } }
  }

  #session(event: RecordedEvent): void {
    const { type } = factOf<SessionFact>(event)
    if (type === 'SessionEnded') this.#endedAt = Date.parse(event.metadata.at)
  }

  #task(event: RecordedEvent): void {
    const fact = factOf<TaskFact>(event)
    switch (fact.type) {
      case 'TaskSubmitted':
      case 'TaskScheduled':
        this.#submission = fact.data
        return
      case 'TaskRequeued':
        this.#endedAt = undefined
        this.#run = fact.data.run
        return
      case 'TaskCompleted':
        this.#completed = true
        return this.#ended(event)
      case 'TaskFailed':
      case 'TaskTimedOut':
        if (this.#submission?.onFailure) this.#failedRuns.push(this.#run)
        return this.#ended(event)
      case 'TaskCancelled':
        return this.#ended(event)
      case 'TaskDeleted':
        this.#deleted = true
        return
      case 'CallbackDelivered':
      case 'CallbackFailed':
        this.#untold.delete(fact.data.run)
        return
      default:
    }
  }

  #ended(event: RecordedEvent): void {
    this.#endedAt = Date.parse(event.metadata.at)
    if (this.#submission?.callbackUrl !== undefined) this.#untold.add(this.#run)
  }
}
