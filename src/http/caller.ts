/** Who asks, as the app records it, whichever door they came by. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Caller } from '../app/index.ts'
import type { User } from './users.ts'

const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** `traceparent` (W3C Trace Context) if the request carries a valid one. */
export function traceparentOf({ traceparent }: IncomingHttpHeaders): string | undefined {
  return typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? traceparent : undefined
}

export function callerOf(
  { id }: Pick<User, 'id'>,
  { commandId, traceparent }: { readonly commandId: string | undefined; readonly traceparent: string | undefined },
): Caller {
  return {
    by: `user:${id}`,
    ownerId: id,
    ...(commandId === undefined ? {} : { commandId }),
    ...(traceparent === undefined ? {} : { traceparent }),
  }
}
