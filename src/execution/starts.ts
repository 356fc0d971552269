/**
 * Starts tasks: a slot of the node, then an append that claims the task, then the run, which gives the slot back.
 *
 * The append is either made here for what is ready in the backlog (`pump`), or it is the one that submits the task: then
 * submitter.ts takes the slot by `reserve`. Both ways lead to `begin` when the log has the start, and to `abandon` when it has
 * not, or when nobody knows. Meanwhile the log may show the start before it is answered, and what others made of it by then
 * (own-claims.ts).
 */
import {
  type ActorSystem,
  type Claim,
  CommandRefused,
  type Report,
  type Start,
  type State,
  type TaskContext,
  taskKind,
} from '../actors/index.ts'
import type { Admission } from './admission.ts'
import { Arrivals } from './arrivals.ts'
import type { Backlog } from './backlog.ts'
import type { Handlers, TaskLimits } from './handlers.ts'
import type { LiveTasks } from './live-tasks.ts'
import type { LockHolders } from './lock-holders.ts'
import type { OwnClaims } from './own-claims.ts'
import type { OwnCommands } from './own-commands.ts'
import type { Runner } from './runner.ts'
import { Slots } from './slots.ts'
import type { TaskRecord } from './task-record.ts'

export interface StartsOptions {
  readonly system: ActorSystem
  readonly runner: Runner
  readonly handlers: Handlers
  readonly node: string
  readonly version: string
  /** Handlers that run at the same time on this node. */
  readonly concurrency: number
  readonly live: LiveTasks
  readonly locks: LockHolders
  readonly claims: OwnClaims
  readonly commands: OwnCommands
  readonly backlog: Backlog
  readonly admission: Admission<TaskRecord>
  readonly report: Report
}

/** At the end of a backlog others are at work on nearly all that is left: more would mostly be lost. */
const STEALS_AT_ONCE = 8

export class Starts {
  readonly #options: StartsOptions
  readonly #live: LiveTasks
  readonly #claims: OwnClaims
  readonly #backlog: Backlog
  readonly #admission: Admission<TaskRecord>
  readonly #slots: Slots
  readonly #arrivals: Arrivals
  #limitedFirst = false
  /** Claims under way of what was left to others. */
  #stealing = 0

