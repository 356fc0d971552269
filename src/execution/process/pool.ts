/**
 * Keeps processes at hand: starting one takes a few hundred milliseconds, so one waits ready for the next job, and those
 * that left nothing open wait for another job. Idle ones end after a while, and there are never more than so many.
 */
import { availableParallelism } from 'node:os'
import type { Clock, Timer } from '../../actors/index.ts'
import type { Guest } from './protocol.ts'
import { TaskProcess } from './task-process.ts'

export interface PoolOptions {
  readonly guest: Guest
  readonly clock: Clock
  /** Processes at the same time. Default: two a core, at least four. */
  readonly most?: number
  /** Ready ones that wait for a job, per memory limit. Default 1. */
  readonly spares?: number
  /** An idle process ends after this. Default one minute. */
  readonly idleMs?: number
  /** One that is not ready by then never will be. Default one minute. */
  readonly startMs?: number
}

/** `starting` becomes `idle` when it is ready, `busy` while it has a job, `leaving` for good. */
interface Member {
  readonly process: TaskProcess
  readonly memoryBytes: number | undefined
  state: 'starting' | 'idle' | 'busy' | 'leaving'
  expiry: Timer | undefined
}

interface Waiting {
  readonly memoryBytes: number | undefined
  readonly give: (process: TaskProcess) => void
  readonly fail: (error: unknown) => void
}

export class ProcessPool {
  readonly #options: Required<PoolOptions>
  readonly #members = new Set<Member>()
  readonly #waiting = new Set<Waiting>()
  #open = true

  constructor(options: PoolOptions) {
    this.#options = {
      most: Math.max(4, 2 * availableParallelism()),
      spares: 1,
      idleMs: 60_000,
      startMs: 60_000,
      ...options,
    }
  }

  /** Starts what should be ready before the next job asks. */
  warm(memoryBytes: number | undefined): void {
    const ready = this.#count(memoryBytes, 'idle') + this.#count(memoryBytes, 'starting')
    const wanted = this.#options.spares + this.#waitingFor(memoryBytes)
    for (let missing = wanted - ready; missing > 0 && this.#hasRoom; missing--) this.#start(memoryBytes)
  }

  /** A ready process for one job; waits for its turn. @throws ProcessUnfit, ProcessDied, the signal's reason */
  take(memoryBytes: number | undefined, signal: AbortSignal): Promise<TaskProcess> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const leave = (): void => {
        this.#waiting.delete(waiting)
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => waiting.fail(signal.reason)
      const waiting: Waiting = {
        memoryBytes,
        give: (process) => {
          leave()
          resolve(process)
        },
        fail: (error) => {
          leave()
          reject(error)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiting)
      this.#serve()
    })
  }

  /** Ends all of them, and resolves when they are gone. */
  async close(): Promise<void> {
    this.#open = false
    await Promise.all([...this.#members].map((member) => this.#retire(member)))
  }

  get #hasRoom(): boolean {
    return this.#open && this.#members.size < this.#options.most
  }

  /** Gives ready processes to those that wait, in their order, and starts what they lack. */
  #serve(): void {
    for (const { memoryBytes, give } of this.#waiting) {
      const member = [...this.#members].find(
        ({ state, process, memoryBytes: limit }) => state === 'idle' && process.alive && limit === memoryBytes,
      )
      if (!member) continue
      member.state = 'busy'
      member.expiry?.cancel()
      give(member.process)
    }
    for (const { memoryBytes } of this.#waiting) {
      if (this.#count(memoryBytes, 'starting') >= this.#waitingFor(memoryBytes)) continue
      if (this.#hasRoom) this.#start(memoryBytes)
      else this.#makeRoom()
    }
  }

  /** An idle process of another limit leaves. When it is gone, those that wait are served again. */
  #makeRoom(): void {
    for (const member of this.#members) {
      if (member.state === 'leaving') return
      if (member.state === 'idle') return void this.#retire(member)
    }
  }

  #start(memoryBytes: number | undefined): void {
    const { guest, startMs } = this.#options
    const process = new TaskProcess(guest, memoryBytes, startMs, (reusable) => {
      if (reusable) this.#rest(member)
      else void this.#retire(member)
    })
    const member: Member = { process, memoryBytes, state: 'starting', expiry: undefined }
    this.#members.add(member)
    process.ready.then(
      () => this.#rest(member),
      (error) => this.#firstWaitingFor(memoryBytes)?.fail(error),
    )
    void process.gone.then(() => {
      member.expiry?.cancel()
      this.#members.delete(member)
      this.#serve()
    })
  }

  #rest(member: Member): void {
    if (member.state === 'leaving' || !this.#open) return
    const { clock, idleMs } = this.#options
    member.state = 'idle'
    member.expiry = clock.at(clock.now() + idleMs, () => void this.#retire(member))
    this.#serve()
  }

  async #retire(member: Member): Promise<void> {
    member.state = 'leaving'
    member.expiry?.cancel()
    member.process.kill()
    await member.process.gone
  }

  #count(memoryBytes: number | undefined, state: Member['state']): number {
    let count = 0
    for (const member of this.#members) if (member.state === state && member.memoryBytes === memoryBytes) count++
    return count
  }

  #waitingFor(memoryBytes: number | undefined): number {
    let count = 0
    for (const waiting of this.#waiting) if (waiting.memoryBytes === memoryBytes) count++
    return count
  }

  #firstWaitingFor(memoryBytes: number | undefined): Waiting | undefined {
    for (const waiting of this.#waiting) if (waiting.memoryBytes === memoryBytes) return waiting
    return undefined
  }
}
