/** All that must hold, whatever happens. */
import type { Invariant } from '../history.ts'
import { limitInvariants } from './limits.ts'
import { lockInvariants } from './locks.ts'
import { logInvariants } from './log.ts'
import { nodeInvariants } from './nodes.ts'
import { scheduleInvariants } from './schedules.ts'
import { sessionInvariants } from './sessions.ts'
import { taskInvariants } from './tasks.ts'

export const INVARIANTS: readonly Invariant[] = [
  ...taskInvariants,
  ...lockInvariants,
  ...limitInvariants,
  ...scheduleInvariants,
  ...sessionInvariants,
  ...nodeInvariants,
  ...logInvariants,
]