  constructor(options: StartsOptions) {
    this.#options = options
    this.#live = options.live
    this.#claims = options.claims
    this.#backlog = options.backlog
    this.#admission = options.admission
    this.#slots = new Slots(options.concurrency)
    this.#arrivals = new Arrivals({
      clock: options.system.clock,
      startsUnderWay: () => this.#claims.underWay,
      ready: () => this.#backlog.ready,
    })
  }

  /** Begins to claim. */
  open(): void {
    this.#slots.open()
    this.pump()
  }

  /** Claims nothing more; what runs goes on, and so does what is on its way to the log. */
  close(): void {
    this.#slots.close()
    this.#arrivals.turnAway()
    this.#admission.close()
  }

  /** Nothing runs, and no start is on its way to the log, which would run when it is there. */
  get isIdle(): boolean {
    return this.#slots.isIdle && this.#options.runner.running === 0
  }

  /** Resolves when it is idle. */
  async idle(): Promise<void> {
    while (!this.isIdle) {
      await this.#options.runner.idle()
      if (!this.#slots.isIdle) await this.#slots.freed()
    }
  }

  /**
   * Claims what is ready while there are slots. Those under limits, and those under none, take turns to be first: when
   * many wait, slots come free one at a time.
   */
  pump(): void {
    if (this.#backlog.hasSuspects) return this.#pumpSuspect()
    this.#limitedFirst = !this.#limitedFirst
    if (this.#limitedFirst) this.#pumpLimited()
    this.#pumpReady()
    this.#arrivals.letIn(() => this.takeSlots(1) > 0)
    if (!this.#limitedFirst) this.#pumpLimited()
  }

  #pumpLimited(): void {
    if (this.#slots.isOpen) this.#admission.pump()
  }

  #pumpReady(): void {
    while (this.#backlog.hasReady && this.takeSlots(1) > 0) {
      const record = this.#backlog.nextReady(this.#stealing < STEALS_AT_ONCE)
      if (record?.state === 'ready') void this.#claim(record, {})
      else this.#slots.giveBack()
      if (!record) break
    }
  }

  /** Starts nothing more until the node is empty, then the one that is suspected to end its process. */
  #pumpSuspect(): void {
    // Nor while an end is on its way to the log: its task would be among those that died with the process.
    if (!this.#slots.isOpen || !this.isIdle) return
    const record = this.#backlog.nextSuspect()
    if (record?.state !== 'ready') return this.pump()
    this.#slots.takeAlone()
    const limits = this.#options.handlers.task(record.name)?.limits
    if (limits) void this.#claimAlone(record, limits)
    else void this.#claim(record, { alone: true })
  }

  /** A suspect that is under limits: it asks for its permits once the node is empty, and makes room again without them. */
  async #claimAlone(record: TaskRecord, limits: TaskLimits): Promise<void> {
    const asked = await this.#admission.ask(record, limits)
    if (this.#slots.isOpen && record.state === 'ready' && 'claim' in asked)
      return this.#claim(record, { alone: true, claim: asked.claim })
    if ('claim' in asked) this.#admission.release(record.id, asked.claim, 'not started')
    else if (record.state === 'ready') this.#backlog.delay(record, asked.again)
    this.#slots.endAlone()
    this.#giveBack()
  }

  /** A task that has its permits, for this claim, and a slot. */
  admit(record: TaskRecord, claim: string): void {
    if (this.#slots.isOpen && record.state === 'limited') return void this.#claim(record, { claim })
    // While its permits were asked for, another node ran it, it was paused, or this node stops: what comes now waits for
    // its own turn.
    this.#admission.release(record.id, claim, 'not started')
    this.#giveBack()
  }

  /** On a slot that was taken for it. */
  async #claim(record: TaskRecord, how: Pick<Start, 'claim' | 'alone'>): Promise<void> {
    const { system, node, version } = this.#options
    const { id, runAt, run, crashes, lock } = record
    this.#live.become(record, 'claiming')
    this.#claims.begin(id)
    const steals = record.leftMs > 0
    if (steals) this.#stealing++
    const fence = lock === undefined ? undefined : this.#options.locks.fenceOf(lock)
    try {
      const command = {
        type: 'start',
        node,
        version,
        ...how,
        ...(runAt === undefined ? {} : { waitedUntil: runAt }),
        run,
        crashes,
        ...(fence === undefined ? {} : { fence }),
      } as const
      const { state } = await system.execute(taskKind, id, command, { by: `node:${node}`, mustLand: true })
      this.begin(id, state, fence)
    } catch (error) {
      this.#notClaimed(record, how, error)
    } finally {
      if (steals) {
        this.#stealing--
        this.pump()
      }
    }
  }

  #notClaimed(record: TaskRecord, { claim, alone }: Pick<Start, 'claim' | 'alone'>, error: unknown): void {
    const { system, report } = this.#options
    if (claim !== undefined) this.#admission.release(record.id, claim, 'not started')
    const isRefused = error instanceof CommandRefused
    // Refused: the log has, or will have, what this record must become; unless the task's stream was deleted.
    if (!isRefused || system.peek(taskKind, record.id)?.value === 'new') this.#live.remove(record)
    if (!isRefused) report(error, `starting task ${record.id}`)
    if (alone) this.#slots.endAlone()
    this.#abandon(record.id, record)
  }

  /**
   * A slot for a task about to be submitted, if one is free and nobody waits for it, or will soon be: submit and start then
   * share an append. Whoever gets one must call `begin` or `abandon`.
   */
  reserve(taskId: string, name: string, fence?: string): Start | undefined | Promise<Start | undefined> {
    const handler = this.#options.handlers.task(name)
    if (!handler || handler.limits || this.#backlog.hasSuspects || this.#backlog.isPaused(name)) return undefined
    const isFirst = !this.#backlog.hasReady && this.#arrivals.size === 0
    if (isFirst && this.takeSlots(1) > 0) return this.#reserved(taskId, fence)
    if (!this.#slots.isOpen || !this.#arrivals.isWorthIt) return undefined
    return this.#arrivals.wait().then((hasSlot) => {
      if (!hasSlot) return undefined
      if (!this.#backlog.isPaused(name)) return this.#reserved(taskId, fence)
      this.#giveBack()
      return undefined
    })
  }

  #reserved(taskId: string, fence: string | undefined): Start {
    this.#claims.begin(taskId)
    return { node: this.#options.node, version: this.#options.version, ...(fence === undefined ? {} : { fence }) }
  }

  /** Runs a task whose start was appended, on the slot that was taken for it; unless others took it for lost meanwhile. */
  begin(taskId: string, state: State<TaskContext>, fence?: string): void {
    const { shown, waits } = this.#settle(taskId)
    const { claim } = state.context
    const record = this.#live.get(taskId)
    if (claim && record?.claim !== claim.id) {
      if (shown === claim.id) return this.#lose(taskId, claim, record, waits)
      this.#claims.runsUnseen(claim.id)
    }
    this.#run(taskId, state, fence)
  }

  /** The start was not appended: refused, or recorded without an answer, as the log may have shown already. */
  abandon(taskId: string): void {
    this.#abandon(taskId, this.#live.get(taskId))
  }

  #abandon(taskId: string, record: TaskRecord | undefined): void {
    const { waits } = this.#settle(taskId)
    if (record) this.#comeToNothing(record, waits)
    this.#giveBack()
  }

  /** The start of the task has its answer. @returns what the log has said meanwhile */
  #settle(taskId: string): ReturnType<OwnClaims['settle']> {
    this.#arrivals.startSettled()
    return this.#claims.settle(taskId)
  }

  /** The log has shown the claim, and that it has ended, before it was answered. */
  #lose(taskId: string, { id, alone }: Claim, record: TaskRecord | undefined, waits: boolean): void {
    this.#claims.takeCancelled(id)
    this.#admission.release(taskId, id, 'lost')
    if (record) this.#comeToNothing(record, waits)
    if (alone) this.#slots.endAlone()
    this.#giveBack()
  }

  /** A start that was under way: the task waits for another one, or does not; nor does the claim that was heard of run here. */
  #comeToNothing(record: TaskRecord, waits: boolean): void {
    const { id, state, ours, claim } = record
    if (waits && state === 'claiming') return this.#backlog.place(record)
    if (claim === undefined) return
    this.#claims.takeCancelled(claim)
    if (state === 'running' && ours && !this.#options.runner.has(claim)) this.#options.commands.giveBack(id, claim)
  }

  #run(taskId: string, state: State<TaskContext>, fence?: string): void {
    const { handlers, runner } = this.#options
    const { claim, submission } = state.context
    const handler = submission && handlers.task(submission.name)
    if (!claim || !handler) return this.#giveBack()
    // The slot is the handler's: the next one starts while the end of this one is recorded.
    const onReturned = (): void => {
      if (!claim.alone) this.#giveBack()
    }
    runner.run(taskId, claim, state.context, handler, fence, onReturned).finally(() => {
      this.#admission.release(taskId, claim.id, 'ended')
      if (claim.alone) {
        this.#slots.endAlone()
        this.#giveBack()
      } else if (this.#backlog.hasSuspects) this.pump()
    })
    if (this.#claims.takeCancelled(claim.id) || state.context.cancelRequested) runner.cancel(claim.id)
  }

  /** The log shows a start, of whichever node. */
  shown(taskId: string, claim: string, node: string): void {
    const record = this.#live.get(taskId)
    const ours = node === this.#options.node
    if (record) {
      this.#live.become(record, 'running')
      record.claim = claim
      record.ours = ours
      record.expiresAt = undefined
    }
    if (ours && !this.#claims.shown(taskId, claim)) this.#options.commands.giveBack(taskId, claim)
  }

  /** A start of this node's that the log shows may have no answer yet: nothing runs then that could be told. */
  cancel(taskId: string, claim: string): void {
    const record = this.#live.get(taskId)
    if (record?.ours && record.claim === claim && this.#claims.isUnderWay(taskId))
      this.#claims.cancelOnceAnswered(claim)
    else this.#options.runner.cancel(claim)
  }

  /** Takes slots of the node for tasks about to be started. @returns how many of those wished for */
  takeSlots(wished: number): number {
    return this.#backlog.hasSuspects ? 0 : this.#slots.take(wished)
  }

  /** A slot that was taken for nothing. */
  returnSlot(): void {
    this.#slots.giveBack()
  }

  /** A slot is free again, and somebody may want it. */
  #giveBack(): void {
    this.#slots.giveBack()
    this.pump()
  }
}
