/**
 * The store of a cluster as a node sees it. Order, revisions and ids are the server's; this side adds what the port promises
 * beyond them: an end to every call, one result for one append, subscriptions that go on.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { BACKWARDS, END, START as FIRST, FORWARDS, NO_STREAM, WrongExpectedVersionError } from '@eventstore/db-client'
import {
  EventTooLarge,
  type ExpectedRevision,
  StoreClosed,
  StoreUnavailable,
  StreamDeleted,
  WrongExpectedRevision,
} from '../../errors.ts'
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
import { accept, checkAppend, checkCap, checkDelete } from '../incoming.ts'
import { Connection } from './connection.ts'
import { asNotLeader, GivenUp, noAnswer, toStoreError, typeOf } from './failure.ts'
import { Follower } from './follower.ts'
import type { EventStoreDBOptions } from './options.ts'
import { Pump, READ_AHEAD } from './pump.ts'
import { asResolved, recorded } from './recorded.ts'
import { endOf, newest, Scope, search } from './scan.ts'
import { readSettings, type Settings } from './settings.ts'
import type { Sendable, Wire } from './wire.ts'

const DEFAULT_LIMIT = 1000
/** Events of `$all` read at a time, back from its end, to find the head. */
const BACK_PAGE = 64
/** An append that certainly may be repeated is repeated here so often. */
const ATTEMPTS = 4
const BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 2000

export function openStore(options: EventStoreDBOptions): EventStore {
  return new Store(options, readSettings(options))
}

class Store implements EventStore {
  readonly #options: EventStoreDBOptions
  readonly #timeoutMs: number
  readonly #connection: Connection
  readonly #followers = new Set<Follower>()
  readonly #underWay = new Set<Promise<unknown>>()
  /** Subscriptions from now on that do not know yet where now is: what is appended meanwhile belongs behind it. */
  readonly #starting = new Set<Promise<unknown>>()
  /** The last event of this log that `head` has found, and how far it had looked. */
  #head: Position = START
  #lookedTo: Position = START
  #closing: Promise<void> | undefined

  constructor(options: EventStoreDBOptions, settings: Settings) {
    this.#options = options
    this.#timeoutMs = settings.timeoutMs
    this.#connection = new Connection(settings)
  }

  async append(stream: string, expected: ExpectedRevision, events: readonly EventData[]): Promise<AppendResult> {
    this.#assertOpen()
    checkAppend(stream, expected, events)
    const accepted = events.map((event) => accept(stream, event))
    return this.#track(this.#append(stream, expected, accepted))
  }

