/**
 * A log in memory: for tests, simulation and `capsule-actors/testing`. It works in microtasks only and has no timer, so a
 * run with the same inputs and the same clock takes the same course.
 */
import { type ExpectedRevision, StoreClosed, WrongExpectedRevision } from '../../errors.ts'
import { type EventData, type Position, type RecordedEvent, type Revision, START } from '../../event.ts'
import type {
  AppendResult,
  EventStore,
  ReadAllOptions,
  ReadStreamOptions,
  SubscribeOptions,
  Subscriber,
  Subscription,
} from '../../store.ts'
import { Feed, matches, type Page } from '../feed.ts'
import { accept, checkAppend } from '../incoming.ts'

export interface MemoryStoreOptions {
  /** Milliseconds since the epoch, for `recordedAt`. Default: Date.now. */
  readonly now?: () => number
}

const PAGE = 500
const DEFAULT_LIMIT = 1000

export function openMemoryStore(options: MemoryStoreOptions = {}): EventStore {
  return new MemoryStore(options.now ?? Date.now)
}

class MemoryStore implements EventStore {
  readonly #now: () => number
  /** The log; an event's index is its position. */
  readonly #events: RecordedEvent[] = []
  readonly #streams = new Map<string, RecordedEvent[]>()
  readonly #feed: Feed
  #closed = false

  constructor(now: () => number) {
    this.#now = now
    this.#feed = new Feed(START, async (after, upTo, prefixes) => this.#page(after, upTo, prefixes, PAGE))
  }

  async append(stream: string, expected: ExpectedRevision, events: readonly EventData[]): Promise<AppendResult> {
    this.#assertOpen()
    checkAppend(stream, expected, events)
    const accepted = events.map((event) => accept(stream, event))
    const known = this.#streams.get(stream) ?? []
    const first = this.#firstRevision(stream, known, expected, events)
    const repeated = known[first + events.length - 1]
    if (repeated) return { revision: repeated.revision, position: repeated.position }

    const recordedAt = this.#now()
    const recorded = accepted.map(
      ({ id, type, data, metadata }, i): RecordedEvent => ({
        id,
        type,
        data,
        metadata,
        stream,
        revision: BigInt(first + i),
        position: BigInt(this.#events.length + i) as Position,
        recordedAt,
      }),
    )
    known.push(...recorded)
    this.#streams.set(stream, known)
    this.#events.push(...recorded)
    const position = BigInt(this.#events.length - 1) as Position
    this.#feed.publish(recorded, position, 0)
    return { revision: BigInt(known.length - 1), position }
  }

  async readStream(stream: string, options: ReadStreamOptions = {}): Promise<readonly RecordedEvent[]> {
    this.#assertOpen()
    const { from, direction = 'forwards', limit = Number.POSITIVE_INFINITY } = options
    const events = this.#streams.get(stream) ?? []
    if (direction === 'forwards') return events.slice(Number(from ?? 0n)).slice(0, limit)
    return events
      .slice(0, from === undefined ? events.length : Number(from) + 1)
      .reverse()
      .slice(0, limit)
  }

  async readAll(options: ReadAllOptions = {}): Promise<readonly RecordedEvent[]> {
    this.#assertOpen()
    const { from = START, prefixes, limit = DEFAULT_LIMIT } = options
    return this.#page(from, this.#feed.head, prefixes, limit).events
  }

  subscribe(options: SubscribeOptions, subscriber: Subscriber): Subscription {
    return this.#feed.subscribe(options, subscriber)
  }

  async head(): Promise<Position> {
    this.#assertOpen()
    return this.#feed.head
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#feed.close(new StoreClosed())
  }

  /** Index of the append's first event in its stream: the end of the stream, or where the same append was recorded. */
  #firstRevision(
    stream: string,
    known: readonly RecordedEvent[],
    expected: ExpectedRevision,
    events: readonly EventData[],
  ): number {
    const recordedAt = (index: number) => events.every((event, i) => known[index + i]?.id === event.id)
    if (expected === 'any') {
      const index = known.findIndex((event) => event.id === events[0]?.id)
      return index >= 0 && recordedAt(index) ? index : known.length
    }
    const first = expected === 'no-stream' ? 0 : Number(expected) + 1
    if (first === known.length || (first < known.length && recordedAt(first))) return first
    const actual: Revision | 'no-stream' = known.length === 0 ? 'no-stream' : BigInt(known.length - 1)
    throw new WrongExpectedRevision({ stream, expected, actual })
  }

  #page(after: Position, upTo: Position, prefixes: readonly string[] | undefined, limit: number): Page {
    const events: RecordedEvent[] = []
    let next = Number(after) + 1
    for (; next <= Number(upTo) && events.length < limit; next++) {
      const event = this.#events[next]
      if (event && matches(event.stream, prefixes)) events.push(event)
    }
    return { events, scannedTo: BigInt(next - 1) as Position }
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreClosed()
  }
}
