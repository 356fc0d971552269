/**
 * Runs attempts in processes of their own: hands the job over, passes on what stops it, and records what it prints. An
 * attempt's process is killed with its whole group once it may not go on; the task's next attempt waits until it is gone.
 */
import type { Clock, Timer } from '../../actors/index.ts'
import { AttemptFenced } from '../../actors/index.ts'
import type { JsonValue } from '../../events/index.ts'
import { NonRetryableError, ShutdownError } from '../errors.ts'
import type { Attempt } from '../handlers.ts'
import { OutputLog } from './output.ts'
import { type PoolOptions, ProcessPool } from './pool.ts'
import type { Calls, Job } from './protocol.ts'
import { HandlerThrew, ProcessDied, type TaskProcess } from './task-process.ts'

export class TaskProcesses {
  readonly #pool: ProcessPool
  readonly #clock: Clock
  /** By task: until nothing is left of its former attempt. */
  readonly #former = new Map<string, Promise<void>>()
  /** Whether an error that a process threw is worth another attempt: its classes are known there. */
  readonly #verdicts = new WeakMap<Error, boolean>()

  constructor(options: PoolOptions) {
    this.#pool = new ProcessPool(options)
    this.#clock = options.clock
  }

  /** Has a process ready before the first job asks for it. */
  warm(memoryBytes: number | undefined): void {
    this.#pool.warm(memoryBytes)
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  retryable(error: unknown): boolean {
    return error instanceof Error ? (this.#verdicts.get(error) ?? !(error instanceof NonRetryableError)) : true
  }

  /** @throws what the handler threw, ProcessDied, ProcessUnfit */
  async run(attempt: Attempt, calls: Calls, memoryBytes: number | undefined): Promise<JsonValue> {
    const { taskId, signal } = attempt
    await this.#former.get(taskId)
    const process = await this.#waitForProcess(attempt, memoryBytes)
    const output = new OutputLog((level, message) => attempt.log(level, message))
    const watch = this.#stopOnAbort(attempt, process, output)
    try {
      this.#pool.warm(memoryBytes)
      const running = process.run(jobOf(attempt), { calls, printed: (level, chunk) => output.take(level, chunk) })
      this.#remember(taskId, process.over)
      const result = await running
      await output.end()
      return result
    } catch (error) {
      await output.end()
      if (error instanceof ProcessDied && !signal.aborted) await attempt.log('error', error.message).catch(() => {})
      if (!(error instanceof HandlerThrew)) throw error
      this.#verdicts.set(error.error, error.retryable)
      throw error.error
    } finally {
      watch.cancel()
    }
  }

  #remember(taskId: string, over: Promise<void>): void {
    this.#former.set(taskId, over)
    void over.then(() => {
      if (this.#former.get(taskId) === over) this.#former.delete(taskId)
    })
  }

  /** The timeout is the handler's: it does not run out while the attempt waits for a process. */
  async #waitForProcess(attempt: Attempt, memoryBytes: number | undefined): Promise<TaskProcess> {
    const { timeoutMs } = attempt.submission
    let extended = false
    let timer: Timer | undefined
    const extend = (): void => {
      if (timeoutMs === undefined) return
      timer = this.#clock.at(this.#clock.now() + timeoutMs / 2, () => {
        extended = true
        attempt.heartbeat().then(extend, () => {})
      })
    }
    extend()
    try {
      const process = await this.#pool.take(memoryBytes, attempt.signal)
      if (extended) await attempt.heartbeat()
      return process
    } finally {
      timer?.cancel()
    }
  }

  #stopOnAbort({ signal, claim, submission }: Attempt, process: TaskProcess, output: OutputLog): Timer {
    let grace: Timer | undefined
    const kill = (): void => {
      output.flush()
      process.kill()
    }
    const onAbort = (): void => {
      const { reason } = signal
      if (reason instanceof ShutdownError || reason instanceof AttemptFenced) return kill()
      process.abort(claim.id, reason)
      grace = this.#clock.at(this.#clock.now() + submission.graceMs, kill)
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    return {
      cancel: () => {
        signal.removeEventListener('abort', onAbort)
        grace?.cancel()
      },
    }
  }
}

function jobOf({ taskId, claim, submission, fence }: Attempt): Job {
  const { name, params, ownerId, sessionId } = submission
  return { claim: claim.id, taskId, name, params, attempt: claim.attempt, fence, ownerId, sessionId }
}
