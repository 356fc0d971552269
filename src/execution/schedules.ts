/**
 * Decides every due time of the declared schedules, once, and makes each decided occurrence a task.
 *
 * What was due while nothing ran is treated by the schedule's `missed`: 'latest' runs the last one, 'all' runs each (at
 * most 100; one after the other, unless they may overlap), 'skip' none. Each decision is an event.
 */
import { isDeepStrictEqual } from 'node:util'
import { type ActorSystem, isRefusal, type Origin, type Report, scheduleKind, TaskRetired } from '../actors/index.ts'
import {
  factOf,
  instant,
  type RecordedEvent,
  type ScheduleDefinition,
  type ScheduleFact,
  StreamDeleted,
  type Submission,
} from '../events/index.ts'
import { dueBetween, nextDue } from './cron.ts'
import { DueQueue } from './due-queue.ts'
import type { Submitter } from './submitter.ts'
import { leaveUnreadable } from './unreadable.ts'

/** Made up for, or recorded as missed, after a long downtime. */
const MOST_MISSED = 100
/** A due time this late was missed: the node slept or was down. */
const LATE_MS = 30_000

/** The name of the task that runs a schedule's occurrences. */
export function occurrenceTask(schedule: string): string {
  return `schedule:${schedule}`
}

export interface DeclaredSchedule extends ScheduleDefinition {
  readonly name: string
}

export interface SchedulesOptions {
  readonly system: ActorSystem
  readonly node: string
  readonly submitter: Submitter
  readonly declared: readonly DeclaredSchedule[]
  /** Milliseconds to leave a due time to nodes that come before this one in its order. */
  readonly patience: (name: string) => number
  /** Whether another live node declares it; `as` it is recorded, if that is given. */
  readonly declaredByOthers: (name: string, as?: ScheduleDefinition) => boolean
  readonly report: Report
}

export class Schedules {
  readonly #options: SchedulesOptions
  readonly #declared: ReadonlyMap<string, DeclaredSchedule>
  readonly #due: DueQueue<string>
  /** By name: the due time that is waited for. */
  readonly #awaited = new Map<string, number>()
  /** By name: up to when it is decided, which is ahead of a date that was set back since. */
  readonly #decided = new Map<string, number>()
  #open = true

