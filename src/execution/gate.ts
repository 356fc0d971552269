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
  taskKind,
} from '../actors/index.ts'
import { streamName } from '../events/index.ts'

/** How long a permit may be without its claim before another node takes it for lost. */
const UNCLAIMED_MS = 10_000
/** What looks taken may be lost: so often is it asked for again. */
export const RECLAIM_EVERY_MS = 1_000

/** What is known when a gate has no more permits. */
export interface NoPermit {
  readonly permitOf: string | undefined
  /** When to ask again, milliseconds since the epoch. */
  readonly nextAt: number
}

/**
 * By a limit's stream, and by claim that no task shows: since when this node has seen its permit, by the monotonic clock.
 * Gates of keys come and go between two looks.
 */
export type Unclaimed = Map<string, ReadonlyMap<string, number>>

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
  #returns: (PermitWanted & { readonly reason: string })[] = []
  #returning = false
  #lookedForLost = false

  constructor(system: ActorSystem, node: string, key: string, rules: LimitRules, unclaimed: Unclaimed, report: Report) {
    this.#system = system
    this.#by = `node:${node}`
    this.#key = key
    this.#rules = rules
    this.#unclaimed = unclaimed
    this.#report = report
    this.stream = streamName(system.app, limitKind.kind, key)
  }

  /** @returns the claims that got a permit, and when it is worth to ask again for the others */
  async take(wants: readonly PermitWanted[]): Promise<NoPermit & { readonly granted: ReadonlySet<string> }> {
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
    const now = this.#system.clock.now()
    const byRate = nextAllowed(this.#rules, context, now)
    return byRate === undefined
      ? { granted, permitOf: this.stream, nextAt: now + RECLAIM_EVERY_MS }
      : { granted, permitOf: undefined, nextAt: byRate }
  }

  giveBack(permit: PermitWanted & { readonly reason: string }): void {
    if (!this.#ours.has(permit.claim)) return
    this.#returns.push(permit)
    if (this.#returning) return
    this.#returning = true
    // What ends in the same turn is returned in one append.
    queueMicrotask(() => {
      this.#returning = false
      this.#adjust([], []).catch((error) => this.#report(error, `returning permits of ${this.#key}`))
    })
  }

  async #adjust(
    wants: readonly PermitWanted[],
    lost: readonly (PermitWanted & { readonly reason: string })[],
  ): Promise<LimitContext> {
    const returns = [...this.#returns.splice(0), ...lost]
    const command = { type: 'adjust', returns, wants, rules: this.#rules } as const
    const { state } = await this.#system.execute(limitKind, this.#key, command, { by: this.#by, mustLand: true })
    for (const { claim } of returns) this.#ours.delete(claim)
    return state.context
  }

  /** Permits of others whose claim never came, or has ended: their node died, or stopped before it returned them. */
  async #lost({ permits }: LimitContext): Promise<readonly (PermitWanted & { readonly reason: string })[]> {
    const foreign = permits.filter(({ claim }) => !this.#ours.has(claim))
    const seen = this.#unclaimed.get(this.stream)
    const since = new Map<string, number>()
    const looked = await Promise.all(
      foreign.map(async ({ taskId, claim, at }) => {
        const { state } = await this.#system.read(taskKind, taskId, { mustLand: true })
        if (state.context.claim?.id === claim) return undefined
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
    return (await this.#system.history(taskKind, taskId)).some(({ id }) => id === claim)
  }
}

function has({ permits }: LimitContext, claim: string): boolean {
  return permits.some((permit) => permit.claim === claim)
}
