/**
 * Subscriptions of the embedded stores. A follower is in one of two states:
 *
 *     catching up ──(reached the head)──▶ live ──(buffer full)──▶ catching up …
 *
 * Catching up reads pages from the store, never past the published head. Reaching the head and going live happen in one
 * turn of the event loop, and `publish` runs in another, so nothing is missed and nothing comes twice. A live follower
 * gets the appended objects themselves. One that falls behind loses its buffer and pages again: memory stays bounded.
 */
import { type Position, type RecordedEvent, START } from '../event.ts'
import type { SubscribeOptions, Subscriber, Subscription } from '../store.ts'

export interface Page {
  readonly events: readonly RecordedEvent[]
  /** All matching events up to here are in this page or an earlier one. */
  readonly scannedTo: Position
}

/** Reads matching events after a position up to another, as many as the store finds good for one page; at least one step. */
export type ReadPage = (after: Position, upTo: Position, prefixes: readonly string[] | undefined) => Promise<Page>

/** What may wait for one slow follower before it has to page from the store again. */
const BUFFER_EVENTS = 4096
const BUFFER_BYTES = 16 * 1024 * 1024

export class LogFeed {
  #head: Position
  /** Why there are no subscriptions any more. */
  #ended: Error | undefined
  readonly #readPage: ReadPage
  readonly #followers = new Set<Follower>()
  readonly giveWay: (() => Promise<unknown>) | undefined

  /** @param giveWay resolves when whoever waits for the answer of an append has had its turn. Default: at once */
  constructor(head: Position, readPage: ReadPage, giveWay?: () => Promise<unknown>) {
    this.#head = head
    this.#readPage = readPage
    this.giveWay = giveWay
  }

  /** Position of the last event that was acknowledged. */
  get head(): Position {
    return this.#head
  }

  /** Whether anybody would take the objects of the next `publish`; the others read the store. */
  get hasLive(): boolean {
    for (const follower of this.#followers) if (follower.live) return true
    return false
  }

  /**
   * Everything up to `head` is recorded. `events` are those since the last call, in order, of about `bytes` bytes; they
   * may be left out when `hasLive` is false.
   */
  publish(events: readonly RecordedEvent[], head: Position, bytes: number): void {
    this.#head = head
    for (const follower of this.#followers) follower.push(events, head, bytes)
  }

  subscribe(options: SubscribeOptions, subscriber: Subscriber): Subscription {
    if (this.#ended) throw this.#ended
    const from = options.from === 'now' ? this.#head : (options.from ?? START)
    const follower = new Follower(this, this.#readPage, from, options.prefixes, subscriber)
    this.#followers.add(follower)
    void follower.run().finally(() => this.#followers.delete(follower))
    return { close: async () => follower.stop() }
  }

  /** Ends every subscription with `dropped(reason)`; later ones throw the reason. */
  close(reason: Error): void {
    this.#ended ??= reason
    for (const follower of this.#followers) follower.stop(reason)
  }
}

class Follower {
  live = false
  readonly #feed: LogFeed
  readonly #readPage: ReadPage
  readonly #prefixes: readonly string[] | undefined
  readonly #subscriber: Subscriber
  /** Everything up to here was delivered, or does not match. */
  #position: Position
  /** Live events that wait for the subscriber, and the head when the last of them came. */
  #buffer: RecordedEvent[] = []
  #bufferBytes = 0
  #bufferedTo: Position
  #stopped = false
  #reason: Error | undefined
  #wake: (() => void) | undefined

  constructor(
    feed: LogFeed,
    readPage: ReadPage,
    from: Position,
    prefixes: readonly string[] | undefined,
    subscriber: Subscriber,
  ) {
    this.#feed = feed
    this.#readPage = readPage
    this.#position = from
    this.#bufferedTo = from
    this.#prefixes = prefixes
    this.#subscriber = subscriber
  }

  push(events: readonly RecordedEvent[], head: Position, bytes: number): void {
    if (!this.live) return
    const first = events[0]
    const fresh =
      this.#prefixes || (first && first.position <= this.#position)
        ? events.filter((event) => this.#wants(event))
        : events
    this.#bufferedTo = head
    if (fresh.length > 0) {
      const fits = this.#buffer.length + fresh.length <= BUFFER_EVENTS && this.#bufferBytes + bytes <= BUFFER_BYTES
      if (this.#buffer.length > 0 && !fits) {
        this.live = false
        this.#buffer = []
        this.#bufferBytes = 0
      } else {
        if (this.#buffer.length === 0) this.#buffer = fresh.slice()
        else for (const event of fresh) this.#buffer.push(event)
        this.#bufferBytes += bytes
      }
    }
    this.#wake?.()
  }

  /** Without a reason the subscriber asked for it, and is not told. */
  stop(reason?: Error): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#reason = reason
    this.live = false
    this.#buffer = []
    this.#wake?.()
  }

  async run(): Promise<void> {
    // The subscriber hears nothing before subscribe() has returned.
    await undefined
    try {
      while (!this.#stopped) await (this.live ? this.#follow() : this.#catchUp())
    } catch (error) {
      this.stop(error instanceof Error ? error : new Error(String(error)))
    }
    if (this.#reason) this.#subscriber.dropped?.(this.#reason)
  }

  async #catchUp(): Promise<void> {
    // A writer that never rests must not put off the news that the past is done.
    const past = this.#feed.head
    let told = false
    for (;;) {
      if (!told && this.#position >= past) {
        told = true
        this.#subscriber.caughtUp?.(this.#position)
        if (this.#stopped) return
      }
      if (this.#position >= this.#feed.head) break
      const page = await this.#readPage(this.#position, this.#feed.head, this.#prefixes)
      if (this.#stopped) return
      if (page.events.length > 0) await this.#subscriber.events(page.events)
      if (this.#stopped) return
      this.#position = page.scannedTo
    }
    this.#bufferedTo = this.#position
    this.live = true
  }

  async #follow(): Promise<void> {
    const batch = this.#buffer
    const upTo = this.#bufferedTo
    if (batch.length > 0) {
      this.#buffer = []
      this.#bufferBytes = 0
      await this.#subscriber.events(batch)
    }
    if (upTo > this.#position) this.#position = upTo
    if (this.live && this.#bufferedTo === upTo) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
      await this.#feed.giveWay?.()
    }
  }

  #wants(event: RecordedEvent): boolean {
    return event.position > this.#position && matches(event.stream, this.#prefixes)
  }
}

export function matches(stream: string, prefixes: readonly string[] | undefined): boolean {
  return !prefixes || prefixes.some((prefix) => stream.startsWith(prefix))
}
