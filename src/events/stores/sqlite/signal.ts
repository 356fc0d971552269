/**
 * The head of the log in shared memory: the writer moves it after each commit, and any thread of the process can read it
 * or wait for it without a message. Slot 0 is the last position (-1 when the log is empty), slot 1 is 1 once closed.
 */
import { StoreClosed } from '../../errors.ts'
import type { Position } from '../../event.ts'

const HEAD = 0
const CLOSED = 1

export function createSignal(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(16)
  new BigInt64Array(buffer)[HEAD] = -1n
  return buffer
}

export class Signal {
  readonly #slots: BigInt64Array<SharedArrayBuffer>

  constructor(buffer: SharedArrayBuffer) {
    this.#slots = new BigInt64Array(buffer)
  }

  get head(): Position {
    return Atomics.load(this.#slots, HEAD) as Position
  }

  get closed(): boolean {
    return Atomics.load(this.#slots, CLOSED) === 1n
  }

  moveTo(head: number): void {
    Atomics.store(this.#slots, HEAD, BigInt(head))
    Atomics.notify(this.#slots, HEAD)
  }

  close(): void {
    Atomics.store(this.#slots, CLOSED, 1n)
    Atomics.notify(this.#slots, HEAD)
  }

  /**
   * Resolves with the head as soon as it is past `after`, or with the head as it is after `timeoutMs`.
   * @throws StoreClosed once the store is closed
   */
  async waitPast(after: Position, timeoutMs: number): Promise<Position> {
    const deadline = performance.now() + timeoutMs
    // Atomics.waitAsync alone does not keep a thread's event loop alive; a timer does.
    const alive = setInterval(() => {}, 0x7fffffff)
    try {
      for (;;) {
        const head = this.head
        if (head > after) return head
        if (this.closed) throw new StoreClosed()
        const left = deadline - performance.now()
        if (left <= 0) return head
        const waiting = Atomics.waitAsync(this.#slots, HEAD, head, left)
        if (waiting.async) await waiting.value
      }
    } finally {
      clearInterval(alive)
    }
  }
}
