/** Who asks, as the actors record it, and the ids that a caller may give. */
import { InvalidInput, type Origin } from '../actors/index.ts'
import type { Caller } from './running.ts'

/** A handler, or the app's own code, when no user is known. */
export const SYSTEM: Caller = { by: 'system', ownerId: 'system' }

export const VALID_ID = /^[A-Za-z0-9_-]{1,200}$/

export function originOf({ by, commandId, traceparent }: Caller): Origin {
  return { by, commandId, traceparent }
}

export function notAnId(kind: string, id: string): InvalidInput {
  return new InvalidInput(`"${id.slice(0, 80)}" is not a ${kind} id`, [
    { path: 'id', message: 'use letters, digits, _ and -, at most 200 characters' },
  ])
}
