/**
 * Announces a node from a thread of its own over a connection of its own: a handler that holds the event loop, or a long
 * queue of appends before it, does not silence the node. How late the loop is goes along in shared memory.
 */
import { Worker } from 'node:worker_threads'
import { type Clock, systemClock, type Timer } from '../../actors/index.ts'
import { programFile, StoreUnavailable } from '../../events/index.ts'
import type { AnnouncedNode, AnnounceListener, Announcer, MakeAnnouncer } from '../announcer.ts'
import { type AnnouncingOptions, type FromAnnouncing, sharedNow, type ToAnnouncing } from './protocol.ts'

/** The thread's farewell: what it has asked is answered or given up by then. */
const STOP_MS = 8_000
const RESTART_MS = 500
const LIMITS = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 128 }

/** @param url connection string of the log */
export function announceFromThread(url: string): MakeAnnouncer {
  return (of) => new ThreadAnnouncer(url, of)
}

class ThreadAnnouncer implements Announcer {
  readonly #options: AnnouncingOptions
  readonly #beat: BigInt64Array
  readonly #clock: Clock = systemClock
  #worker: Worker | undefined
  #restart: Timer | undefined
  #open = true

  constructor(url: string, { node, stream, manifest }: AnnouncedNode) {
    const beat = new SharedArrayBuffer(8)
    this.#options = { url, node, stream, manifest, beat }
    this.#beat = new BigInt64Array(beat)
  }

  start(listener: AnnounceListener): void {
    const worker = new Worker(programFile('execution/announcing/worker'), {
      workerData: this.#options,
      name: 'capsule-announcer',
      resourceLimits: LIMITS,
    })
    this.#worker = worker
    worker.on('message', (message: FromAnnouncing) => {
      if (message.kind === 'failed') listener.failed(errorOf(message))
      else listener[message.kind]()
    })
    let failure: unknown
    worker.on('error', (error) => {
      failure = error
    })
    worker.on('exit', (code) => {
      this.#worker = undefined
      if (!this.#open) return
      // A node that says nothing loses its work.
      listener.failed(failure ?? new Error(`The announcing thread ended with exit code ${code}.`))
      this.#restart = this.#clock.after(RESTART_MS, () => this.start(listener))
    })
  }

  beat(nextMs: number): void {
    Atomics.store(this.#beat, 0, sharedNow() + BigInt(Math.round(nextMs * 1e6)))
  }

  async stop(): Promise<void> {
    this.#open = false
    this.#restart?.cancel()
    const worker = this.#worker
    if (!worker) return
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    worker.postMessage('stop' satisfies ToAnnouncing)
    const limit = this.#clock.after(STOP_MS, () => void worker.terminate())
    await exited
    limit.cancel()
  }
}

/** An error loses its class on its way here. */
function errorOf({ why, unavailable }: Extract<FromAnnouncing, { kind: 'failed' }>): Error {
  return unavailable ? new StoreUnavailable(why, { retryable: true }) : new Error(why)
}
