/** The connection of a store: always one that has not failed yet. Which node it is with may change with every failure. */
import { asNotLeader } from './failure.ts'
import type { Endpoint, Settings } from './settings.ts'
import { Wire } from './wire.ts'

export class Connection {
  readonly #settings: Settings
  #wire: Wire | undefined
  #leader: Endpoint | undefined
  readonly #closing = new Set<Promise<void>>()

  constructor(settings: Settings) {
    this.#settings = settings
  }

  wire(): Wire {
    if (!this.#wire) {
      this.#wire = new Wire(this.#settings, this.#leader)
      // A hint is good for one connection: the leader may be gone by the next.
      this.#leader = undefined
    }
    return this.#wire
  }

  /** The next call has a new connection, to the leader if the error names it; unless another call has seen to that. */
  failed(error: unknown, wire: Wire): void {
    if (wire !== this.#wire) return
    this.#leader = asNotLeader(error)?.leader
    this.#wire = undefined
    this.#close(wire)
  }

  async close(): Promise<void> {
    if (this.#wire) this.#close(this.#wire)
    await Promise.all(this.#closing)
  }

  #close(wire: Wire): void {
    const closing = wire.close().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }
}
