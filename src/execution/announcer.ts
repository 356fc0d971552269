/**
 * Says again and again that this node is there. Kept apart from who judges the others, so that it can run where a
 * handler that holds the event loop cannot silence it: a thread of its own, with a connection of its own. The one here
 * runs on the main thread, for stores that only this thread reaches.
 */
import type { Clock, Timer } from '../actors/index.ts'
import { type EventData, type EventStore, instant, type JsonObject, newId } from '../events/index.ts'

/** Between one announcement and the next. */
export const ANNOUNCE_EVERY_MS = 2_000
/**
 * A node's stream keeps so many of its last events, and one announcement in so many says again what the node declares:
 * so what is kept always says it, to whoever comes later.
 */
export const NODE_EVENTS_KEPT = 100
const MANIFEST_EVERY = 30

/** What an announcer is made for. Everything but `store` and `clock` can be handed to another thread. */
export interface AnnouncedNode {
  readonly node: string
  /** Where announcements go, at revision 'any'. */
  readonly stream: string
  readonly manifest: JsonObject
  readonly store: EventStore
  readonly clock: Clock
}

/** Hears how announcements fare: a node whose own go unanswered does not judge others. May be called late, in order. */
export interface AnnounceListener {
  asked(): void
  /** The store took it. */
  answered(): void
  failed(error: unknown): void
}

export interface Announcer {
  /** The first one comes after ANNOUNCE_EVERY_MS; never two under way. */
  start(listener: AnnounceListener): void
  /** The event loop turns; it is late when this is not called again within `nextMs`. Called often: costs nothing. */
  beat(nextMs: number): void
  /** Resolves once none of its announcements can reach the log any more: the node's farewell must be the last word. */
  stop(): Promise<void>
}

export type MakeAnnouncer = (of: AnnouncedNode) => Announcer

/** An event of a node's stream, which is outside the hash chain, so that it may be appended blindly. */
export function nodeEvent(node: string, type: string, data: JsonObject, nowMs: number): EventData {
  const at = instant(nowMs)
  return { id: newId(), type, data, metadata: { at, by: `node:${node}`, correlationId: node, causationId: node, v: 1 } }
}

/** Announces from the main thread: silent while a handler holds the loop. */
export class LoopAnnouncer implements Announcer {
  readonly #of: AnnouncedNode
  #timer: Timer | undefined
  #beatDue = Number.POSITIVE_INFINITY
  #underWay: Promise<void> | undefined
  #count = 0
  #open = true
  readonly #lagMs: () => number

  /** @param lagMs how late the main thread's event loop is; default: as its `beat` tells */
  constructor(of: AnnouncedNode, lagMs?: () => number) {
    this.#of = of
    this.#lagMs = lagMs ?? (() => Math.max(0, of.clock.monotonic() - this.#beatDue))
  }

  start(listener: AnnounceListener): void {
    this.#timer = this.#of.clock.after(ANNOUNCE_EVERY_MS, () => {
      if (!this.#open) return
      this.start(listener)
      // One at a time: a store that does not answer gets no queue of them.
      this.#underWay ??= this.#announce(listener).finally(() => {
        this.#underWay = undefined
      })
    })
  }

  beat(nextMs: number): void {
    this.#beatDue = this.#of.clock.monotonic() + nextMs
  }

  async stop(): Promise<void> {
    this.#open = false
    this.#timer?.cancel()
    await this.#underWay
  }

  async #announce(listener: AnnounceListener): Promise<void> {
    const { node, stream, store, clock, manifest } = this.#of
    const said = { loopLagMs: this.#lagMs(), ...(++this.#count % MANIFEST_EVERY === 0 ? { manifest } : {}) }
    listener.asked()
    try {
      await store.append(stream, 'any', [nodeEvent(node, 'NodeSeen', said, clock.now())])
    } catch (error) {
      return listener.failed(error)
    }
    listener.answered()
  }
}
