/**
 * Submits that wait a moment for a slot, so that the append that submits a task starts it, too: two appends a task in all,
 * and not the three of one that is recorded first and started later.
 *
 * While starts are on their way to the log, slots are about to come free, if handlers are short. By Little's law as many come
 * free while an append takes as there are starts under way: so a submit waits only if no more are ahead of it than a few
 * times those. Once no start is under way those that have slots are long at work, and whoever waits is recorded without one.
 */
import type { Clock, Timer } from '../actors/index.ts'
import { Fifo } from './ready-queue.ts'

/** How many appends' time it is worth to wait. */
const APPENDS = 8
/** After so long without an answer of the log nobody waits any longer for what follows from one. */
const SILENCE_MS = 1000

interface Arrival {
  /** When so many starts have settled in all, it was overtaken too often: it waits no longer. */
  readonly until: number
  /** Whether a slot was taken for it. */
  decide(hasSlot: boolean): void
}

export interface ArrivalsOptions {
  readonly clock: Clock
  /** Starts on their way to the log. */
  readonly startsUnderWay: () => number
  /** Recorded tasks that wait for a slot: they come first. */
  readonly ready: () => number
}

export class Arrivals {
  readonly #options: ArrivalsOptions
  readonly #queue = new Fifo<Arrival>()
  #timer: Timer | undefined
  /** Starts that had their answer in this turn of the event loop. */
  #justSettled = 0
  #settled = 0
  #heard = false

  constructor(options: ArrivalsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#queue.size
  }

  get isWorthIt(): boolean {
    return this.#options.ready() + this.size < this.#reach
  }

  /** Resolves with whether a slot was taken for it. */
  wait(): Promise<boolean> {
    if (!this.#timer) this.#listen()
    // Those under way now settle before those that are ahead.
    const until = this.#settled + 2 * this.#reach
    return new Promise((decide) => this.#queue.push({ until, decide }))
  }

  /** Lets in as many as `take` has slots for, each call for one. */
  letIn(take: () => boolean): void {
    while (this.size > 0 && take()) this.#decide(true)
  }

  /** A start is under way no more. Its handler, if it is short, returns before the event loop's next turn. */
  startSettled(): void {
    this.#heard = true
    this.#settled++
    if (this.#justSettled++ > 0) return
    setImmediate(() => {
      this.#justSettled = 0
      if (this.#options.ready() >= this.#reach) this.turnAway()
      for (let first = this.#queue.first; first && first.until <= this.#settled; first = this.#queue.first)
        this.#decide(false)
    })
  }

  /** Nobody here gets a slot. */
  turnAway(): void {
    while (this.size > 0) this.#decide(false)
  }

  /** So many have a slot before it is not worth to wait. */
  get #reach(): number {
    return (this.#options.startsUnderWay() + this.#justSettled) * APPENDS
  }

  #listen(): void {
    this.#heard = false
    this.#timer = this.#options.clock.after(SILENCE_MS, () => {
      if (this.#heard) this.#listen()
      else this.turnAway()
    })
  }

  #decide(hasSlot: boolean): void {
    this.#queue.shift()?.decide(hasSlot)
    if (this.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
