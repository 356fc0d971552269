/**
 * The embedded store as its process sees it: changes become batches for the writer's thread, answers become results and
 * live events, reads go to a read-only connection of this thread.
 */
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import {
  type ExpectedRevision,
  StoreClosed,
  StoreCorrupt,
  StoreError,
  StoreUnavailable,
  StreamDeleted,
  WrongExpectedRevision,
} from '../../errors.ts'
import type { EventData, Position, RecordedEvent, Revision } from '../../event.ts'
import type {
  AppendResult,
  EventStore,
  ReadAllOptions,
  ReadStreamOptions,
  SubscribeOptions,
  Subscriber,
  Subscription,
} from '../../store.ts'
import { startThread } from '../../threads.ts'
import { LogFeed } from '../feed.ts'
import { accept, checkAppend, checkCap, checkDelete, type Incoming } from '../incoming.ts'
import { EVENTS_FILE, toFailure, toStoreError } from './file.ts'
import { type DirectoryLock, lockDirectory } from './lock.ts'
import { Place } from './place.ts'
import {
  ANY,
  APPENDED,
  CAP,
  CONFLICT,
  DELETION,
  type FromWriter,
  GONE,
  NO_STREAM,
  type ToWriter,
  type WriterOptions,
} from './protocol.ts'
import { FileReader } from './reader.ts'
import { createSignal, Signal } from './signal.ts'

export interface SqliteStoreOptions {
  /** Where the log lives; made when it is not there. One process at a time. */
  readonly directory: string
  /** Milliseconds since the epoch, for `recordedAt`. Default: Date.now. */
  readonly now?: () => number
}

export interface SqliteStore extends EventStore {
  readonly directory: string
  /** The head in shared memory, for `openSqliteReader` in another thread. */
  readonly signal: SharedArrayBuffer
}

/** Batches that may be on their way to the writer; what comes meanwhile waits and becomes one larger batch. */
const UNDER_WAY = 3
/** A batch is full with so many events (or other changes) or characters; the rest makes the next one. */
const BATCH_EVENTS = 4096
const BATCH_CHARS = 8 * 1024 * 1024

/** A change to a stream that waits for its answer. */
interface Pending {
  readonly stream: string
  readonly expected: ExpectedRevision
  /** None for a change that appends nothing. */
  readonly events: readonly Incoming[]
  readonly resolve: (result: AppendResult) => void
  readonly reject: (error: Error) => void
}

/** A batch that still takes changes, or is under way. */
class Gathering {
  readonly pending: Pending[] = []
  readonly items: (string | number)[] = []
  events = 0
  chars = 0
  recordedAt = 0
}

