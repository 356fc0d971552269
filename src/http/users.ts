/** Who asks, and what they may do: their own, or everybody's when they are an admin; nothing to change for a reader. */
import type { JobFilter } from '../projections/index.ts'
import { HttpRefusal } from './problems.ts'

/** Each includes what stands before it. */
export const SCOPES = ['read', 'write', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

export interface User {
  /** Owner of what they submit and say. */
  readonly id: string
  readonly name: string
  /** `read` and `write` reach what is their own, `admin` reaches all. */
  readonly scope: Scope
}

/** Who asks on a route for anybody without having said so. Owns nothing. */
export const NOBODY: User = { id: 'unknown', name: 'unknown', scope: 'read' }

/** @throws HttpRefusal `sign-in-required` */
export function signedIn(user: User | undefined): User {
  if (user) return user
  throw new HttpRefusal(
    'sign-in-required',
    'This server lets in who has a key. Send it as X-API-Key or as a bearer token, or sign in at /sign-in.',
    { 'www-authenticate': 'Bearer' },
  )
}

/** @throws HttpRefusal `not-permitted` */
export function assertScope(user: User, needed: Scope): void {
  if (SCOPES.indexOf(user.scope) >= SCOPES.indexOf(needed)) return
  const what = needed === 'admin' ? 'concerns everybody' : 'changes something'
  throw new HttpRefusal(
    'not-permitted',
    `This ${what}, and the key of ${user.id} has the scope ${user.scope}. Use a key with the scope ${needed}.`,
  )
}

/**
 * A filter of jobs, narrowed to those that the user may see.
 * @throws HttpRefusal `not-permitted` when it names another owner
 */
export function visibleTo(user: User, filter: JobFilter): JobFilter {
  if (user.scope === 'admin') return filter
  assertOwner(user, filter.ownerId)
  return { ...filter, ownerId: user.id }
}

/** @throws HttpRefusal `not-permitted` when a list of another owner is asked for by one who is no admin */
export function assertOwner(user: User, ownerId: string | undefined): void {
  if (user.scope === 'admin' || ownerId === undefined || ownerId === user.id) return
  throw new HttpRefusal(
    'not-permitted',
    `Only an admin sees what is of ${ownerId}. Leave owner_id out to see your own.`,
  )
}
