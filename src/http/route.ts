/**
 * How a resource's file describes a route: where it is, what it takes, what it answers, and the code that does it.
 * The same description registers it, checks its input and writes its part of the OpenAPI document.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Caller, RunningApp } from '../app/index.ts'
import { type Position, parsePosition } from '../events/index.ts'
import type { Page } from '../projections/index.ts'
import type { Access } from './access.ts'
import { callerOf, traceparentOf } from './caller.ts'
import type { ErrorCode } from './errors.ts'
import { HttpRefusal } from './problems.ts'
import type { RequestTally } from './request-tally.ts'
import type { Streams } from './sse.ts'
import { assertScope, NOBODY, type Scope, signedIn, type User } from './users.ts'

export type Method = 'GET' | 'POST' | 'DELETE'

export interface Answer {
  readonly description: string
  /** Of the JSON body; absent when there is none. */
  readonly schema?: z.ZodType
  /** Default application/json. */
  readonly mediaType?: string
}

/** What the routes of one server share. */
export interface Surroundings {
  readonly app: RunningApp
  readonly streams: Streams
  readonly access: Access
  readonly requests: RequestTally
  /** Who asks; undefined for one who did not say. */
  userOf(request: FastifyRequest): User | undefined
}

/** One request, checked. */
export interface Call<Query, Body> extends Surroundings {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly query: Query
  readonly body: Body
  /** Who asks. On a route for anybody, nobody in particular may. */
  readonly user: User
  readonly caller: Caller
  /** A variable of the path. */
  param(name: string): string
}

export interface RouteDescription {
  readonly method: Method
  /** `:name` is a variable. */
  readonly path: string
  /** Heading that it stands under in the docs. */
  readonly resource: string
  readonly summary: string
  readonly description?: string
  /** What a user's scope must include. Default `read` for GET, `write` for the rest; `anybody` needs no key. */
  readonly needs?: Scope | 'anybody'
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  readonly answers: Readonly<Record<number, Answer>>
  readonly errors?: readonly ErrorCode[]
}

export interface Route extends RouteDescription {
  register(fastify: FastifyInstance, surroundings: Surroundings): void
}

interface RouteSpec<Query, Body> extends RouteDescription {
  readonly query?: z.ZodType<Query>
  readonly body?: z.ZodType<Body>
  handle(call: Call<Query, Body>): unknown
}

/** What a route without them takes: a name that it does not know would be passed over in silence. */
const NOTHING = z.strictObject({})

/** Longest that a read waits for a position, milliseconds. */
const AT_LEAST_MS = 5000

export function route<Query = undefined, Body = undefined>(spec: RouteSpec<Query, Body>): Route {
  return {
    ...spec,
    register(fastify, surroundings) {
      fastify.route({
        method: spec.method,
        url: spec.path,
        // A HEAD of a stream would never end.
        exposeHeadRoute: spec.method === 'GET' && spec.answers[200]?.mediaType !== 'text/event-stream',
        // Before the body is read: strangers do not get to send one.
        onRequest: (request, _reply, done) => {
          const needed = spec.needs ?? (spec.method === 'GET' ? 'read' : 'write')
          try {
            if (needed !== 'anybody') assertScope(signedIn(surroundings.userOf(request)), needed)
          } catch (error) {
            return done(error instanceof Error ? error : new Error(String(error)))
          }
          done()
        },
        handler: async (request, reply) => {
          const user = surroundings.userOf(request) ?? NOBODY
          const asked = spec.method === 'GET' ? await readOptions(surroundings.app, request) : request.query
          // Who probes /health adds what keeps an answer from being a cached one.
          if (!spec.query && spec.needs !== 'anybody') queryOf(NOTHING, asked)
          return spec.handle({
            ...surroundings,
            request,
            reply,
            // Without a schema there is nothing to hand over, and Query or Body is undefined.
            query: spec.query ? queryOf(spec.query, asked) : (undefined as Query),
            body: spec.body ? spec.body.parse(request.body) : (undefined as Body),
            user,
            caller: callerOf(user, { commandId: idempotencyKey(request), traceparent: traceparentOf(request.headers) }),
            param: (name) => (request.params as Record<string, string>)[name] ?? '',
          })
        },
      })
    },
  }
}

