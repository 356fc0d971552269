/** All that must hold, whatever happens. */
import type { Invariant } from '../history.ts'
import { taskInvariants } from './tasks.ts'

export const INVARIANTS: readonly Invariant[] = [...taskInvariants]
