/**
 * One limit's stream, as this node uses it: takes permits for claims, returns them, and reclaims those whose claim never came.
 */
import {
  type ActorSystem,
  type LimitContext,
  type LimitRules,
  limitKind,
  nextAllowed,
  type PermitWanted,
  type Report,
  roomIn,
  taskKind,
} from '../actors/index.ts'
import { streamName } from '../events/index.ts'

/** How long a permit may be without its claim before another node takes it for lost. */
const UNCLAIMED_MS = 10_000
/** What looks taken may be lost: so often is it asked for again. */
export const RECLAIM_EVERY_MS = 1_000

/**
 * By a limit's stream, and by claim that no task shows: since when this node has seen its permit, by the monotonic clock.
 * Gates of keys come and go between two looks.
 */
export type Unclaimed = Map<string, ReadonlyMap<string, number>>

export interface PermitReturn extends PermitWanted {
  readonly reason: string
}

export class Gate {
  readonly stream: string
  readonly #system: ActorSystem
  readonly #by: `node:${string}`
  readonly #key: string
  readonly #rules: LimitRules
  readonly #unclaimed: Unclaimed
  readonly #report: Report
  /** Permits that this node holds or asks for: whatever becomes of them, it returns them itself. */
  readonly #ours = new Set<string>()
  /** Wanted and returned until the next append, which takes them all. */
  #wants: PermitWanted[] = []
  #returns: PermitReturn[] = []
  #next: Promise<LimitContext> | undefined
  #underWay: Promise<unknown> = Promise.resolve()
  #lookedForLost = false
  /** Of those that are on their way here. */
  #expected = 0

  constructor(system: ActorSystem, node: string, key: string, rules: LimitRules, unclaimed: Unclaimed, report: Report) {
    this.#system = system
    this.#by = `node:${node}`
    this.#key = key
    this.#rules = rules
    this.#unclaimed = unclaimed
    this.#report = report
    this.stream = streamName(system.app, limitKind.kind, key)
  }

  /** How many more permits it may have, as far as this node knows; infinitely many where only asking tells. */
  get room(): number {
    if (!this.#system.exclusive) return Number.POSITIVE_INFINITY
    // The first one to come finds out for all.
    if (!this.#lookedForLost) return this.#expected > 0 ? 0 : Number.POSITIVE_INFINITY
    const state = this.#system.peek(limitKind, this.#key)
    if (!state) return Number.POSITIVE_INFINITY
    return roomIn(this.#rules, state.context, this.#system.clock.now()) - this.#expected
  }

  /** Whether {@link room} is more than hope. */
  get isKnown(): boolean {
    return Number.isFinite(this.room)
  }

  /** When it is worth to ask again though no permit comes back, milliseconds since the epoch. */
  get nextAt(): number {
    const now = this.#system.clock.now()
    const context = this.#system.peek(limitKind, this.#key)?.context
    return (context && nextAllowed(this.#rules, context, now)) ?? now + RECLAIM_EVERY_MS
  }

  /** So many more are on their way here, if they pass the gates before; a negative number has come, or will not. */
  expect(more: number): void {
    this.#expected += more
  }

  /** @returns the claims that got a permit */
  async take(wants: readonly PermitWanted[]): Promise<ReadonlySet<string>> {
    for (const { claim } of wants) this.#ours.add(claim)
    const wanted = wants.map(({ taskId, claim }) => ({ taskId, claim }))
    let context = await this.#adjust(wanted, [])
    // Against a rate no permit is waited for: what a process before left out is looked at with the first one taken.
    if (!this.#lookedForLost || wanted.some(({ claim }) => !has(context, claim))) {
      this.#lookedForLost = true
      const lost = await this.#lost(context)
      if (lost.length > 0) context = await this.#adjust(wanted, lost)
    }
    const granted = new Set<string>()
    for (const { claim } of wanted) {
      if (has(context, claim)) granted.add(claim)
      else this.#ours.delete(claim)
    }
    return granted
  }

  /** Resolves when the log has it, if there was anything to give back; never rejects. */
  async giveBack(permit: PermitReturn): Promise<void> {
    if (!this.#ours.has(permit.claim)) return
    try {
      await this.#adjust([], [permit])
    } catch (error) {
      this.#report(error, `returning permits of ${this.#key}`)
    }
  }

  /** All that is asked for while an append is under way, or in the same turn, goes into the next one. */
  #adjust(wants: readonly PermitWanted[], returns: readonly PermitReturn[]): Promise<LimitContext> {
    this.#wants.push(...wants)
    this.#returns.push(...returns)
    this.#next ??= this.#underWay.then(() => {
      const adjusted = this.#append()
      this.#underWay = adjusted.catch(() => {})
      return adjusted
    })
    return this.#next
  }

  async #append(): Promise<LimitContext> {
    this.#next = undefined
    const [wants, returns] = [this.#wants, this.#returns]
    this.#wants = []
    this.#returns = []
    const command = { type: 'adjust', returns, wants, rules: this.#rules } as const
    const { state } = await this.#system.execute(limitKind, this.#key, command, { by: this.#by, mustLand: true })
    for (const { claim } of returns) this.#ours.delete(claim)
    return state.context
  }

  /** Permits of others whose claim never came, or has ended: their node died, or stopped before it returned them. */
  async #lost({ permits }: LimitContext): Promise<readonly PermitReturn[]> {
    const foreign = permits.filter(({ claim }) => !this.#ours.has(claim))
    const seen = this.#unclaimed.get(this.stream)
    const since = new Map<string, number>()
    const looked = await Promise.all(
      foreign.map(async ({ taskId, claim, at }) => {
        if (await this.#runs(taskId, claim)) return undefined
        const lost = { taskId, claim, reason: 'reclaimed' }
        if (this.#system.exclusive) return lost
        const seenAt = seen?.get(claim) ?? this.#system.clock.monotonic()
        since.set(claim, seenAt)
        return (await this.#isLost(lost, at, seenAt)) ? lost : undefined
      }),
    )
    if (since.size > 0) this.#unclaimed.set(this.stream, since)
    else this.#unclaimed.delete(this.stream)
    return looked.filter((permit) => permit !== undefined)
  }

  /** Others' permits are old by the dates of two nodes, which may be minutes apart: so that alone says nothing. */
  async #isLost({ taskId, claim }: PermitWanted, takenAt: number, since: number): Promise<boolean> {
    const { clock } = this.#system
    if (Math.abs(clock.now() - takenAt) < UNCLAIMED_MS) return false
    if (clock.monotonic() - since >= UNCLAIMED_MS) return true
    const wasClaimed = (await this.#system.history(taskKind, taskId)).some(({ id }) => id === claim)
    // It may have begun since it was looked for.
    return wasClaimed && !(await this.#runs(taskId, claim))
  }

  async #runs(taskId: string, claim: string): Promise<boolean> {
    const { state } = await this.#system.read(taskKind, taskId, { mustLand: true })
    return state.context.claim?.id === claim
  }
}

function has({ permits }: LimitContext, claim: string): boolean {
  return permits.some((permit) => permit.claim === claim)
}
