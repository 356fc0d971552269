/** Who asks, as the actors record it, and the ids that a caller gives or that are made of theirs. */
import { v5 as uuidv5 } from 'uuid'
import { InvalidInput, type Origin } from '../actors/index.ts'
import { newId } from '../events/index.ts'
import type { Caller } from './running.ts'

/** A handler, or the app's own code, when no user is known. */
export const SYSTEM: Caller = { by: 'system', ownerId: 'system' }

export const VALID_ID = /^[A-Za-z0-9_-]{1,200}$/

/** Namespace of the ids of conversations that derive from a command's id. */
const KEYED_SESSION = '5b0b5c3e-2f0e-5d0a-9a51-0c8b7a1f6f5d'

export function originOf({ by, commandId, traceparent }: Caller): Origin {
  return { by, commandId, traceparent }
}

/** Of a conversation that the caller begins without naming it: the same one each time for the same command. */
export function sessionIdOf({ ownerId, commandId }: Caller): string {
  return commandId === undefined ? newId() : uuidv5(`${ownerId}\n${commandId}`, KEYED_SESSION)
}

export function notAnId(kind: string, id: string): InvalidInput {
  return new InvalidInput(`"${id.slice(0, 80)}" is not a ${kind} id`, [
    { path: 'id', message: 'use letters, digits, _ and -, at most 200 characters' },
  ])
}
