/**
 * What a run that has ended leaves to be done outside its own stream: its receiver is told (callbacks.ts), its task's
 * onFailure handler runs (on-failure.ts). Follows the log for runs that end from now on; those that ended before and are
 * owed something come from the read models. Each step looks at the streams first, so it may be taken twice.
 */
import type { ActorSystem, Report } from '../actors/index.ts'
import { factOf, type RecordedEvent, type TaskFact } from '../events/index.ts'
import type { WorkSnapshot } from '../projections/index.ts'
import { type CallbackSettings, Callbacks } from './callbacks.ts'
import { DueQueue } from './due-queue.ts'
import { readEndedRun } from './ended-run.ts'
import { submitOnFailure } from './on-failure.ts'
import type { Submitter } from './submitter.ts'

export interface AftermathOptions {
  readonly system: ActorSystem
  readonly submitter: Submitter
  readonly node: string
  readonly callbacks: CallbackSettings
  /** Whether it is this node, of several, that sees to the task. Default: it is. */
  readonly isOurs?: (taskId: string) => boolean
  readonly random: () => number
  readonly report: Report
}

const AT_ONCE = 64
/** When the log could not be read or written. */
const AFTER_TROUBLE_MS = 30_000

export class Aftermath {
  readonly #options: AftermathOptions
  readonly #callbacks: Callbacks
  /** Live tasks that may owe something when their run ends. */
  readonly #owing = new Set<string>()
  readonly #underWay = new Set<Promise<void>>()
  readonly #again: DueQueue<{ readonly taskId: string; readonly event: string }>

  constructor(options: AftermathOptions) {
    this.#options = options
    const { callbacks, system, node, random, report } = options
    this.#callbacks = new Callbacks({ ...callbacks, system, node, random, report })
    this.#again = new DueQueue(system.clock, (due) => {
      for (const { taskId, event } of due) this.#begin(taskId, event)
    })
  }

  /** Requests under way. */
  get running(): number {
    return this.#callbacks.underWay
  }

  /** Takes over what a read model knew, before following the log from there. */
  load({ owing }: Pick<WorkSnapshot, 'owing'>): void {
    for (const taskId of owing) this.#owing.add(taskId)
  }

  /** Takes up what a process that is gone left undone. */
  async start({ owed }: Pick<WorkSnapshot, 'owed'>): Promise<void> {
    const ours = owed.filter(({ taskId }) => this.#isOurs(taskId))
    const ended = new Map(ours.map(({ taskId, event }) => [event, taskId])).entries()
    const work = async (): Promise<void> => {
      for (const [event, taskId] of ended) await this.#settle(taskId, event)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  }

  /** Follows the log: events of tasks in order, each once. */
  follow(taskId: string, event: RecordedEvent): void {
    const fact = factOf<TaskFact>(event)
    switch (fact.type) {
      case 'TaskSubmitted':
      case 'TaskScheduled':
        if (fact.data.callbackUrl !== undefined || fact.data.onFailure) this.#owing.add(taskId)
        return
      case 'TaskRequeued':
        // Its submission is looked at when it ends.
        this.#owing.add(taskId)
        return
      case 'TaskCompleted':
      case 'TaskFailed':
      case 'TaskTimedOut':
      case 'TaskCancelled':
        if (this.#owing.delete(taskId) && this.#isOurs(taskId)) this.#begin(taskId, event.id)
        return
      default:
    }
  }

  /** Begins nothing that takes long; what is owed still is taken up at the next start. */
  stop(): void {
    this.#callbacks.stop()
    this.#again.close()
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
    await this.#callbacks.idle()
  }

  /** Hangs up on receivers. */
  async abort(): Promise<void> {
    await this.#callbacks.abort()
    await this.idle()
  }

  #isOurs(taskId: string): boolean {
    return this.#options.isOurs?.(taskId) ?? true
  }

  #begin(taskId: string, event: string): void {
    const done = this.#settle(taskId, event).finally(() => this.#underWay.delete(done))
    this.#underWay.add(done)
  }

  async #settle(taskId: string, event: string): Promise<void> {
    const { system, submitter, node, report } = this.#options
    try {
      const ended = await readEndedRun(system, taskId, event)
      if (!ended) return
      if (!ended.callbackSettled) this.#callbacks.add(ended)
      await submitOnFailure(ended, { app: system.app, submitter, node })
    } catch (error) {
      report(error, `following up on the end of task ${taskId}`)
      this.#again.push(system.clock.now() + AFTER_TROUBLE_MS, { taskId, event })
    }
  }
}