  constructor(options: SchedulesOptions) {
    this.#options = options
    this.#declared = new Map(options.declared.map((schedule) => [schedule.name, schedule]))
    this.#due = new DueQueue(options.system.clock, (names) => {
      for (const name of names) {
        this.#awaited.delete(name)
        const wait = options.patience(name)
        if (wait === 0) this.#decide(name)
        else options.system.clock.after(wait, () => this.#decide(name))
      }
    })
  }

  /** Removes what no live node declares. */
  async removeUndeclared(recorded: readonly { readonly name: string; readonly removed: boolean }[]): Promise<void> {
    for (const { name, removed } of recorded) {
      if (!this.#open || removed || this.#declared.has(name) || this.#options.declaredByOthers(name)) continue
      await this.#unlessUnreadable(name, this.#execute(name, { type: 'remove' }))
    }
  }

  /** Registers what is declared, and decides what came due meanwhile. */
  async start(): Promise<void> {
    for (const schedule of this.#declared.values()) {
      await this.#unlessUnreadable(schedule.name, this.#register(schedule))
    }
  }

  async #register({ name, ...definition }: DeclaredSchedule): Promise<void> {
    await this.#execute(name, { type: 'register', name, definition })
    await this.#decideNow(name)
  }

  #unlessUnreadable(name: string, work: Promise<void>): Promise<void> {
    return leaveUnreadable(work, (error) => this.#options.report(error, `taking up schedule ${name}`))
  }

  /** Takes back what a node that is gone had declared otherwise: each of those left leaves it to whoever changed it last. */
  async takeBack(): Promise<void> {
    for (const schedule of this.#declared.values()) {
      await this.#unlessUnreadable(schedule.name, this.#takeBack(schedule))
    }
  }

  async #takeBack(schedule: DeclaredSchedule): Promise<void> {
    const { name, ...definition } = schedule
    const { state } = await this.#options.system.read(scheduleKind, name, { mustLand: true })
    const recorded = state.context.definition
    if (!this.#open || recorded === undefined || isDeepStrictEqual(recorded, definition)) return
    if (!this.#options.declaredByOthers(name, recorded)) await this.#register(schedule)
  }

  /** The date was set: what is due by it now is decided. */
  dateSet(): void {
    this.#due.dateSet()
  }

  stop(): void {
    this.#open = false
    this.#due.close()
  }

  /** When the schedule's next occurrence is due, milliseconds since the epoch. */
  next(name: string): number | undefined {
    const schedule = this.#declared.get(name)
    return schedule && nextDue(schedule.cron, schedule.timezone, this.#undecidedFrom(name))
  }

  /** Its next `count` due times, soonest first. */
  upcoming(name: string, count: number): readonly number[] {
    const schedule = this.#declared.get(name)
    const due: number[] = []
    let at: number | undefined = this.#undecidedFrom(name)
    while (schedule && due.length < count) {
      at = nextDue(schedule.cron, schedule.timezone, at)
      if (at === undefined) break
      due.push(at)
    }
    return due
  }

  #undecidedFrom(name: string): number {
    return Math.max(this.#options.system.clock.now(), this.#decided.get(name) ?? 0)
  }

  /** Follows the log: events of schedules in order, each once. */
  follow(name: string, event: RecordedEvent): void {
    const fact = factOf<ScheduleFact>(event)
    if (fact.type !== 'OccurrenceDue') return
    const { due, taskId } = fact.data
    this.submit(name, due, taskId, event.id).catch((error) =>
      this.#options.report(error, `submitting the occurrence of ${name} due ${due}`),
    )
  }

  /** The second step of a decided occurrence: its task. Done by whoever finds it missing; one that was retired has ended. */
  async submit(name: string, due: string, taskId: string, cause: string | undefined): Promise<void> {
    // As it is recorded: the node that submits may declare it otherwise, or not at all.
    const { state } = await this.#options.system.read(scheduleKind, name, { mustLand: true })
    const { overlap, missed } = state.context.definition ?? {}
    const queued = overlap === 'queue' || (overlap === 'skip' && missed === 'all')
    const submission: Submission = {
      name: occurrenceTask(name),
      params: { due },
      ownerId: 'system',
      priority: 0,
      tags: ['schedule'],
      retries: 0,
      backoff: { base: 1000, factor: 2, max: 300_000 },
      graceMs: 5000,
      occurrence: { schedule: name, due },
      ...(queued ? { lockKey: occurrenceTask(name), onLocked: 'queue' } : {}),
    }
    const origin: Origin = { by: `schedule:${name}`, causationId: cause, mustLand: true }
    try {
      await this.#options.submitter.submit(taskId, submission, origin)
    } catch (error) {
      if (!(error instanceof TaskRetired)) throw error
      await this.finish(name, due, taskId, 'retired')
    }
  }

  /** The third step: the occurrence's task has ended. */
  async finish(name: string, due: string, taskId: string, status: string): Promise<void> {
    await this.#execute(name, { type: 'finish', due, taskId, status })
  }

  #decide(name: string): void {
    this.#decideNow(name).catch((error) => {
      this.#options.report(error, `deciding what is due of schedule ${name}`)
      // What could not be decided now is decided with what is due next.
      this.#await(name, this.#options.system.clock.now())
    })
  }

  async #decideNow(name: string): Promise<void> {
    const schedule = this.#declared.get(name)
    if (!schedule || !this.#open) return
    const { system } = this.#options
    const { cron, timezone, missed } = schedule
    const { state } = await system.read(scheduleKind, name, { mustLand: true })
    const { registeredAt, lastDue } = state.context
    const { name: _, ...definition } = schedule
    // A node with other code declares it otherwise: whoever changed it last ticks it.
    if (!isDeepStrictEqual(state.context.definition, definition)) return
    const after = Math.max(registeredAt ? Date.parse(registeredAt) : 0, lastDue ? Date.parse(lastDue) : 0)
    const now = system.clock.now()
    const due = dueBetween(cron, timezone, after, now, MOST_MISSED)
    this.#decided.set(name, due.at(-1) ?? after)
    for (const [index, at] of due.entries()) {
      const isLast = index === due.length - 1
      const late = now - at > LATE_MS
      const dueAt = instant(at)
      const isOneOfMany = missed === 'all' && due.length > 1
      if (!late && isLast && !isOneOfMany)
        await this.#execute(name, { type: 'tick', name, due: dueAt, trigger: 'cron' })
      else if (missed === 'all' || (missed === 'latest' && isLast)) {
        await this.#execute(name, { type: 'tick', name, due: dueAt, trigger: 'caught-up' })
      } else await this.#execute(name, { type: 'miss', due: dueAt })
    }
    this.#await(name, now)
  }

  #await(name: string, after: number): void {
    const schedule = this.#declared.get(name)
    const next = schedule && nextDue(schedule.cron, schedule.timezone, after)
    if (next === undefined || this.#awaited.get(name) === next) return
    this.#awaited.set(name, next)
    this.#due.push(next, name)
  }

  async #execute(name: string, command: Parameters<typeof scheduleKind.decide>[0]): Promise<void> {
    try {
      await this.#options.system.execute(scheduleKind, name, command, {
        by: `node:${this.#options.node}`,
        mustLand: true,
      })
    } catch (error) {
      // Decided by another node meanwhile. A schedule itself is never retired: that is a fault, and somebody must see it.
      if (!isRefusal(error) || error instanceof StreamDeleted) throw error
    }
  }
}
