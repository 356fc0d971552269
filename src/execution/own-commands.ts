/**
 * What a node has a task do by itself, in its own name. Nobody waits for the answer: a refusal says that the log is ahead of
 * what the node knew, and anything else is reported.
 */
import { type ActorSystem, isEnded, isRefusal, type Report, type TaskCommand, taskKind } from '../actors/index.ts'
import type { Submission } from '../events/index.ts'
import { describeError } from './errors.ts'

export interface OwnCommandsOptions {
  readonly system: ActorSystem
  readonly node: string
  /** Asks for the lock of a task that came due (see locks.ts). */
  readonly acquireLock: (taskId: string, submission: Submission) => Promise<unknown>
  readonly report: Report
}

export class OwnCommands {
  readonly #options: OwnCommandsOptions

  constructor(options: OwnCommandsOptions) {
    this.#options = options
  }

  /** A task that waited too long to be useful fails. @returns false if that is refused: it waits on, or is gone */
  expire(taskId: string): Promise<boolean> {
    return this.#give(taskId, { type: 'expire' }, 'expiring')
  }

  /** What its input lacks, it lacks at every start: it fails with the reason rather than wait for ever. */
  reject(taskId: string, reason: unknown): void {
    void this.#give(taskId, { type: 'reject', error: describeError(reason, false) }, 'refusing to start')
  }

  /** A claim in this node's name that nothing here runs: its answer was lost. It is interrupted at once. */
  giveBack(taskId: string, claim: string): void {
    void this.#give(taskId, { type: 'interrupt', claim, cause: 'lost' }, 'giving back', claim)
  }

  async askForLock(taskId: string): Promise<void> {
    const { system, acquireLock, report } = this.#options
    try {
      const { state } = await system.read(taskKind, taskId, { mustLand: true })
      const { submission } = state.context
      // One that was cancelled meanwhile would hold the lock for ever: its release has been.
      if (submission && !isEnded(state.value)) await acquireLock(taskId, submission)
    } catch (error) {
      report(error, `acquiring the lock of task ${taskId}`)
    }
  }

  async #give(taskId: string, command: TaskCommand, doing: string, causationId?: string): Promise<boolean> {
    const { system, node, report } = this.#options
    try {
      await system.execute(taskKind, taskId, command, { by: `node:${node}`, mustLand: true, causationId })
      return true
    } catch (error) {
      if (isRefusal(error)) return false
      report(error, `${doing} task ${taskId}`)
      return true
    }
  }
}
