/**
 * Tells the receivers of callbacks how runs ended: POSTs the final job, signed, again and again until a 2xx or the last
 * try, and records what came of it. At least once for each run; X-Capsule-Event is the same in every try.
 *
 * A callback is in one of these states, in memory only: what has no CallbackDelivered or CallbackFailed is owed, and a
 * node that starts takes it up from its first try (see aftermath.ts).
 *
 *     queued ──slot free──▶ under way ──2xx──▶ CallbackDelivered
 *       ▲                      │  └──last try, or a private address──▶ CallbackFailed
 *       └───── waiting ◀───────┘ anything else
 */
import { type ActorSystem, type Origin, type Report, taskKind } from '../actors/index.ts'
import type { JobView } from '../projections/index.ts'
import { PrivateAddress } from './callback-address.ts'
import { httpPost, type Post } from './callback-post.ts'
import { signCallback } from './callback-signature.ts'
import { DueQueue } from './due-queue.ts'
import { type EndedRun, readEndedRun } from './ended-run.ts'
import { Fifo } from './ready-queue.ts'

export interface CallbackSettings {
  /** Signs callbacks; without one they carry no signature. */
  readonly secret?: string | undefined
  /** Callbacks may go to private, loopback and link-local addresses. */
  readonly allowPrivate: boolean
  /** The body: what the API shows of the job, as JSON. */
  readonly describe: (job: JobView) => string
}

export interface CallbacksOptions extends CallbackSettings {
  readonly system: ActorSystem
  readonly node: string
  readonly random: () => number
  readonly report: Report
  /** Default: over HTTP. */
  readonly post?: Post
}

interface Callback {
  readonly taskId: string
  /** Id of the event that ended the run. */
  readonly event: string
  readonly url: string
  tries: number
}

/** One receiver's callbacks: one that does not answer must not hold up the others. */
interface Lane {
  /** Of the URL. */
  readonly origin: string
  readonly queue: Fifo<Callback>
  underWay: number
}

/** Pauses before the second try and each further one, milliseconds; somewhat spread, so that tries do not come in waves. */
const PAUSES_MS = [1_000, 5_000, 30_000, 2 * 60_000, 10 * 60_000, 60 * 60_000]
/** When the log could not be read or written, which is no fault of the receiver. */
const AFTER_TROUBLE_MS = 30_000
const AT_ONCE = 64
const AT_ONCE_PER_RECEIVER = 4
const LONGEST_REASON = 500

export class Callbacks {
  readonly #options: CallbacksOptions
  readonly #post: Post
  readonly #waiting: DueQueue<Callback>
  readonly #lanes = new Map<string, Lane>()
  /** Those with something queued and room for it, by turns. */
  readonly #next = new Fifo<Lane>()
  /** Ids of the events whose callbacks this node has taken on. */
  readonly #taken = new Set<string>()
  #open = true
  readonly #underWay = new Set<Promise<void>>()
  readonly #stopping = new AbortController()

