/**
 * Names a handler that holds the event loop, and says what to do: while it computes, nothing else of the app runs.
 *
 * A timer that comes late tells that the loop was held, and for how long; it was held by one of the handlers that ran
 * meanwhile. A handler that holds it before its first `await` is measured itself, so then its name is certain.
 */
import type { Report } from '../actors/index.ts'

export interface LoopWatchOptions {
  readonly report: Report
}

const LOOK_EVERY_MS = 100
/** Shorter than this nobody notices. */
const NOTICED_MS = 1_000
/** A process that gets no processor is late too: where it was not later than this, it must have computed so much. */
const BEYOND_DOUBT_MS = 5_000
const COMPUTED_MS = 500
/** The same handlers are named at most so often. */
const REPEAT_MS = 60_000
const MOST_NAMES = 3

/** A handler held the event loop: everything else had to wait. A warning, of which only the message matters. */
export class LoopHeld extends Error {
  override readonly name = 'LoopHeld'
  readonly handlers: readonly string[]
  readonly heldMs: number
  constructor(handlers: readonly string[], heldMs: number) {
    const named = handlers.slice(0, MOST_NAMES).join(', ')
    const more = handlers.length > MOST_NAMES ? ` and ${handlers.length - MOST_NAMES} others` : ''
    super(
      `${handlers.length === 1 ? named : `One of ${named}${more}`} held the event loop for ${(heldMs / 1000).toFixed(1)} s: ` +
        'nothing else could run. Declare the task with process: true, or let its work pause now and then.',
    )
    this.handlers = handlers
    this.heldMs = heldMs
    // Where it was noticed says nothing about where it happened.
    delete this.stack
  }
}

export class LoopWatch {
  readonly #report: LoopWatchOptions['report']
  readonly #timer: NodeJS.Timeout
  readonly #running = new Map<string, number>()
  /** Those that ended since the last look. */
  readonly #ended = new Set<string>()
  readonly #reportedAt = new Map<string, number>()
  #culprit: string | undefined
  #lookedAt = performance.now()
  #computed = computedMs()

  constructor({ report }: LoopWatchOptions) {
    this.#report = report
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS)
    this.#timer.unref()
  }

  /** Runs a handler under this name, e.g. `Task crunch`. */
  async run<T>(name: string, handler: () => Promise<T>): Promise<T> {
    this.#running.set(name, (this.#running.get(name) ?? 0) + 1)
    const begun = performance.now()
    try {
      const promise = handler()
      if (performance.now() - begun >= NOTICED_MS) this.#culprit = name
      return await promise
    } finally {
      const left = (this.#running.get(name) ?? 1) - 1
      if (left > 0) this.#running.set(name, left)
      else this.#running.delete(name)
      this.#ended.add(name)
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = performance.now()
    const computed = computedMs()
    const heldMs = now - this.#lookedAt - LOOK_EVERY_MS
    const busyMs = computed - this.#computed
    const suspects = this.#culprit ? [this.#culprit] : [...new Set([...this.#running.keys(), ...this.#ended])]
    this.#lookedAt = now
    this.#computed = computed
    this.#culprit = undefined
    this.#ended.clear()
    if (heldMs < NOTICED_MS || suspects.length === 0) return
    if (heldMs < BEYOND_DOUBT_MS && busyMs < COMPUTED_MS) return
    const key = suspects.join()
    if (now - (this.#reportedAt.get(key) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return
    if (this.#reportedAt.size > 1_000) this.#reportedAt.clear()
    this.#reportedAt.set(key, now)
    this.#report(new LoopHeld(suspects, heldMs), 'watching the event loop')
  }
}

/** Processor time of this thread so far. */
function computedMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
