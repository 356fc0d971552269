/** The HTTP server of a running app: routes, live socket, pages; who is let in; how errors are told; how it ends. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import { userInfo } from 'node:os'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { type Clock, systemClock } from '../actors/index.ts'
import { type RunningApp, tellTrouble } from '../app/index.ts'
import { type Access, assertLoopback, keyedAccess, openAccess } from './access.ts'
import { Auth, type AuthOptions } from './auth.ts'
import { noSchemas, takeJson, takeTheRest } from './bodies.ts'
import { allowOrigin, preflight, requestId, standardHeaders } from './headers.ts'
import { LIVE_PATH, Live } from './live.ts'
import { LIVE_LIMITS, type LiveLimits } from './live-limits.ts'
import { openApi } from './openapi.ts'
import { HttpRefusal, toProblem } from './problems.ts'
import { rawAnswer } from './raw-answer.ts'
import { RequestTally } from './request-tally.ts'
import { methodsOf, ROUTES } from './routes.ts'
import { spareConnections } from './spare-connections.ts'
import { Streams } from './sse.ts'
import { BUILT_WEB, serveStatic, wantsPage } from './static.ts'
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

interface Room {
  underWay: number
  readonly most: number
}

const HEARTBEAT_MS = 15_000

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

  takeJson(fastify)

  fastify.addHook('onRequest', (request, reply, done) => {
    standardHeaders(request, reply)
    const origin = access.corsOrigin(request.headers)
    if (origin !== undefined) allowOrigin(reply, origin)
    const began = performance.now()
    let room: Room | undefined
    // Not onResponse: that never comes for a client that hung up before it was answered. Of who is not let in, too.
    reply.raw.once('close', () => {
      if (room) room.underWay -= 1
      const ms = performance.now() - began
      const status = reply.raw.headersSent ? reply.raw.statusCode : undefined
      requests.add(request.method, request.routeOptions.url ?? 'none', status, ms / 1000)
      const { method, url, id } = request
      options.onRequest?.({ method, url, status, ms, user: users.get(request)?.id, id })
    })
    try {
      const changes = request.method !== 'GET' && request.method !== 'HEAD'
      const user = access.admit({ headers: request.headers, changes, address: request.ip })
      if (user) users.set(request, user)
      room = user ? known : strangers
      room.underWay += 1
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
  const hangUpOnSpare = spareConnections(fastify.server)
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
      hangUpOnSpare()
      await Promise.all([sockets, fastify.close()])
      clearTimeout(giveUp)
    },
  }
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

/** An upgrade to anything else is an offer that the client does without: Java's and curl's make one for HTTP/2. */
function isWebSocket({ headers }: { headers: IncomingHttpHeaders }): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/** Some clients encode the `$` of `$submit`, which the router would take for another path. */
function plainDollar(url: string): string {
  return url.includes('/%24') ? url.replaceAll('/%24', '/$') : url
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
