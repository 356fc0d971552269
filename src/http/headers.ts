/** What every answer carries, and what pages of other origins need to be told to use it. */
import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { traceparentOf } from './caller.ts'

const REQUEST_ID = /^[\w.:/+=-]{1,128}$/
const EXPOSED = 'Link, Location, Preference-Applied, Retry-After, X-Position, X-Request-ID, X-Total-Count'

/** The one that the client gave, if it is one; else a new one. */
export function requestId(request: { headers: Record<string, string | string[] | undefined> }): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

export function standardHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id)
  const traceparent = traceparentOf(request.headers)
  if (traceparent !== undefined) reply.header('traceparent', traceparent)
  // A cache on the way takes everybody with a key for the same one. Files, which are, say so themselves.
  reply.header('cache-control', 'no-store')
  // Those of other origins are named in their answers: a file kept for one page is no answer to another one's.
  reply.header('vary', 'Origin')
  reply.header('x-content-type-options', 'nosniff')
  reply.header('cross-origin-resource-policy', 'same-origin')
  reply.header('referrer-policy', 'no-referrer')
}

export function allowOrigin(reply: FastifyReply, origin: string): void {
  reply.header('access-control-allow-origin', origin)
  reply.header('access-control-expose-headers', EXPOSED)
  reply.header('cross-origin-resource-policy', 'cross-origin')
}

/** Answers whether a page of that origin may ask. */
export function preflight(request: FastifyRequest, reply: FastifyReply, allowed: boolean): void {
  if (allowed) {
    reply.header('access-control-allow-methods', 'GET, POST, DELETE')
    reply.header('access-control-allow-headers', request.headers['access-control-request-headers'] ?? '')
    reply.header('access-control-max-age', 600)
  }
  reply.code(204).send()
}
