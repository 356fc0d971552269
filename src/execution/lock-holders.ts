/** Who holds which lock, as the log says. */
import { lockKind } from '../actors/index.ts'
import { type LockFact, streamName } from '../events/index.ts'

interface Holder {
  readonly taskId: string
  /** The fencing token: the revision at which the lock came to the holder. */
  readonly fence: string
}

/** The stream of a lock, by which it is known here: what the log says of a lock comes with it. */
export function lockStream(app: string, key: string): string {
  return streamName(app, lockKind.kind, key)
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
