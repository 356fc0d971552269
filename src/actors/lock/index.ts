/** The lock actor: at most one live task per key. */
import type { ActorKind } from '../kind.ts'
import { decideLock, type LockCommand } from './decide.ts'
import { evolveLock, type LockContext, lockMachine } from './machine.ts'

export { joinable, type LockCommand, placeOf } from './decide.ts'
export type { LockContext, Party } from './machine.ts'

export const lockKind: ActorKind<LockCommand, LockContext> = {
  kind: 'lock',
  version: 1,
  machine: lockMachine,
  evolve: evolveLock,
  decide: decideLock,
}
