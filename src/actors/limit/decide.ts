/** The limit's rules: no more permits out than allowed, no more taken in a window than its rate. Pure. */
import type { LimitFact } from '../../events/index.ts'
import type { DecideContext, Decision, State } from '../kind.ts'
import type { LimitContext } from './machine.ts'

/** What the running code allows. */
export interface LimitRules {
  /** Permits out at the same time. */
  readonly concurrency?: number | undefined
  /** Permits taken in any window of `perMs`. */
  readonly rate?: { readonly limit: number; readonly perMs: number } | undefined
}

export interface PermitWanted {
  readonly taskId: string
  readonly claim: string
}

/** Returns first, then grants `wants` in their order as far as the rules allow: who got one stands in the state. */
export interface LimitCommand {
  readonly type: 'adjust'
  readonly returns: readonly (PermitWanted & { readonly reason: string })[]
  readonly wants: readonly PermitWanted[]
  readonly rules: LimitRules
}

export function decideLimit(
  command: LimitCommand,
  { context }: State<LimitContext>,
  { now }: DecideContext,
): Decision<LimitFact> {
  const out = new Set(context.permits.map(({ claim }) => claim))
  const facts: LimitFact[] = []
  for (const { taskId, claim, reason } of command.returns) {
    if (out.delete(claim)) facts.push({ type: 'PermitReturned', data: { taskId, claim, reason } })
  }
  const room = Math.min(
    (command.rules.concurrency ?? Number.POSITIVE_INFINITY) - out.size,
    allowance(command.rules, context, now),
  )
  const granted = command.wants.filter(({ claim }) => !out.has(claim)).slice(0, Math.max(0, room))
  for (const { taskId, claim } of granted) facts.push({ type: 'PermitTaken', data: { taskId, claim } })
  return { facts }
}

/** How many more the rate allows now: a sliding window over the times of the latest permits. */
function allowance({ rate }: LimitRules, { taken }: LimitContext, now: number): number {
  if (!rate) return Number.POSITIVE_INFINITY
  const since = now - rate.perMs
  let inWindow = 0
  for (let index = taken.length - 1; index >= 0 && (taken[index] ?? 0) > since; index--) inWindow++
  return rate.limit - inWindow
}

/** When the rate allows the next permit, milliseconds since the epoch; undefined if it does now, or there is none. */
export function nextAllowed({ rate }: LimitRules, { taken }: LimitContext, now: number): number | undefined {
  if (!rate || taken.length < rate.limit) return undefined
  const at = (taken[taken.length - rate.limit] ?? 0) + rate.perMs
  return at > now ? at : undefined
}
