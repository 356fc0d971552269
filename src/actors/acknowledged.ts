/** What this node has acknowledged: a reader that must see its own writes waits for as much. Bounded in memory. */
import { type Position, START } from '../events/index.ts'
import { OldestFirst } from './oldest-first.ts'

const REMEMBERED_STREAMS = 1_000

/** The last acknowledged position of streams whose first write was lately; for others, the newest that was forgotten. */
export class Acknowledged {
  readonly #byStream = new Map<string, Position>()
  readonly #oldest = new OldestFirst(this.#byStream)
  #forgotten = START

  note(stream: string, position: Position): void {
    this.#byStream.set(stream, position)
    if (this.#byStream.size <= REMEMBERED_STREAMS) return
    const oldest = this.#oldest.next()
    if (!oldest) return
    this.#byStream.delete(oldest[0])
    if (oldest[1] > this.#forgotten) this.#forgotten = oldest[1]
  }

  of(stream: string): Position {
    return this.#byStream.get(stream) ?? this.#forgotten
  }
}
