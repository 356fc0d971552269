/** The HTTP server of a running app: routes, live socket, pages; who is let in; how errors are told; how it ends. */
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import { userInfo } from 'node:os'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { type Clock, systemClock } from '../actors/index.ts'
import { type RunningApp, tellTrouble } from '../app/index.ts'
import { type Access, assertLoopback, keyedAccess, openAccess } from './access.ts'
import { auditRoutes } from './audit.ts'
import { Auth, type AuthOptions } from './auth.ts'
import { boardRoutes } from './board.ts'
import { traceparentOf } from './caller.ts'
import { jobRoutes } from './jobs.ts'
import { LIVE_PATH, Live } from './live.ts'
import { LIVE_LIMITS, type LiveLimits } from './live-limits.ts'
import { lockRoutes } from './locks.ts'
import { metricsRoutes } from './metrics.ts'
import { openApi } from './openapi.ts'
import { pageRoutes } from './pages.ts'
import { HttpRefusal, toProblem } from './problems.ts'
import { rawAnswer } from './raw-answer.ts'
import { readModelRoutes } from './read-models.ts'
import { RequestTally } from './request-tally.ts'
import type { Route } from './route.ts'
import { scheduleRoutes } from './schedules.ts'
import { sessionRoutes } from './sessions.ts'
import { signInRoutes } from './sign-in.ts'
import { Streams } from './sse.ts'
import { BUILT_WEB, serveStatic, wantsPage } from './static.ts'
import { systemRoutes } from './system.ts'
import { taskRoutes } from './tasks.ts'
import { signedIn, type User } from './users.ts'

export interface ServerLimits extends LiveLimits {
  /** Largest body, bytes. Default 1 MiB. */
  readonly bodyBytes: number
  /**
   * Requests under way; further ones are answered 503 at once. Default 1000. Those who did not say who they are have room for
   * a tenth as many of their own, and take none from the others.
   */
  readonly requests: number
  /** Open event streams (SSE). Default 200. */
  readonly streams: number
}

const LIMITS: ServerLimits = { ...LIVE_LIMITS, bodyBytes: 1024 * 1024, requests: 1000, streams: 200 }

export interface ServerOptions {
  /** Default 127.0.0.1. An address that others can reach needs `auth`. */
  readonly host?: string
  /** Default 3000; 0 takes any free one. */
  readonly port?: number
  /** Pages of other origins that may use the API, as `https://example.org`. Default none. */
  readonly origins?: readonly string[]
  /** The one user of an open server. Default id `local`, named as the system's user. */
  readonly user?: { readonly id: string; readonly name: string }
  /** Lets in who has a key, and nobody else. Default: open to this machine. */
  readonly auth?: AuthOptions
  readonly limits?: Partial<ServerLimits>
  /** Milliseconds that requests under way get to finish at close. Default 10 000. */
  readonly closeMs?: number
  /** Directory of the built web components. Default that of `npm run build:web`. */
  readonly web?: string
  readonly clock?: Clock
  /** Told of errors that no client could have caused. Default: a line on stderr. */
  readonly onError?: (error: unknown, context: string) => void
  /** Told of each request once it is over. */
  readonly onRequest?: (request: RequestTold) => void
}

export interface RequestTold {
  readonly method: string
  readonly url: string
  /** Undefined when the client left before it had an answer. */
  readonly status: number | undefined
  /** Milliseconds from its first line to the end of its answer. */
  readonly ms: number
  /** Undefined for somebody without a key. */
  readonly user: string | undefined
  /** As `X-Request-ID` gives it back. */
  readonly id: string
}

export interface Server {
  /** Starts to listen. @returns the URL */
  listen(): Promise<string>
  /** Undefined while not listening. */
  readonly url: string | undefined
  /** Sends clients away, finishes what is under way up to a limit, lets go of the port. The app goes on. */
  close(): Promise<void>
  /** Handles a request without a network, for tests. */
  readonly inject: FastifyInstance['inject']
}

export const ROUTES: readonly Route[] = [
  ...taskRoutes,
  ...jobRoutes,
  ...boardRoutes,
  ...sessionRoutes,
  ...scheduleRoutes,
  ...lockRoutes,
  ...pageRoutes,
  ...systemRoutes,
  ...readModelRoutes,
  ...metricsRoutes,
  ...auditRoutes,
  ...signInRoutes,
]

interface Room {
  underWay: number
  readonly most: number
}

const HEARTBEAT_MS = 15_000
const REQUEST_ID = /^[\w.:/+=-]{1,128}$/

/**
 * @throws HttpRefusal `loopback-only` for a host that others can reach, without `auth`
 * @throws TypeError for one of `origins` that is none
 */
