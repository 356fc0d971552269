/**
 * Tasks that could start now, in the order they should: higher priority first; within a priority the owners take turns,
 * so that one who submits a million tasks does not make the others wait; within an owner first come, first served.
 */

export interface Ready {
  readonly ownerId: string
  readonly priority: number
}

interface Lane<T> {
  /** Those who have something waiting, in the order of their next turn. */
  readonly owners: Fifo<string>
  readonly byOwner: Map<string, Fifo<T>>
}

export class ReadyQueue<T extends Ready> {
  readonly #lanes = new Map<number, Lane<T>>()
  /** Highest first. */
  #priorities: number[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  push(item: T): void {
    let lane = this.#lanes.get(item.priority)
    if (!lane) {
      lane = { owners: new Fifo(), byOwner: new Map() }
      this.#lanes.set(item.priority, lane)
      this.#priorities = [...this.#lanes.keys()].sort((a, b) => b - a)
    }
    let waiting = lane.byOwner.get(item.ownerId)
    if (!waiting) {
      waiting = new Fifo()
      lane.byOwner.set(item.ownerId, waiting)
      lane.owners.push(item.ownerId)
    }
    waiting.push(item)
    this.#size++
  }

  /** Takes out the next one. */
  shift(): T | undefined {
    for (const priority of this.#priorities) {
      const lane = this.#lanes.get(priority)
      const ownerId = lane?.owners.shift()
      if (!lane || ownerId === undefined) continue
      const waiting = lane.byOwner.get(ownerId)
      const item = waiting?.shift()
      if (waiting && waiting.size > 0) lane.owners.push(ownerId)
      else lane.byOwner.delete(ownerId)
      if (item === undefined) continue
      this.#size--
      return item
    }
    return undefined
  }
}

/**
 * What prefers this node before what it left to others: while every node has enough of its own, no two reach for the
 * same task.
 */
export class OwnFirst<T extends Ready & { readonly waited: boolean }> {
  readonly #own = new ReadyQueue<T>()
  readonly #others = new ReadyQueue<T>()

  get size(): number {
    return this.#own.size + this.#others.size
  }

  push(item: T): void {
    if (item.waited) this.#others.push(item)
    else this.#own.push(item)
  }

  /** Takes out the next one. */
  shift(): T | undefined {
    return this.#own.size > 0 ? this.#own.shift() : this.#others.shift()
  }
}

/** First in, first out; both ends in constant time (amortised). */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}