  async readStream(stream: string, options: ReadStreamOptions = {}): Promise<readonly RecordedEvent[]> {
    const { from, direction = 'forwards', limit = Number.MAX_SAFE_INTEGER } = options
    this.#assertOpen()
    if (limit <= 0) return []
    return this.#call(async (wire) => {
      const source = wire.readStream(
        stream,
        {
          direction: direction === 'forwards' ? FORWARDS : BACKWARDS,
          fromRevision: from ?? (direction === 'forwards' ? FIRST : END),
          maxCount: limit,
          requiresLeader: true,
        },
        READ_AHEAD,
      )
      const pump = new Pump(wire, source, asResolved)
      const events: RecordedEvent[] = []
      try {
        for (let batch = await pump.next(this.#timeoutMs); batch; batch = await pump.next(this.#timeoutMs)) {
          for (const resolved of batch.items) {
            const event = recorded(resolved)
            if (event) events.push(event)
          }
        }
      } catch (error) {
        if (typeOf(error) === 'stream-deleted') return []
        if (typeOf(error) !== 'stream-not-found') throw error
      } finally {
        pump.close()
      }
      return events
    })
  }

  async readAll(options: ReadAllOptions = {}): Promise<readonly RecordedEvent[]> {
    this.#assertOpen()
    const { from = START, prefixes, limit = DEFAULT_LIMIT } = options
    const scope = new Scope(this.#options.prefix, prefixes)
    return this.#call((wire) => search(wire, scope, from, limit, this.#timeoutMs))
  }

  subscribe(options: SubscribeOptions, subscriber: Subscriber): Subscription {
    this.#assertOpen()
    const follower = new Follower({
      connection: this.#connection,
      scope: new Scope(this.#options.prefix, options.prefixes),
      from: options.from === 'now' ? this.#now() : Promise.resolve(options.from ?? START),
      subscriber,
      timeoutMs: this.#timeoutMs,
      backoffMs: this.#options.backoffMs ?? BACKOFF_MS,
      longestBackoffMs: this.#options.longestBackoffMs ?? LONGEST_BACKOFF_MS,
    })
    this.#followers.add(follower)
    void follower.run().finally(() => this.#followers.delete(follower))
    return { close: async () => follower.stop() }
  }

  async head(): Promise<Position> {
    this.#assertOpen()
    const scope = new Scope(this.#options.prefix)
    return this.#call(async (wire) => {
      const known = this.#lookedTo
      let end: Position | undefined
      for (let before: Position | undefined; ; ) {
        // The first step is small: nearly always the last event of the server is one of this log.
        const page = await newest(wire, before, before === undefined ? 4 : BACK_PAGE, this.#timeoutMs)
        end ??= page[0]?.position ?? START
        const found = page.find(({ stream }) => stream !== undefined && scope.has(stream))
        const oldest = page.at(-1)
        if (found || !oldest || oldest.position <= known) {
          if (found && found.position > this.#head) this.#head = found.position
          if (end > this.#lookedTo) this.#lookedTo = end
          return this.#head
        }
        before = oldest.position
      }
    })
  }

  async deleteStream(stream: string, expected: Revision | 'no-stream'): Promise<void> {
    this.#assertOpen()
    checkDelete(stream, expected)
    const expectedRevision = expected === 'no-stream' ? NO_STREAM : expected
    try {
      await this.#track(
        this.#call((wire) => {
          const work = wire.tombstoneStream(stream, { expectedRevision, requiresLeader: true })
          return this.#bounded(work, `the deletion of ${stream}`)
        }),
      )
    } catch (error) {
      if (typeOf(error) === 'stream-deleted') return
      if (!(error instanceof WrongExpectedVersionError)) throw error
      // A stream that is not there is at -1.
      const at = error.actualVersion
      const actual = typeof at === 'bigint' && at >= 0n ? at : 'no-stream'
      throw new WrongExpectedRevision({ stream, expected, actual })
    }
  }

  async capStream(stream: string, maxCount: number): Promise<void> {
    this.#assertOpen()
    checkCap(stream, maxCount)
    const metadata = { $maxCount: maxCount }
    const event = { id: randomUUID(), type: '$metadata', dataText: JSON.stringify(metadata), metadataText: '{}' }
    try {
      await this.#track(this.#append(`$$${stream}`, 'any', [event]))
    } catch (error) {
      // What the server says of a deleted stream depends on whether it was capped before.
      if (!(error instanceof StreamDeleted)) throw error
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // Each of them has its own end.
    await Promise.allSettled(this.#underWay)
    for (const follower of this.#followers) follower.stop(new StoreClosed())
    await this.#connection.close()
  }

  async #append(stream: string, expected: ExpectedRevision, events: readonly Sendable[]): Promise<AppendResult> {
    const until = performance.now() + this.#timeoutMs
    if (this.#starting.size > 0) await this.#bounded(Promise.allSettled(this.#starting), 'a subscription')
    for (let attempt = 1; ; attempt++) {
      const wire = this.#connection.wire()
      try {
        return await wire.append(stream, expected, events)
      } catch (error) {
        if (isAnswer(error)) throw error
        if (!(error instanceof GivenUp)) this.#connection.failed(error, wire)
        // The server gives up an append that waits behind its own twin, and knows it when it comes again. With 'any' it
        // knows it only for as long as it remembers.
        const sound = asNotLeader(error) !== undefined || (error instanceof GivenUp && expected !== 'any')
        if (!sound || attempt === ATTEMPTS || performance.now() > until) throw toStoreError(error)
      }
    }
  }

  /** A connection that failed is not used again; what a node refused because it does not lead is asked of the leader. */
  async #call<T>(work: (wire: Wire) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const wire = this.#connection.wire()
      try {
        return await work(wire)
      } catch (error) {
        if (typeOf(error) === 'wrong-expected-version' || typeOf(error) === 'stream-deleted') throw error
        this.#connection.failed(error, wire)
        if (!asNotLeader(error) || attempt === ATTEMPTS) throw toStoreError(error)
      }
    }
  }

  /** Where the log ends now, however long it takes to learn that. */
  async #now(): Promise<Position> {
    const end = this.#askForEnd()
    this.#starting.add(end)
    try {
      return await end
    } finally {
      this.#starting.delete(end)
    }
  }

  async #askForEnd(): Promise<Position> {
    for (;;) {
      try {
        return await this.#call((wire) => endOf(wire, this.#timeoutMs))
      } catch (error) {
        if (!(error instanceof StoreUnavailable) || !error.retryable) throw error
        if (this.#closing) throw new StoreClosed()
        await setTimeout(this.#options.backoffMs ?? BACKOFF_MS)
      }
    }
  }

  async #bounded<T>(work: Promise<T>, what: string): Promise<T> {
    const late = new AbortController()
    try {
      return await Promise.race([
        work,
        setTimeout(this.#timeoutMs, undefined, { signal: late.signal }).then(() => {
          throw noAnswer(what, this.#timeoutMs)
        }),
      ])
    } finally {
      late.abort()
    }
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work)
    try {
      return await work
    } finally {
      this.#underWay.delete(work)
    }
  }

  #assertOpen(): void {
    if (this.#closing) throw new StoreClosed()
  }
}

/** Whether the server has decided an append, so that asking again or elsewhere gives the same. */
function isAnswer(error: unknown): boolean {
  return error instanceof WrongExpectedRevision || error instanceof StreamDeleted || error instanceof EventTooLarge
}