export async function createServer(app: RunningApp, options: ServerOptions = {}): Promise<Server> {
  const host = options.host ?? '127.0.0.1'
  if (!options.auth) assertLoopback(host)
  const limits = { ...LIMITS, ...options.limits }
  const clock = options.clock ?? systemClock
  const onError = options.onError ?? reporting()
  const local: User = { ...(options.user ?? { id: 'local', name: systemUser() }), scope: 'admin' }
  const origins = options.origins ?? []
  const access = options.auth ? keyedAccess(new Auth(options.auth, clock), origins) : openAccess(local, origins)
  const users = new WeakMap<FastifyRequest, User>()
  const userOf = (request: FastifyRequest): User | undefined => users.get(request)
  const streams = new Streams(clock, { heartbeatMs: HEARTBEAT_MS, limit: limits.streams })
  const live = new Live({ app, access, clock, limits, onError })
  const requests = new RequestTally()
  const known: Room = { underWay: 0, most: limits.requests }
  const strangers: Room = { underWay: 0, most: Math.ceil(limits.requests / 10) }
  let closing = false
  let url: string | undefined

  const tell = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const { problem, headers, unexpected } = toProblem(error, request.url)
    if (unexpected) onError(error, `${request.method} ${request.url} (request ${request.id})`)
    if (problem.status === 413) takeTheRest(request, reply)
    reply.code(problem.status).headers(headers).type('application/problem+json').send(JSON.stringify(problem))
  }

  const fastify = Fastify({
    bodyLimit: limits.bodyBytes,
    genReqId: requestId,
    requestIdHeader: false,
    requestTimeout: 30_000,
    return503OnClosing: false,
    http: { shouldUpgradeCallback: isWebSocket },
    rewriteUrl: (request) => plainDollar(request.url ?? '/'),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 400 },
    clientErrorHandler,
    frameworkErrors: tell,
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
  })

  const parseJson = fastify.getDefaultJsonParser('error', 'error')
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    // Clients that always send the header send it without a body, too.
    if (body === '') done(null, undefined)
    else parseJson(request, body, (error, parsed) => done(error && isJson(body) ? namesRefused() : error, parsed))
  })

  fastify.addHook('onRequest', (request, reply, done) => {
    standardHeaders(request, reply)
    const origin = access.corsOrigin(request.headers)
    if (origin !== undefined) allowOrigin(reply, origin)
    try {
      const changes = request.method !== 'GET' && request.method !== 'HEAD'
      const user = access.admit({ headers: request.headers, changes, address: request.ip })
      if (user) users.set(request, user)
      const room = user ? known : strangers
      room.underWay += 1
      const began = performance.now()
      // Not onResponse: that never comes for a client that hung up before it was answered.
      reply.raw.once('close', () => {
        room.underWay -= 1
        const ms = performance.now() - began
        const status = reply.raw.headersSent ? reply.raw.statusCode : undefined
        requests.add(request.method, request.routeOptions.url ?? 'none', status, ms / 1000)
        const { method, url, id } = request
        options.onRequest?.({ method, url, status, ms, user: user?.id, id })
      })
      if (closing)
        throw new HttpRefusal('not-running', 'The server is stopping. Try again in a moment.', { connection: 'close' })
      if (room.underWay > room.most) {
        throw new HttpRefusal('overloaded', `${room.most} requests are under way already. Try again in a moment.`)
      }
    } catch (error) {
      return done(error instanceof Error ? error : new Error(String(error)))
    }
    if (request.method !== 'OPTIONS') return done()
    preflight(request, reply, origin !== undefined)
  })
  fastify.setErrorHandler(tell)

  const surroundings = { app, streams, access, requests, userOf }
  for (const route of ROUTES) route.register(fastify, surroundings)
  serveOpenApi(fastify, app, access, userOf)
  fastify.get(LIVE_PATH, () => {
    throw new HttpRefusal('upgrade-required', `${LIVE_PATH} is a WebSocket. Connect with ws://.`, {
      upgrade: 'websocket',
    })
  })
  const showNoPage = serveStatic(fastify, options.web ?? BUILT_WEB, (request) => userOf(request) !== undefined)
  fastify.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const methods = methodsOf(path)
    if (methods.length > 0 && !methods.includes(request.method)) {
      const allow = methods.join(', ')
      throw new HttpRefusal('method-not-allowed', `${path} takes ${allow}, not ${request.method}.`, { allow })
    }
    if (wantsPage(request)) return showNoPage(request, reply)
    throw new HttpRefusal('route-not-found', `Nothing is served at ${path}. See /docs for what is.`)
  })
  live.attach(fastify.server)
  await fastify.ready()

  return {
    get url() {
      return url
    },
    inject: fastify.inject.bind(fastify),
    async listen() {
      url = await fastify.listen({ host, port: options.port ?? 3000 })
      return url
    },
    async close() {
      closing = true
      url = undefined
      // By the machine's time, whatever clock the app has: this waits for the network.
      const giveUp = setTimeout(() => fastify.server.closeAllConnections(), options.closeMs ?? 10_000)
      const sockets = live.close()
      streams.endAll()
      await Promise.all([sockets, fastify.close()])
      clearTimeout(giveUp)
    },
  }
}

