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
  const room = roomFor(command.rules, out.size, context, now)
  const granted = command.wants.filter(({ claim }) => !out.has(claim)).slice(0, Math.max(0, room))
  for (const { taskId, claim } of granted) facts.push({ type: 'PermitTaken', data: { taskId, claim } })
  return { facts }
}

/** How many more permits there are now: none or less when there is no room. */
export function roomIn(rules: LimitRules, context: LimitContext, now: number): number {
  return roomFor(rules, context.permits.length, context, now)
}

function roomFor(rules: LimitRules, out: number, context: LimitContext, now: number): number {
  return Math.min((rules.concurrency ?? Number.POSITIVE_INFINITY) - out, allowance(rules, context, now))
}

/** How many more the rate allows now: a sliding window over the times of the latest permits. */
function allowance({ rate }: LimitRules, { taken }: LimitContext, now: number): number {
  return rate ? rate.limit - inWindow(taken, now, rate.perMs).length : Number.POSITIVE_INFINITY
}

/** When the rate allows the next permit, milliseconds since the epoch; undefined if it does now, or there is none. */
export function nextAllowed({ rate }: LimitRules, { taken }: LimitContext, now: number): number | undefined {
  if (!rate) return undefined
  const counted = inWindow(taken, now, rate.perMs)
  const oldest = counted[counted.length - rate.limit]
  return oldest === undefined ? undefined : oldest + rate.perMs
}

/**
 * Those that count now, oldest first. Nodes' dates differ a little, so some may seem to come yet; what is further ahead
 * than a window was taken before the date was set back, and would hold up everything until it is reached again.
 */
function inWindow(taken: readonly number[], now: number, perMs: number): readonly number[] {
  let first = taken.length
  while (first > 0 && (taken[first - 1] ?? 0) > now - perMs) first--
  return taken.slice(first).filter((at) => at <= now + perMs)
}