/** @throws ZodError, which says so of what is given twice where one is taken, whatever that would have to be */
function queryOf<Query>(schema: z.ZodType<Query>, asked: unknown): Query {
  const read = schema.safeParse(asked)
  if (read.success) return read.data
  const isRepeated = ([name, ...inside]: readonly PropertyKey[]): boolean =>
    inside.length === 0 && Array.isArray(Reflect.get(Object(asked), name ?? ''))
  const issues = read.error.issues.map((issue) =>
    isRepeated(issue.path) ? { ...issue, message: 'is given more than once; give it once' } : issue,
  )
  throw new z.ZodError(issues)
}

/** Asks for as long as an answer goes on whether who asked for it would still be let in: a sign-in runs out. */
export function staysIn(access: Access, { headers, ip }: FastifyRequest): () => boolean {
  return () => access.admit({ headers, changes: false, address: ip }) !== undefined
}

/** Takes `at_least` and `as_of`, which every read has, out of the query; waits for the former. */
async function readOptions(app: RunningApp, request: FastifyRequest): Promise<unknown> {
  const { at_least, as_of, ...query } = request.query as Record<string, unknown>
  if (as_of !== undefined) {
    throw new HttpRefusal(
      'as-of-unsupported',
      'This version does not read the past: leave out as_of. A job’s whole past is in /api/v1/jobs/{id}/$events.',
    )
  }
  if (at_least !== undefined) await app.reads.waitFor(position('at_least', at_least), AT_LEAST_MS)
  return query
}

export function position(name: string, text: unknown): Position {
  try {
    return parsePosition(String(text))
  } catch {
    throw new HttpRefusal(
      'malformed-request',
      `${name} is not a position. Take one from X-Position or from the position of an answer.`,
    )
  }
}

const LONGEST_KEY = 200

function idempotencyKey(request: FastifyRequest): string | undefined {
  const key = request.headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key !== 'string' || key.length === 0 || key.length > LONGEST_KEY) {
    throw new HttpRefusal('malformed-request', `Idempotency-Key must be one text of 1 to ${LONGEST_KEY} characters.`)
  }
  return key
}

/** Seconds of `Prefer: wait=N` (RFC 7240), capped; undefined when the client states none. */
export function preferredWait(request: FastifyRequest, mostSeconds = 600): number | undefined {
  const { prefer } = request.headers
  if (prefer === undefined) return undefined
  const wait = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?/i.exec(String(prefer))?.[1]
  return wait === undefined ? undefined : Math.min(Number(wait), mostSeconds)
}

/** Says which position shows what a mutation did. */
export function acknowledge(reply: FastifyReply, position: Position): void {
  reply.header('x-position', String(position))
}

/** Headers of one page of a list: the address of the next one, and how many there are in all if that is known. */
export function paging(
  call: Pick<Call<unknown, unknown>, 'request' | 'reply'>,
  next: Readonly<Record<string, string | number>> | undefined,
  total?: number,
): void {
  if (total !== undefined) call.reply.header('x-total-count', total)
  if (!next) return
  const url = new URL(call.request.url, 'http://localhost')
  for (const [name, value] of Object.entries(next)) url.searchParams.set(name, String(value))
  call.reply.header('link', `<${url.pathname}${url.search}>; rel="next"`)
}

/** The same for a list whose pages lead on by a cursor. */
export function pagingBy(
  call: Pick<Call<unknown, unknown>, 'request' | 'reply'>,
  { next, total }: Pick<Page<unknown>, 'next' | 'total'>,
): void {
  paging(call, next === undefined ? undefined : { cursor: next }, total)
}