  constructor(options: CallbacksOptions) {
    this.#options = options
    const { clock } = options.system
    this.#post = options.post ?? httpPost({ clock, allowPrivate: options.allowPrivate })
    this.#waiting = new DueQueue(clock, (due) => {
      for (const callback of due) this.#enqueue(callback)
    })
  }

  /** Requests under way. */
  get underWay(): number {
    return this.#underWay.size
  }

  /** Takes on to tell how the run ended, once. */
  add({ taskId, event, submission: { callbackUrl: url } }: EndedRun): void {
    if (url === undefined || this.#taken.has(event.id)) return
    this.#taken.add(event.id)
    this.#enqueue({ taskId, event: event.id, url, tries: 0 })
  }

  /** Begins no further try. What is owed still is taken up at the next start. */
  stop(): void {
    this.#open = false
    this.#waiting.close()
  }

  /** Resolves when no request is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  /** Hangs up. */
  async abort(): Promise<void> {
    this.#stopping.abort()
    await this.idle()
  }

  #enqueue(callback: Callback): void {
    const { origin } = new URL(callback.url)
    const lane = this.#lanes.get(origin) ?? { origin, queue: new Fifo<Callback>(), underWay: 0 }
    this.#lanes.set(origin, lane)
    lane.queue.push(callback)
    if (lane.queue.size === 1 && lane.underWay < AT_ONCE_PER_RECEIVER) this.#next.push(lane)
    this.#pump()
  }

  #pump(): void {
    while (this.#open && this.#underWay.size < AT_ONCE) {
      const lane = this.#next.shift()
      const callback = lane?.queue.shift()
      if (!lane || !callback) return
      this.#begin(lane, callback)
      if (lane.queue.size > 0 && lane.underWay < AT_ONCE_PER_RECEIVER) this.#next.push(lane)
    }
  }

  #begin(lane: Lane, callback: Callback): void {
    lane.underWay++
    const done = this.#try(callback)
      .catch((error) => {
        this.#options.report(error, `the callback of task ${callback.taskId}`)
        this.#waiting.push(this.#options.system.clock.now() + AFTER_TROUBLE_MS, callback)
      })
      .finally(() => {
        this.#underWay.delete(done)
        this.#leave(lane)
        this.#pump()
      })
    this.#underWay.add(done)
  }

  #leave(lane: Lane): void {
    const wasFull = lane.underWay-- === AT_ONCE_PER_RECEIVER
    if (lane.queue.size > 0) {
      if (wasFull) this.#next.push(lane)
    } else if (lane.underWay === 0) this.#lanes.delete(lane.origin)
  }

  async #try(callback: Callback): Promise<void> {
    const { system } = this.#options
    const { taskId, event, url } = callback
    const ended = await readEndedRun(system, taskId, event)
    if (!ended || ended.callbackSettled) return void this.#taken.delete(event)
    callback.tries++
    const outcome = await this.#send(ended, url)
    if (outcome.kind === 'again' && this.#stopping.signal.aborted) return
    if (outcome.kind === 'delivered') return this.#settle(ended, callback, { status: outcome.status })
    const pause = outcome.kind === 'again' ? PAUSES_MS[callback.tries - 1] : undefined
    if (pause === undefined) return this.#settle(ended, callback, { reason: outcome.reason.slice(0, LONGEST_REASON) })
    this.#waiting.push(system.clock.now() + pause * (0.75 + this.#options.random() / 2), callback)
  }

  async #send(ended: EndedRun, url: string): Promise<Outcome> {
    const { system, describe, secret } = this.#options
    const body = describe(ended.job)
    const signature =
      secret === undefined ? undefined : signCallback(secret, body, Math.floor(system.clock.now() / 1000))
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'capsule-actors',
      'x-capsule-event': ended.event.id,
      ...(signature === undefined ? {} : { 'x-capsule-signature': signature }),
    }
    try {
      const status = await this.#post({ url, body, headers, signal: this.#stopping.signal })
      if (status >= 200 && status < 300) return { kind: 'delivered', status }
      return { kind: 'again', reason: `the answer was ${status}` }
    } catch (error) {
      return { kind: error instanceof PrivateAddress ? 'never' : 'again', reason: reasonOf(error) }
    }
  }

  async #settle(
    { taskId, run, event }: EndedRun,
    { url, tries }: Callback,
    outcome: { readonly status: number } | { readonly reason: string },
  ): Promise<void> {
    const origin: Origin = { by: `node:${this.#options.node}`, causationId: event.id, mustLand: true }
    await this.#options.system.execute(
      taskKind,
      taskId,
      { type: 'settleCallback', run, url, tries, ...outcome },
      origin,
    )
    this.#taken.delete(event.id)
  }
}

type Outcome =
  | { readonly kind: 'delivered'; readonly status: number }
  | { readonly kind: 'again' | 'never'; readonly reason: string }

/** Node tells of a host with several addresses that all failed with an empty message. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error instanceof Error ? error.message || error.name : String(error)
}
