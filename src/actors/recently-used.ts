/**
 * What was used lately, by its key: the clock algorithm (F. Corbató, "A Paging Experiment with the Multics System", 1968).
 * A use only leaves a mark, and what is marked when its turn to go comes has a second chance.
 *
 * A Map from which an entry goes for each new one is rebuilt again and again. The tables that it leaves behind are
 * garbage, but the garbage collector has moved them to its old generation, where they keep all that they name alive, and
 * have it moved there too, until the whole heap is collected: for a million tasks hundreds of megabytes. So the Map
 * names seats, and whoever has to go leaves an empty one behind.
 */
import { OldestFirst } from './oldest-first.ts'

interface Seat<T> {
  taken: T | undefined
  /** Since it was last looked at. */
  used: boolean
}

/** After so many that went by name. */
const FORGET_AFTER = 1000
/** How many are looked at to make room for one: more than that only when nearly all must stay. */
const LOOKS = 16

export class RecentlyUsed<T> {
  readonly #seats = new Map<string, Seat<T>>()
  readonly #oldest = new OldestFirst(this.#seats)
  #dropped = 0

  get size(): number {
    return this.#seats.size
  }

  /** It is used no more recently by that. */
  peek(key: string): T | undefined {
    return this.#seats.get(key)?.taken
  }

  use(key: string): T | undefined {
    const seat = this.#seats.get(key)
    if (!seat) return undefined
    seat.used = true
    return seat.taken
  }

  add(key: string, value: T): void {
    this.#seats.set(key, { taken: value, used: false })
  }

  /** Lets go of one, unless `leave` refuses to. */
  drop(key: string, leave: (value: T) => boolean): void {
    const seat = this.#seats.get(key)
    if (seat?.taken === undefined || !leave(seat.taken)) return
    seat.taken = undefined
    this.#seats.delete(key)
    if (++this.#dropped % FORGET_AFTER === 0) this.#oldest.forget()
  }

  /** Lets go of those that were not used since their last turn, until `most` are left; not of those that `leave` refuses to. */
  trim(most: number, leave: (value: T) => boolean): void {
    for (let looks = 0; looks < LOOKS && this.#seats.size > most; looks++) {
      const [key, seat] = this.#oldest.next() ?? []
      if (key === undefined || seat?.taken === undefined) return
      this.#seats.delete(key)
      if (!seat.used && leave(seat.taken)) {
        seat.taken = undefined
      } else {
        seat.used = false
        this.#seats.set(key, seat)
      }
    }
  }
}
