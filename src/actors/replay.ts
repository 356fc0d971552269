/**
 * Recorded events through the machines as they are now, without a system: does each still follow from those before it?
 * A log of any length may be replayed in its order: only the states used last are held, and another one that is needed
 * again is made again from its stream.
 */
import { type EventStore, parseStream, type RecordedEvent } from '../events/index.ts'
import { auditKind } from './audit/index.ts'
import { isUnreadable } from './errors.ts'
import { evolutionOf } from './evolve.ts'
import type { ActorKind, Applied, State } from './kind.ts'
import { limitKind } from './limit/index.ts'
import { lockKind } from './lock/index.ts'
import { RecentlyUsed } from './recently-used.ts'
import { beginning, type Resident, replay } from './resident.ts'
import { scheduleKind } from './schedule/index.ts'
import { sessionKind } from './session/index.ts'
import { settingKind } from './setting/index.ts'
import { taskKind } from './task/index.ts'

type AnyKind = ActorKind<never, Applied>

const KINDS = new Map(
  [taskKind, sessionKind, scheduleKind, lockKind, limitKind, settingKind, auditKind].map((kind) => [
    kind.kind,
    kind as unknown as AnyKind,
  ]),
)
const HELD = 20_000
const PAGE = 500

export interface ReplayerOptions {
  readonly app: string
  readonly log: Pick<EventStore, 'readStream'>
  /** How many states are held. Default 20,000. */
  readonly held?: number
}

/** What an event did. */
export interface Replayed {
  readonly kind: AnyKind['kind']
  readonly before: State<Applied>
  readonly after: State<Applied>
}

export class Replayer {
  readonly #options: ReplayerOptions
  readonly #held = new RecentlyUsed<Resident<Applied>>()
  /** Streams that are followed no further. */
  readonly #left = new Set<string>()

  constructor(options: ReplayerOptions) {
    this.#options = options
  }

  /**
   * Applies the next event of the log to its actor.
   * @returns undefined for a stream that is no actor's, went from the log meanwhile, or has thrown
   * @throws HistoryCorrupt, WrittenByNewerCode: once for each stream; StoreError
   */
  async take(event: RecordedEvent): Promise<Replayed | undefined> {
    const { stream } = event
    const kind = KINDS.get(parseStream(this.#options.app, stream)?.kind ?? 'node')
    if (!kind || this.#left.has(stream)) return undefined
    try {
      const resident = this.#held.use(stream) ?? (await this.#begin(kind, stream, event.revision))
      const before = resident.state
      replay(resident, event)
      return { kind: kind.kind, before, after: resident.state }
    } catch (error) {
      if (!isUnreadable(error)) throw error
      this.#left.add(stream)
      this.#held.drop(stream, () => true)
      // Of a stream that was deleted a log may give some events, and no longer the others.
      if ((await this.#options.log.readStream(stream, { limit: 1 })).length === 0) return undefined
      throw error
    }
  }

  /** The actor as the revisions before this one have brought it there. */
  async #begin(kind: AnyKind, stream: string, revision: bigint): Promise<Resident<Applied>> {
    const evolution = evolutionOf(kind)
    const nothing = beginning(evolution, Number.POSITIVE_INFINITY)
    const resident: Resident<Applied> = { kind, stream, evolution, ...nothing, mirror: undefined, loaded: true }
    for (let from = 0n; from < revision; from += BigInt(PAGE)) {
      const limit = Number(revision - from < PAGE ? revision - from : BigInt(PAGE))
      for (const event of await this.#options.log.readStream(stream, { from, limit })) replay(resident, event)
    }
    this.#held.add(stream, resident)
    this.#held.trim(this.#options.held ?? HELD, () => true)
    return resident
  }
}
