/** The limit machine: which permits are out, and when the latest were taken. */
import { assign, setup } from 'xstate'
import type { LimitFact } from '../../events/index.ts'
import { type Applied, applied, NOTHING_APPLIED, type Recorded } from '../kind.ts'

export interface Permit {
  readonly taskId: string
  /** The id that the task's TaskStarted has or will have. */
  readonly claim: string
  /** When it was taken, milliseconds since the epoch. */
  readonly at: number
}

export interface LimitContext extends Applied {
  readonly permits: readonly Permit[]
  /** When the latest permits were taken, oldest first. */
  readonly taken: readonly number[]
}

/** A rate cannot allow more starts in its window than are remembered. */
export const MOST_PER_WINDOW = 10_000

export function evolveLimit(context: LimitContext, fact: Recorded<LimitFact>): LimitContext {
  return { ...context, ...changes(context, fact), ...applied(context, fact) }
}

function changes({ permits, taken }: LimitContext, fact: Recorded<LimitFact>): Partial<LimitContext> {
  const { taskId, claim } = fact.data
  return fact.type === 'PermitTaken'
    ? { permits: [...permits, { taskId, claim, at: fact.at }], taken: [...taken.slice(1 - MOST_PER_WINDOW), fact.at] }
    : { permits: permits.filter((permit) => permit.claim !== claim) }
}

export const limitMachine = setup({
  types: { context: {} as LimitContext, events: {} as Recorded<LimitFact> },
  actions: { apply: assign(({ context, event }) => evolveLimit(context, event)) },
}).createMachine({
  id: 'limit',
  context: { ...NOTHING_APPLIED, permits: [], taken: [] },
  initial: 'open',
  states: { open: { on: { PermitTaken: { actions: 'apply' }, PermitReturned: { actions: 'apply' } } } },
})
