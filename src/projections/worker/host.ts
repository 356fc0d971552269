/**
 * The read side in a thread of its own, so that neither commits of read.db nor queries hold up the thread that runs
 * handlers. A thread that dies is started again, and watches go on from where they stood.
 */
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Worker } from 'node:worker_threads'
import { type Position, START, StoreCorrupt, startThread } from '../../events/index.ts'
import { systemClock } from '../clock.ts'
import type { Answer, Asked, QuestionName } from '../core.ts'
import { openReadOnly, READ_FILE } from '../database.ts'
import { ReadModelsClosed, ReadModelsUnavailable } from '../errors.ts'
import { questionsOf, reportError } from '../host.ts'
import { readWork } from '../queries/work.ts'
import type { ReadModels, Watch, WatchSink, WatchTopic, WatchTopics, WorkSnapshot } from '../views.ts'
import { Waiting } from '../waiting.ts'
import { type FromWorker, received, type Told, type ToWorker, type WorkerOptions } from './protocol.ts'

const BACKOFF_MS = { first: 100, max: 10_000 }
const CLOSE_MS = 8_000

export interface WorkerHostOptions {
  readonly app: string
  /** Where read.db is kept: the embedded store's data directory, or this node's own. */
  readonly directory: string
  /** The embedded store's `signal`, to follow it without polling. */
  readonly signal?: SharedArrayBuffer
  /** Connection string of the log, when that is not in the directory. */
  readonly eventstore?: string
  /** Told what holds the read models up: a PoisonEvent, a full disk, a thread that died. It is tried again. */
  readonly onError?: (error: Error) => void
}

/** @throws whatever keeps the thread from opening its files the first time */
export async function openReadModelsInWorker(options: WorkerHostOptions): Promise<ReadModels> {
  const host = new WorkerHost(options)
  await host.start()
  return host
}

interface OpenWatch {
  /** Opens it in a new thread, from where it stands. */
  open(): ToWorker
  told(message: Told): void
}

class WorkerHost implements ReadModels {
  readonly #options: WorkerOptions
  readonly #onError: (error: Error) => void
  readonly #asked = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>()
  readonly #watches = new Map<number, OpenWatch>()
  readonly #waiting = new Waiting(systemClock, () => this.#position)
  #position: Position = START
  #lastId = 0
  #worker: Worker | undefined
  /** Questions asked while no thread is ready. */
  #unsent: ToWorker[] = []
  #ready = false
  #closed: Promise<void> | undefined
  #cancelRestart: (() => void) | undefined
  #backoff = BACKOFF_MS.first
  #snapshot: (() => void) | undefined

  readonly #questions = questionsOf((question, ...asked) => this.#ask(question, ...asked))
  readonly job = this.#questions.job
  readonly jobs = this.#questions.jobs
  readonly countJobs = this.#questions.countJobs
  readonly tally = this.#questions.tally
  readonly jobIds = this.#questions.jobIds
  readonly retirable = this.#questions.retirable
  readonly board = this.#questions.board
  readonly session = this.#questions.session
  readonly sessions = this.#questions.sessions
  readonly transcript = this.#questions.transcript
  readonly schedules = this.#questions.schedules
  readonly schedule = this.#questions.schedule
  readonly occurrences = this.#questions.occurrences
  readonly locks = this.#questions.locks
  readonly status = this.#questions.status
  readonly rebuild = this.#questions.rebuild

  constructor({ app, directory, signal, eventstore, onError = reportError }: WorkerHostOptions) {
    const log =
      eventstore === undefined
        ? ({ kind: 'file', directory, signal } as const)
        : ({ kind: 'cluster', url: eventstore } as const)
    this.#options = { app, file: join(directory, READ_FILE), log }
    this.#onError = onError
  }

  get position(): Position {
    return this.#position
  }

