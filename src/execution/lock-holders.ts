/** Who holds which lock, as the log says. */
import type { LockFact } from '../events/index.ts'

interface Holder {
  readonly taskId: string
  /** The fencing token: the revision at which the lock came to the holder. */
  readonly fence: string
}

export class LockHolders {
  readonly #byStream = new Map<string, Holder>()

  set(stream: string, holder: Holder): void {
    this.#byStream.set(stream, holder)
  }

  isHeldBy(stream: string, taskId: string): boolean {
    return this.#byStream.get(stream)?.taskId === taskId
  }

  fenceOf(stream: string): string | undefined {
    return this.#byStream.get(stream)?.fence
  }

  /** @returns the task that holds the lock by this event */
  follow(stream: string, revision: bigint, fact: LockFact): string | undefined {
    switch (fact.type) {
      case 'LockAcquired':
        return this.#pass(stream, fact.data.taskId, revision)
      case 'LockTakenOver':
        return this.#pass(stream, fact.data.to, revision)
      case 'LockReleased':
        if (this.isHeldBy(stream, fact.data.taskId)) this.#byStream.delete(stream)
        return undefined
      default:
        return undefined
    }
  }

  #pass(stream: string, taskId: string, revision: bigint): string {
    this.#byStream.set(stream, { taskId, fence: String(revision) })
    return taskId
  }
}