/** Input is checked by zod: Fastify's own compilers, which take 40 ms to load, stay out of the start. */
function noSchemas(): never {
  throw new TypeError('Routes are described in zod (see route.ts), not by a Fastify schema.')
}

/**
 * A client that still sends would find its connection gone, and never read why: what is left of the body is thrown away as
 * it comes, for as long as a request may take.
 */
function takeTheRest(request: FastifyRequest, reply: FastifyReply): void {
  reply.removeHeader('connection')
  request.raw.resume()
}

function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    return 'You'
  }
}

/** An error of the registry says what to do, and may come with every request: it is told once, and counted. */
function reporting(): (error: unknown, context: string) => void {
  const trouble = tellTrouble((line) => console.error(line.trimEnd()))
  return (error, context) => {
    if (toProblem(error).problem.type === 'urn:capsule:error:internal') console.error(`capsule: ${context}:`, error)
    else trouble(error, context)
  }
}

function requestId(request: { headers: Record<string, string | string[] | undefined> }): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

/** An upgrade to anything else is an offer that the client does without: Java's and curl's make one for HTTP/2. */
function isWebSocket({ headers }: { headers: IncomingHttpHeaders }): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/** Some clients encode the `$` of `$submit`, which the router would take for another path. */
function plainDollar(url: string): string {
  return url.includes('/%24') ? url.replaceAll('/%24', '/$') : url
}

function standardHeaders(request: FastifyRequest, reply: FastifyReply): void {
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

const EXPOSED = 'Link, Location, Preference-Applied, Retry-After, X-Position, X-Request-ID, X-Total-Count'

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Of JSON that is not taken for what it would do to objects that it is copied into. */
function namesRefused(): HttpRefusal {
  return new HttpRefusal(
    'malformed-json',
    'The body has a member __proto__, or a constructor with a prototype in it, which is not taken. Give it another name.',
  )
}

function allowOrigin(reply: FastifyReply, origin: string): void {
  reply.header('access-control-allow-origin', origin)
  reply.header('access-control-expose-headers', EXPOSED)
  reply.header('cross-origin-resource-policy', 'cross-origin')
}

function preflight(request: FastifyRequest, reply: FastifyReply, allowed: boolean): void {
  if (allowed) {
    reply.header('access-control-allow-methods', 'GET, POST, DELETE')
    reply.header('access-control-allow-headers', request.headers['access-control-request-headers'] ?? '')
    reply.header('access-control-max-age', 600)
  }
  reply.code(204).send()
}

let patterns: readonly { readonly method: string; readonly pattern: RegExp }[] | undefined

/** The methods that some route takes at a path. Only asked for paths that no route answers. */
function methodsOf(path: string): string[] {
  patterns ??= ROUTES.map((route) => ({
    method: route.method,
    pattern: new RegExp(`^${route.path.replaceAll('$', '\\$').replaceAll(/:\w+/g, '[^/]+')}$`),
  }))
  return patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)
}

function serveOpenApi(
  fastify: FastifyInstance,
  app: RunningApp,
  { auth }: Access,
  userOf: (request: FastifyRequest) => User | undefined,
): void {
  let document: string | undefined
  fastify.get('/openapi.json', (request, reply) => {
    signedIn(userOf(request))
    document ??= JSON.stringify(openApi({ title: app.name, version: app.version }, ROUTES, auth !== undefined))
    return reply.type('application/json; charset=utf-8').send(document)
  })
}

/** What is not HTTP at all never becomes a request; it is answered all the same. */
function clientErrorHandler(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  socket.end(rawAnswer(parserRefusal(error.code)))
}

function parserRefusal(code: string | undefined): HttpRefusal {
  if (code === 'HPE_HEADER_OVERFLOW') return new HttpRefusal('headers-too-large', 'Send less than 16 KiB of headers.')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new HttpRefusal('request-timeout', 'The request did not arrive completely within 30 seconds.')
  }
  return new HttpRefusal('malformed-request', 'This is not valid HTTP/1.1. Check the request line and the headers.')
}