/**
 * Opens the log in `directory`, and makes it when there is none.
 *
 * Events handed to `append` are given to live subscribers as they are: they must not be changed afterwards.
 * @throws DataDirectoryInUse, StoreUnavailable, StoreCorrupt
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const { directory, now = Date.now } = options
  let lock: DirectoryLock
  try {
    mkdirSync(directory, { recursive: true })
    lock = lockDirectory(directory)
  } catch (error) {
    if (error instanceof StoreError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new StoreUnavailable(
      `${directory} cannot be used as a data directory (${reason}). It must be a directory this process can write to.`,
      { retryable: false, cause: error },
    )
  }
  const signal = createSignal()
  const worker = startThread('capsule-log-writer')
  worker.postMessage({ file: join(directory, EVENTS_FILE), signal } satisfies WriterOptions)
  try {
    const head = await whenReady(worker)
    return new Store(directory, now, signal, worker, new FileReader({ directory, signal }), lock, head)
  } catch (error) {
    await worker.terminate()
    lock.release()
    throw error
  }
}

/** Whoever waits for an append goes first: followers hear of it in the loop's next phase. */
function afterAnswers(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The head of the log, once the writer has it open. */
async function whenReady(worker: Worker): Promise<number> {
  // `once` also rejects on 'error'; a writer that just ends must not leave the caller waiting.
  const ended = new AbortController()
  const onExit = (): void => ended.abort()
  worker.once('exit', onExit)
  try {
    const [message]: FromWriter[] = await once(worker, 'message', { signal: ended.signal })
    if (message?.is === 'ready') return message.head
    if (message?.is === 'failed') throw toStoreError(message.failure)
    throw new StoreUnavailable('The log writer answered before it was asked', { retryable: false })
  } catch (error) {
    if (error instanceof StoreError) throw error
    throw new StoreUnavailable('The log writer could not start', { retryable: false, cause: error })
  } finally {
    worker.off('exit', onExit)
  }
}

class Store implements SqliteStore {
  readonly directory: string
  readonly signal: SharedArrayBuffer
  readonly #now: () => number
  readonly #worker: Worker
  readonly #reader: FileReader
  readonly #lock: DirectoryLock
  readonly #place: Place
  readonly #feed: LogFeed
  readonly #underWay: Gathering[] = []
  readonly #waiting: Gathering[] = []
  #flushPlanned = false
  #heardThisTurn = false
  /** Why nothing can be appended any more. */
  #broken: StoreError | undefined
  #closing: Promise<void> | undefined
  #whenIdle: (() => void) | undefined

  constructor(
    directory: string,
    now: () => number,
    signal: SharedArrayBuffer,
    worker: Worker,
    reader: FileReader,
    lock: DirectoryLock,
    head: number,
  ) {
    this.directory = directory
    this.signal = signal
    this.#now = now
    this.#worker = worker
    this.#reader = reader
    this.#lock = lock
    this.#place = new Place(join(directory, EVENTS_FILE))
    this.#feed = new LogFeed(
      BigInt(head) as Position,
      (after, upTo, prefixes) => reader.readPage(after, upTo, prefixes),
      afterAnswers,
    )
    worker.on('message', (message: FromWriter) => this.#heard(message))
    worker.on('error', (error) => setImmediate(() => this.#writerDied(error)))
    worker.on('exit', () => setImmediate(() => this.#writerDied(undefined)))
  }

  append(stream: string, expected: ExpectedRevision, events: readonly EventData[]): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      this.#assertWritable()
      checkAppend(stream, expected, events)
      const accepted = events.map((event) => accept(stream, event))
      const batch = this.#enqueue({ stream, expected, events: accepted, resolve, reject })
      batch.items.push(stream, encodeExpected(expected), accepted.length)
      for (const event of accepted) {
        batch.items.push(event.id, event.type, event.dataText, event.metadataText)
        batch.chars += event.dataText.length + event.metadataText.length
      }
    })
  }

  async deleteStream(stream: string, expected: Revision | 'no-stream'): Promise<void> {
    await new Promise<AppendResult>((resolve, reject) => {
      this.#assertWritable()
      checkDelete(stream, expected)
      const batch = this.#enqueue({ stream, expected, events: [], resolve, reject })
      batch.items.push(stream, encodeExpected(expected), DELETION)
    })
  }

  async capStream(stream: string, maxCount: number): Promise<void> {
    await new Promise<AppendResult>((resolve, reject) => {
      this.#assertWritable()
      checkCap(stream, maxCount)
      this.#enqueue({ stream, expected: 'any', events: [], resolve, reject }).items.push(stream, maxCount, CAP)
    })
  }

  async readStream(stream: string, options?: ReadStreamOptions): Promise<readonly RecordedEvent[]> {
    this.#assertOpen()
    return this.#reader.readStream(stream, options)
  }

  async readAll(options?: ReadAllOptions): Promise<readonly RecordedEvent[]> {
    this.#assertOpen()
    return this.#reader.readAll(options)
  }

  subscribe(options: SubscribeOptions, subscriber: Subscriber): Subscription {
    this.#assertOpen()
    return this.#feed.subscribe(options, subscriber)
  }

  async head(): Promise<Position> {
    this.#assertWritable()
    this.#place.assertKept()
    return this.#feed.head
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#underWay.length + this.#waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve
      })
    }
    this.#feed.close(new StoreClosed())
    new Signal(this.signal).close()
    this.#reader.close()
    if (!this.#broken) {
      const ended = new Promise((resolve) => this.#worker.once('exit', resolve))
      this.#say('close')
      await ended
    }
    await this.#worker.terminate()
    this.#lock.release()
  }

  /** @returns the batch that carries it, for its items */
  #enqueue(change: Pending): Gathering {
    let batch = this.#waiting.at(-1)
    if (!batch || batch.events >= BATCH_EVENTS || batch.chars >= BATCH_CHARS) {
      batch = new Gathering()
      this.#waiting.push(batch)
    }
    batch.events += Math.max(change.events.length, 1)
    batch.pending.push(change)
    if (!this.#flushPlanned && this.#underWay.length < UNDER_WAY) {
      this.#flushPlanned = true
      // All changes of this turn share a message.
      queueMicrotask(() => this.#flush())
    }
    return batch
  }

  #flush(): void {
    this.#flushPlanned = false
    while (this.#underWay.length < UNDER_WAY && !this.#broken) {
      const batch = this.#waiting.shift()
      if (!batch) break
      batch.recordedAt = this.#now()
      this.#underWay.push(batch)
      this.#say({ recordedAt: batch.recordedAt, changes: batch.pending.length, items: batch.items })
    }
  }

  #say(message: ToWriter): void {
    this.#worker.postMessage(message)
  }

  /**
   * One answer a turn of the event loop, the others in its next phase. A port hands out whatever has come meanwhile, and
   * under load what an answer sets off takes as long as the next commit: timers and sockets would wait for ever.
   */
  #heard(message: FromWriter): void {
    if (this.#heardThisTurn) {
      setImmediate(() => this.#answered(message))
      return
    }
    this.#heardThisTurn = true
    setImmediate(() => {
      this.#heardThisTurn = false
    })
    this.#answered(message)
  }

  #answered(message: FromWriter): void {
    if (message.is === 'ready') return
    const batches = this.#underWay.splice(0, message.batches)
    if (message.is === 'done') {
      this.#publish(batches, message.results, message.head)
      this.#settle(batches, message.results)
    } else {
      const error = toStoreError(message.failure)
      if (error instanceof StoreCorrupt) this.#break(error)
      for (const batch of batches) for (const append of batch.pending) append.reject(error)
    }
    this.#flush()
    if (this.#underWay.length + this.#waiting.length === 0) this.#whenIdle?.()
  }

  #publish(batches: readonly Gathering[], results: readonly number[], head: number): void {
    const events: RecordedEvent[] = []
    let chars = 0
    if (this.#feed.hasLive) {
      let at = 0
      for (const batch of batches) {
        chars += batch.chars
        for (const append of batch.pending) {
          if (results[at] === APPENDED) {
            record(append, results[at + 1] ?? 0, results[at + 2] ?? 0, batch.recordedAt, events)
          }
          at += 3
        }
      }
    }
    this.#feed.publish(events, BigInt(head) as Position, chars)
  }

  #settle(batches: readonly Gathering[], results: readonly number[]): void {
    let at = 0
    for (const batch of batches) {
      for (const { stream, expected, resolve, reject } of batch.pending) {
        const revision = results[at + 1] ?? 0
        if (results[at] === GONE) reject(new StreamDeleted(stream))
        else if (results[at] === CONFLICT) {
          const actual: Revision | 'no-stream' = revision === NO_STREAM ? 'no-stream' : BigInt(revision)
          reject(new WrongExpectedRevision({ stream, expected, actual }))
        } else {
          resolve({ revision: BigInt(revision), position: BigInt(results[at + 2] ?? 0) as Position })
        }
        at += 3
      }
    }
  }

  #writerDied(cause: Error | undefined): void {
    if (this.#closing && !cause && this.#underWay.length === 0) return
    const error = cause ? toStoreError(toFailure(cause), cause) : undefined
    this.#break(error ?? new StoreUnavailable('The log writer has ended. Restart this process.', { retryable: false }))
    for (const batch of this.#underWay.splice(0))
      for (const append of batch.pending) append.reject(this.#broken ?? new StoreClosed())
    this.#whenIdle?.()
  }

  /** Nothing is appended from here on; what has not been sent is refused with the same reason. */
  #break(error: StoreError): void {
    this.#broken ??= error
    for (const batch of this.#waiting.splice(0)) for (const append of batch.pending) append.reject(error)
    this.#feed.close(error)
  }

  #assertOpen(): void {
    if (this.#closing) throw new StoreClosed()
  }

  #assertWritable(): void {
    this.#assertOpen()
    if (this.#broken) throw this.#broken
  }
}

function record(append: Pending, revision: number, position: number, recordedAt: number, into: RecordedEvent[]): void {
  const before = append.events.length - 1
  append.events.forEach(({ id, type, data, metadata }, i) => {
    into.push({
      id,
      type,
      data,
      metadata,
      stream: append.stream,
      revision: BigInt(revision - before + i),
      position: BigInt(position - before + i) as Position,
      recordedAt,
    })
  })
}

function encodeExpected(expected: ExpectedRevision): number {
  return expected === 'any' ? ANY : expected === 'no-stream' ? NO_STREAM : Number(expected)
}
