/**
 * Feeds the read models that are made again from the log, a page at each turn that their host gives. What keeps them from
 * ever catching up ends the rebuild and not the host: those in use go on.
 */
import { type EventStore, type Position, StoreClosed } from '../events/index.ts'
import type { ReadClock } from './clock.ts'
import type { ReadCore } from './core.ts'
import { isCorrupt, isDiskFull } from './database.ts'
import { PoisonEvent } from './errors.ts'
import { asError } from './host.ts'
import { NO_ROOM } from './rebuilds.ts'

const BACKOFF_MS = { first: 100, max: 10_000 }

export interface RebuilderOptions {
  readonly core: ReadCore
  readonly log: Pick<EventStore, 'readAll' | 'readStream'>
  readonly clock: ReadClock
  readonly onError: (error: Error) => void
}

export class Rebuilder {
  readonly #options: RebuilderOptions
  #notBefore = Number.NEGATIVE_INFINITY
  #isOver = false
  #backoff = BACKOFF_MS.first

  constructor(options: RebuilderOptions) {
    this.#options = options
  }

  /** Milliseconds until the next turn may be of use; undefined when nothing is made again. */
  get dueIn(): number | undefined {
    const { core, clock } = this.#options
    if (this.#isOver || core.engine.rebuildPosition === undefined) return undefined
    return Math.max(0, this.#notBefore - clock.monotonic())
  }

  /**
   * Reads up to `limit` events and takes them in. Until it resolves, the host must apply no others.
   * @returns how many it read
   * @throws what says that read.db is corrupt
   */
  async turn(limit: number): Promise<number> {
    const { core, log, onError } = this.#options
    const from = core.engine.rebuildPosition
    if (from === undefined) return 0
    try {
      const events = await log.readAll({ from, limit })
      const isLast = events.length < limit && (await this.#isEnd(events.at(-1)?.position ?? from))
      core.takeIn({ from, events, isLast })
      this.#backoff = BACKOFF_MS.first
      if (events.length < limit && !isLast) this.#rest()
      return events.length
    } catch (error) {
      this.#rest()
      if (isCorrupt(error)) throw error
      onError(asError(error))
      this.#giveUpFor(error)
      return 0
    }
  }

  /**
   * Whether a page that has less than was asked for has come to the end: to the last event that those in use took in. A
   * server of a cluster that lags behind does not have it yet; that it was deleted ends the log before it.
   */
  async #isEnd(seen: Position): Promise<boolean> {
    const { core, log } = this.#options
    const { mark } = core.engine
    if (mark === undefined || seen >= mark.position) return true
    const [event] = await log.readStream(mark.stream, { from: mark.revision, limit: 1 })
    return event?.id !== mark.id
  }

  #giveUpFor(error: unknown): void {
    const { core, onError } = this.#options
    // No more of the log will ever come.
    if (error instanceof StoreClosed) this.#isOver = true
    try {
      if (error instanceof PoisonEvent) core.engine.giveUpRebuild(error.message, error.readModel)
      else if (isDiskFull(error)) core.engine.giveUpRebuild(NO_ROOM)
    } catch (failure) {
      // The next turn comes to the same end, and tries again.
      onError(asError(failure))
    }
  }

  #rest(): void {
    this.#notBefore = this.#options.clock.monotonic() + this.#backoff
    this.#backoff = Math.min(this.#backoff * 2, BACKOFF_MS.max)
  }
}
