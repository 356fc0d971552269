/** The limit actor: permits to run. */
import type { ActorKind } from '../kind.ts'
import { decideLimit, type LimitCommand } from './decide.ts'
import { evolveLimit, type LimitContext, limitMachine } from './machine.ts'

export { type LimitCommand, type LimitRules, nextAllowed, type PermitWanted, roomIn } from './decide.ts'
export type { LimitContext } from './machine.ts'
export { checkRate } from './rate.ts'

export const limitKind: ActorKind<LimitCommand, LimitContext> = {
  kind: 'limit',
  version: 1,
  machine: limitMachine,
  evolve: evolveLimit,
  decide: decideLimit,
}