  waitFor(position: Position, timeoutMs?: number): Promise<void> {
    if (position > this.#position && this.#ready) this.#post({ kind: 'awaited' })
    return this.#waiting.waitFor(position, timeoutMs)
  }

  /** Starts the thread. Resolves when it is ready; later ends of it start it again. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = startThread('capsule-read-models')
      worker.postMessage(this.#options)
      let failure: unknown
      let wasReady = false
      this.#worker = worker
      worker.on('message', (message: FromWorker) => {
        if (message.kind !== 'ready') return this.#receive(message)
        wasReady = true
        this.#becomeReady(worker, message.position)
        resolve()
      })
      worker.on('error', (error) => {
        failure = error
      })
      worker.on('exit', (code) => {
        this.#ready = false
        const cause = failure ?? new Error(`exit code ${code}`)
        const unavailable = this.#closed === undefined ? new ReadModelsUnavailable(cause) : new ReadModelsClosed()
        for (const { reject } of this.#asked.values()) reject(unavailable)
        this.#asked.clear()
        this.#unsent = []
        if (!wasReady) reject(cause)
        else if (this.#closed === undefined) this.#restart(unavailable)
      })
    })
  }

  work(): WorkSnapshot {
    if (this.#closed !== undefined) throw new ReadModelsClosed()
    // Only the newest is of use, and one that nobody reads to its end would keep the WAL from being reused.
    this.#snapshot?.()
    const db: DatabaseSync = openReadOnly(this.#options.file)
    const end = () => {
      if (this.#snapshot !== end) return
      this.#snapshot = undefined
      db.close()
    }
    this.#snapshot = end
    try {
      db.exec('BEGIN')
      const work = readWork(db)
      return { ...work, waiting: { [Symbol.iterator]: () => untilRead(work.waiting, end) } }
    } catch (error) {
      end()
      throw error
    }
  }

  watch<T extends WatchTopic>(
    topic: T,
    params: WatchTopics[T]['params'],
    sink: WatchSink<T>,
    from?: Position,
  ): Watch<T> {
    const id = ++this.#lastId
    const state = { params, position: from }
    const close = () => {
      if (this.#watches.delete(id) && this.#ready) this.#post({ kind: 'unwatch', id })
    }
    const tell = (message: Told) => {
      // The thread answers a watch with what its topic promises.
      if (message.kind === 'snapshot') {
        state.position = message.position
        sink.snapshot(message.position, message.data as WatchTopics[T]['data'])
      } else if (message.kind === 'delta') {
        state.position = message.to
        sink.delta(message.from, message.to, message.changes as WatchTopics[T]['change'][])
      } else {
        this.#watches.delete(id)
        sink.failed(received(message.error))
      }
    }
    this.#watches.set(id, {
      open: () => ({ kind: 'watch', id, topic, params: state.params, from: state.position }),
      told: (message) => {
        try {
          tell(message)
        } catch (error) {
          // As in the thread: what a sink throws ends its watch alone, and not the process.
          close()
          sink.failed(error instanceof Error ? error : new Error(String(error)))
        }
      },
    })
    if (this.#ready) this.#post(this.#watches.get(id)?.open())
    return {
      update: (changed) => {
        state.params = changed
        if (this.#watches.has(id) && this.#ready) this.#post({ kind: 'update', id, params: changed })
      },
      close,
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#cancelRestart?.()
    this.#snapshot?.()
    this.#waiting.close()
    this.#watches.clear()
    const worker = this.#worker
    if (worker === undefined || worker.threadId === -1) return
    const exit = new Promise((resolve) => worker.once('exit', resolve))
    // One that is not ready yet has not begun to listen.
    if (this.#ready) worker.postMessage({ kind: 'close' } satisfies ToWorker)
    else await worker.terminate()
    // A connection that is being made to a host that is gone keeps its thread for two minutes.
    const cancel = systemClock.after(CLOSE_MS, () => void worker.terminate())
    await exit
    cancel()
  }

  #ask<Q extends QuestionName>(question: Q, ...asked: Asked<Q>): Promise<Answer<Q>> {
    if (this.#closed !== undefined) return Promise.reject(new ReadModelsClosed())
    const id = ++this.#lastId
    return new Promise<Answer<Q>>((resolve, reject) => {
      // The thread answers a question with what it promises.
      this.#asked.set(id, { resolve: resolve as (answer: unknown) => void, reject })
      const message: ToWorker = { kind: 'ask', id, question, asked }
      if (this.#ready) this.#post(message)
      else this.#unsent.push(message)
    })
  }

  #post(message: ToWorker | undefined): void {
    if (message !== undefined) this.#worker?.postMessage(message)
  }

  #becomeReady(worker: Worker, position: Position): void {
    this.#backoff = BACKOFF_MS.first
    this.#ready = true
    this.#moveTo(position)
    for (const watch of this.#watches.values()) worker.postMessage(watch.open())
    for (const message of this.#unsent.splice(0)) worker.postMessage(message)
  }

  #moveTo(position: Position): void {
    this.#position = position
    this.#waiting.reached(position)
  }

  #receive(message: Exclude<FromWorker, { kind: 'ready' }>): void {
    switch (message.kind) {
      case 'position':
        return this.#moveTo(message.position)
      case 'answer':
      case 'refused': {
        const asked = this.#asked.get(message.id)
        this.#asked.delete(message.id)
        if (message.kind === 'answer') asked?.resolve(message.answer)
        else asked?.reject(received(message.error))
        return
      }
      case 'trouble':
        return this.#onTrouble(received(message.error), message.stuck)
      default:
        this.#watches.get(message.id)?.told(message)
    }
  }

  #onTrouble(error: Error, stuck = false): void {
    this.#onError(error)
    // A start would wait for the end of a log that cannot be read.
    if (stuck && error instanceof StoreCorrupt) this.#waiting.giveUp(error)
  }

  #restart(cause: Error): void {
    this.#onError(cause)
    this.#cancelRestart = systemClock.after(this.#backoff, () => {
      this.#backoff = Math.min(this.#backoff * 2, BACKOFF_MS.max)
      this.start().catch((error: unknown) => {
        if (this.#closed === undefined) this.#restart(new ReadModelsUnavailable(error))
      })
    })
  }
}

function* untilRead<T>(items: Iterable<T>, end: () => void): Generator<T> {
  try {
    yield* items
  } finally {
    end()
  }
}
