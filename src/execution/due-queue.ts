/** Things that are due at some time, soonest first, with one timer for the soonest of them: a binary heap. */
import type { Clock, Timer } from '../actors/index.ts'

interface Entry<T> {
  readonly at: number
  readonly item: T
}

export class DueQueue<T> {
  readonly #clock: Clock
  readonly #due: (items: readonly T[]) => void
  readonly #heap: Entry<T>[] = []
  #timer: Timer | undefined
  #armedFor = Number.POSITIVE_INFINITY
  #closed = false

  /** `due` is called with everything that is due, in order of time. What is no longer wanted, the callee ignores. */
  constructor(clock: Clock, due: (items: readonly T[]) => void) {
    this.#clock = clock
    this.#due = due
  }

  get size(): number {
    return this.#heap.length
  }

  /** `at` in milliseconds since the epoch. */
  push(at: number, item: T): void {
    if (this.#closed) return
    this.#heap.push({ at, item })
    this.#up(this.#heap.length - 1)
    this.#arm()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#heap.length = 0
  }

  #arm(): void {
    const next = this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
    if (this.#closed || next >= this.#armedFor) return
    this.#timer?.cancel()
    this.#armedFor = next
    this.#timer = this.#clock.at(next, () => this.#fire())
  }

  #fire(): void {
    this.#armedFor = Number.POSITIVE_INFINITY
    const now = this.#clock.now()
    const items: T[] = []
    for (let first = this.#heap[0]; first && first.at <= now; first = this.#heap[0]) {
      items.push(first.item)
      this.#pop()
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
      const sooner = this.#at(right) < this.#at(left) ? right : left
      if (!this.#swapIfSooner(sooner, index)) return
      index = sooner
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.at ?? Number.POSITIVE_INFINITY
  }

  #swapIfSooner(child: number, parent: number): boolean {
    const a = this.#heap[child]
    const b = this.#heap[parent]
    if (!a || !b || a.at >= b.at) return false
    this.#heap[parent] = a
    this.#heap[child] = b
    return true
  }
}
