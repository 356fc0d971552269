/**
 * A log in memory: for tests, simulation and `capsule-actors/testing`. It works in microtasks only and has no timer, so a
 * run with the same inputs and the same clock takes the same course.
 */
import { type ExpectedRevision, StoreClosed, StreamDeleted, WrongExpectedRevision } from '../../errors.ts'
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
import { LogFeed, matches, type Page } from '../feed.ts'
import { accept, checkAppend, checkCap, checkDelete } from '../incoming.ts'

export interface MemoryStoreOptions {
  /** Milliseconds since the epoch, for `recordedAt`. Default: Date.now. */
  readonly now?: () => number
}

const PAGE = 500
const DEFAULT_LIMIT = 1000

export function openMemoryStore(options: MemoryStoreOptions = {}): EventStore {
  return new MemoryStore(options.now ?? Date.now)
}

/** A stream that takes events. */
interface Stream {
  readonly events: RecordedEvent[]
  /** How many events are gone at its beginning; the first one's revision. */
  gone: number
  maxCount: number
}

class MemoryStore implements EventStore {
  readonly #now: () => number
  /** The log; an event's index is its position. What is deleted leaves a hole, so that no position is used again. */
  readonly #events: (RecordedEvent | undefined)[] = []
  readonly #streams = new Map<string, Stream>()
  readonly #tombstones = new Set<string>()
  readonly #feed: LogFeed
  #closed = false

  constructor(now: () => number) {
    this.#now = now
    this.#feed = new LogFeed(START, async (after, upTo, prefixes) => this.#page(after, upTo, prefixes, PAGE))
  }

  async append(stream: string, expected: ExpectedRevision, events: readonly EventData[]): Promise<AppendResult> {
    this.#assertOpen()
    checkAppend(stream, expected, events)
    const accepted = events.map((event) => accept(stream, event))
    const known = this.#stream(stream)
    const first = firstRevision(stream, known, expected, events)
    const repeated = known.events[first - known.gone + events.length - 1]
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
    known.events.push(...recorded)
    this.#streams.set(stream, known)
    this.#events.push(...recorded)
    this.#trim(known)
    const position = BigInt(this.#events.length - 1) as Position
    this.#feed.publish(recorded, position, 0)
    return { revision: BigInt(lastRevision(known)), position }
  }

  async readStream(stream: string, options: ReadStreamOptions = {}): Promise<readonly RecordedEvent[]> {
    this.#assertOpen()
    const { from, direction = 'forwards', limit = Number.POSITIVE_INFINITY } = options
    const { events, gone } = this.#streams.get(stream) ?? emptyStream()
    const at = (revision: Revision) => Math.max(Number(revision) - gone, 0)
    if (direction === 'forwards') return events.slice(at(from ?? 0n)).slice(0, limit)
    return events
      .slice(0, from === undefined ? events.length : at(from + 1n))
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

  async deleteStream(stream: string, expected: Revision | 'no-stream'): Promise<void> {
    this.#assertOpen()
    checkDelete(stream, expected)
    if (this.#tombstones.has(stream)) return
    const known = this.#streams.get(stream) ?? emptyStream()
    const actual = actualRevision(known)
    if (actual !== expected) throw new WrongExpectedRevision({ stream, expected, actual })
    for (const event of known.events) this.#events[Number(event.position)] = undefined
    this.#streams.delete(stream)
    this.#tombstones.add(stream)
  }

  async capStream(stream: string, maxCount: number): Promise<void> {
    this.#assertOpen()
    checkCap(stream, maxCount)
    if (this.#tombstones.has(stream)) return
    const known = this.#stream(stream)
    known.maxCount = maxCount
    this.#streams.set(stream, known)
    this.#trim(known)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#feed.close(new StoreClosed())
  }

  /** @throws StreamDeleted */
  #stream(name: string): Stream {
    if (this.#tombstones.has(name)) throw new StreamDeleted(name)
    return this.#streams.get(name) ?? emptyStream()
  }

  /** What is beyond the cap is gone from the stream only, as on a server before its scavenge: who tests may want it. */
  #trim(stream: Stream): void {
    stream.gone += stream.events.splice(0, Math.max(stream.events.length - stream.maxCount, 0)).length
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

function emptyStream(): Stream {
  return { events: [], gone: 0, maxCount: Number.POSITIVE_INFINITY }
}

function lastRevision({ events, gone }: Stream): number {
  return gone + events.length - 1
}

function actualRevision(stream: Stream): Revision | 'no-stream' {
  const last = lastRevision(stream)
  return last < 0 ? 'no-stream' : BigInt(last)
}

/** Revision of the append's first event in its stream: the next one, or where the same append was recorded. */
function firstRevision(name: string, stream: Stream, expected: ExpectedRevision, events: readonly EventData[]): number {
  const { events: known, gone } = stream
  const next = gone + known.length
  const isRecordedAt = (revision: number) => events.every((event, i) => known[revision - gone + i]?.id === event.id)
  if (expected === 'any') {
    const index = known.findIndex((event) => event.id === events[0]?.id)
    return index >= 0 && isRecordedAt(gone + index) ? gone + index : next
  }
  const first = expected === 'no-stream' ? 0 : Number(expected) + 1
  if (first === next || (first < next && isRecordedAt(first))) return first
  throw new WrongExpectedRevision({ stream: name, expected, actual: actualRevision(stream) })
}
