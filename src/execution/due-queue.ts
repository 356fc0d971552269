/**
 * Things that are due at some time, soonest first, with one timer for the soonest of them: a binary heap.
 *
 * In order of the monotonic clock: what was to wait a minute waits a minute, whoever sets the date meanwhile. What is due
 * by the date itself (a task's expiry) waits on when its time has passed and the date says that it has not come.
 */
import type { Clock, Timer } from '../actors/index.ts'

interface Entry<T> {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** By the monotonic clock. */
  readonly due: number
  readonly item: T
}

export interface DueQueueOptions<T> {
  readonly byDate?: boolean
  /** Whether anything will be made of it when it is due. What is not wanted any more is let go of before. Default: it will. */
  readonly wanted?: (item: T) => boolean
}

/** So few are not looked through for those that are not wanted any more. */
const FEW = 1_024

export class DueQueue<T> {
  readonly #clock: Clock
  readonly #due: (items: readonly T[]) => void
  readonly #byDate: boolean
  readonly #wanted: (item: T) => boolean
  #heap: Entry<T>[] = []
  /** When there are so many, they are looked through. */
  #many = FEW
  #timer: Timer | undefined
  #armedFor = Number.POSITIVE_INFINITY
  #closed = false

  /** `due` is called with everything that is due, in order of time. What is no longer wanted, the callee ignores. */
  constructor(clock: Clock, due: (items: readonly T[]) => void, options: DueQueueOptions<T> = {}) {
    this.#clock = clock
    this.#due = due
    this.#byDate = options.byDate ?? false
    this.#wanted = options.wanted ?? (() => true)
  }

  get size(): number {
    return this.#heap.length
  }

  /** `at` in milliseconds since the epoch. @returns when that is by the monotonic clock */
  push(at: number, item: T): number {
    const due = this.#clock.monotonic() + at - this.#clock.now()
    if (this.#closed) return due
    if (this.#heap.length >= this.#many) this.#sift()
    this.#insert(at, due, item)
    this.#arm()
    return due
  }

  /** The date was set: what it makes overdue is due at once. */
  dateSet(): void {
    const shift = this.#clock.monotonic() - this.#clock.now()
    const entries = this.#heap.splice(0)
    for (const { at, due, item } of entries) {
      this.#insert(at, this.#byDate ? at + shift : Math.min(due, at + shift), item)
    }
    this.#timer?.cancel()
    this.#armedFor = Number.POSITIVE_INFINITY
    this.#arm()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#heap.length = 0
  }

  /** Work that ended long before it was due would be kept until then: a month's, if it expires after a month. */
  #sift(): void {
    this.#heap = this.#heap.filter(({ item }) => this.#wanted(item))
    for (let index = this.#heap.length >> 1; index >= 0; index--) this.#down(index)
    this.#many = Math.max(FEW, 2 * this.#heap.length)
  }

  #insert(at: number, due: number, item: T): void {
    this.#heap.push({ at, due, item })
    this.#up(this.#heap.length - 1)
  }

  #arm(): void {
    const next = this.#heap[0]?.due ?? Number.POSITIVE_INFINITY
    if (this.#closed || next >= this.#armedFor) return
    this.#timer?.cancel()
    this.#armedFor = next
    this.#timer = this.#clock.at(this.#clock.now() + next - this.#clock.monotonic(), () => this.#fire())
  }

  #fire(): void {
    this.#armedFor = Number.POSITIVE_INFINITY
    const now = this.#clock.now()
    const elapsed = this.#clock.monotonic()
    const items: T[] = []
    for (let first = this.#heap[0]; first && first.due <= elapsed; first = this.#heap[0]) {
      this.#pop()
      if (this.#byDate && first.at > now) this.#insert(first.at, elapsed + first.at - now, first.item)
      else items.push(first.item)
    }
    this.#arm()
    if (items.length > 0) this.#due(items)
  }

  #pop(): void {
    const last = this.#heap.pop()
    if (!last || this.#heap.length === 0) return
    this.#heap[0] = last
    this.#down(0)
  }

  #up(start: number): void {
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#swapIfSooner(index, parent)) return
      index = parent
    }
  }

  #down(start: number): void {
    let index = start
    for (;;) {
      const left = 2 * index + 1
      const right = left + 1
      const sooner = this.#dueAt(right) < this.#dueAt(left) ? right : left
      if (!this.#swapIfSooner(sooner, index)) return
      index = sooner
    }
  }

  #dueAt(index: number): number {
    return this.#heap[index]?.due ?? Number.POSITIVE_INFINITY
  }

  #swapIfSooner(child: number, parent: number): boolean {
    const a = this.#heap[child]
    const b = this.#heap[parent]
    if (!a || !b || a.due >= b.due) return false
    this.#heap[parent] = a
    this.#heap[child] = b
    return true
  }
}
