/** What the server, the client and gRPC call a failure, in the port's words. */
import { StoreError, StoreRefusesUser, StoreUnavailable } from '../../errors.ts'
import type { Endpoint } from './settings.ts'

const UNAUTHENTICATED = 16
const PERMISSION_DENIED = 7

/** The append was refused by a node that does not lead; it is not recorded. */
export class NotLeader extends Error {
  readonly leader: Endpoint | undefined
  constructor(leader: Endpoint | undefined) {
    super('The node does not lead.')
    this.leader = leader
  }
}

/** The server gave the append up: it is recorded, or never will be, or waits behind its own twin. */
export class GivenUp extends Error {}

/** @returns the error to throw to the caller of the port */
export function toStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const code = codeOf(error)
  if (code === UNAUTHENTICATED || code === PERMISSION_DENIED || typeOf(error) === 'access-denied') {
    return new StoreRefusesUser(
      'The event store refuses this user. Check the user and password in the connection string, and their rights.',
      { cause: error },
    )
  }
  const reason = error instanceof Error && error.message ? error.message : (typeOf(error) ?? String(error))
  return new StoreUnavailable(`The event store does not answer (${reason}). Repeat the call; check the server.`, {
    retryable: true,
    cause: error,
  })
}

export function noAnswer(what: string, timeoutMs: number): StoreUnavailable {
  return new StoreUnavailable(
    `The event store gave no answer to ${what} within ${timeoutMs} ms. Repeat the call; check the server.`,
    { retryable: true },
  )
}

/** Where the leader is, when the error is a node's refusal to do what only the leader does. */
export function asNotLeader(error: unknown): NotLeader | undefined {
  if (error instanceof NotLeader) return error
  if (typeOf(error) !== 'not-leader' && mark(error, 'exception') !== 'not-leader') return undefined
  const address = mark(error, 'leader-endpoint-host')
  const port = Number(mark(error, 'leader-endpoint-port'))
  if (address && port) return new NotLeader({ address, port })
  const leader = error instanceof Error && 'leader' in error ? error.leader : undefined
  return new NotLeader(isEndpoint(leader) ? leader : undefined)
}

/** The server keeps 32 live events for a subscription, and ends it when there are more. Nothing else is amiss. */
export function isTooSlow(error: unknown): boolean {
  return error instanceof Error && error.message.includes('Consumer too slow')
}

/** The client's own name for an error. */
export function typeOf(error: unknown): string | undefined {
  return error instanceof Error && 'type' in error && typeof error.type === 'string' ? error.type : undefined
}

function codeOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
}

/** A value of the trailers of a gRPC status. */
function mark(error: unknown, key: string): string | undefined {
  if (!(error instanceof Error) || !('metadata' in error)) return undefined
  const { metadata } = error
  if (typeof metadata !== 'object' || metadata === null || !('get' in metadata)) return undefined
  if (typeof metadata.get !== 'function') return undefined
  const values: unknown = metadata.get(key)
  return Array.isArray(values) && values.length > 0 ? String(values[0]) : undefined
}

function isEndpoint(value: unknown): value is Endpoint {
  return (
    typeof value === 'object' &&
    value !== null &&
    'address' in value &&
    typeof value.address === 'string' &&
    'port' in value &&
    typeof value.port === 'number'
  )
}
