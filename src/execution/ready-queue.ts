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
  readonly #priorities: number[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  push(item: T): void {
    let lane = this.#lanes.get(item.priority)
    if (!lane) {
      lane = { owners: new Fifo(), byOwner: new Map() }
      this.#lanes.set(item.priority, lane)
      this.#priorities.splice(placeIn(this.#priorities, item.priority), 0, item.priority)
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

  /** Takes out the next one: of its owner the one that came first, or last. */
  shift(of: 'first' | 'last' = 'first'): T | undefined {
    const [priority] = this.#priorities
    const lane = priority === undefined ? undefined : this.#lanes.get(priority)
    const ownerId = lane?.owners.shift()
    if (!lane || priority === undefined || ownerId === undefined) return undefined
    const waiting = lane.byOwner.get(ownerId)
    const item = of === 'first' ? waiting?.shift() : waiting?.pop()
    if (waiting && waiting.size > 0) lane.owners.push(ownerId)
    else lane.byOwner.delete(ownerId)
    this.#size--
    if (lane.byOwner.size > 0) return item
    // There may be as many priorities as tasks: an app may make them of the time.
    this.#lanes.delete(priority)
    this.#priorities.shift()
    return item
  }
}

/** Where a priority belongs among those that are there, highest first. */
function placeIn(priorities: readonly number[], priority: number): number {
  let [low, high] = [0, priorities.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((priorities[middle] ?? 0) > priority) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * What prefers this node before what it left to others: while every node has enough of its own, no two reach for the
 * same task. Of the others' it takes first what it left to the fewest, and from the end: whom it was left to takes it from
 * the beginning, and who is further back in the order takes other tasks.
 */
export class OwnFirst<T extends Ready & { readonly leftMs: number }> {
  readonly #own = new ReadyQueue<T>()
  readonly #others = new Map<number, ReadyQueue<T>>()
  #nearest: ReadyQueue<T>[] = []

  get size(): number {
    let size = this.#own.size
    for (const queue of this.#nearest) size += queue.size
    return size
  }

  push(item: T): void {
    if (item.leftMs === 0) return this.#own.push(item)
    let queue = this.#others.get(item.leftMs)
    if (!queue) {
      queue = new ReadyQueue()
      this.#others.set(item.leftMs, queue)
      this.#nearest = [...this.#others].sort(([a], [b]) => a - b).map(([, others]) => others)
    }
    queue.push(item)
  }

  /** Takes out the next one. @param orOthers also of what was left to others */
  shift(orOthers = true): T | undefined {
    if (this.#own.size > 0) return this.#own.shift()
    if (!orOthers) return undefined
    return this.#nearest.find(({ size }) => size > 0)?.shift('last')
  }
}

/** First in, first out; both ends in constant time (amortised). */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  get first(): T | undefined {
    return this.#items[this.#head]
  }

  push(item: T): void {
    this.#items.push(item)
  }

  pop(): T | undefined {
    return this.size === 0 ? undefined : this.#items.pop()
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
