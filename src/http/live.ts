/**
 * /api/v1/live: topics out, commands in, over one WebSocket.
 *
 *   opened ──hello within 5 s──▶ welcome ──▶ subscriptions and commands ──▶ closed
 *      ├── no key, or a wrong one ──▶ 4401
 *      └── anything else ──▶ 4400
 *
 * A socket is dropped when it stays silent, sends what is no frame, or lets the backlog grow without reading.
 */
import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { z } from 'zod'
import type { Clock, Timer } from '../actors/index.ts'
import type { Caller, RunningApp } from '../app/index.ts'
import type { Access } from './access.ts'
import { commands, runCommand } from './commands.ts'
import { HttpRefusal, toProblem } from './errors.ts'
import { type Feed, type Outlet, openFeed } from './feed.ts'
import { position, signedIn, TRACEPARENT } from './route.ts'
import { boardWindow } from './schemas/index.ts'
import { topics } from './topics.ts'
import type { User } from './users.ts'
import type { CommandName, ServerFrame, Topic } from './wire.ts'
import { CLOSE } from './wire.ts'

export const LIVE_PATH = '/api/v1/live'

export interface LiveLimits {
  /** Open sockets. Default 1000. Of these, a tenth may be of who did not say yet who they are. */
  readonly sockets: number
  /** Topics that one socket may follow. Default 200. */
  readonly subscriptions: number
  /** Commands of one socket under way; no further frame of it is read meanwhile. Default 64. */
  readonly commands: number
  /** Largest frame of a client, bytes. Default 1 MiB. */
  readonly frameBytes: number
  /** Bytes not yet taken by a client from which on changes are held back for it. Default 256 KiB. */
  readonly bufferBytes: number
  /** Bytes not yet taken at which it is cut off. Default 16 MiB. */
  readonly backlogBytes: number
}

export const LIVE_LIMITS: LiveLimits = {
  sockets: 1000,
  subscriptions: 200,
  commands: 64,
  frameBytes: 1024 * 1024,
  bufferBytes: 256 * 1024,
  backlogBytes: 16 * 1024 * 1024,
}

const HELLO_MS = 5000
const PING_MS = 20_000
/** How long a client may take to answer the close of its socket. */
const CLOSE_MS = 1000

interface LiveOptions {
  readonly app: RunningApp
  readonly access: Access
  readonly clock: Clock
  readonly limits: LiveLimits
  /** Told of errors that no client could have caused. */
  readonly onError: (error: unknown, context: string) => void
}

export class Live {
  readonly #options: LiveOptions
  readonly #server: WebSocketServer
  readonly #connections = new Set<Connection>()
  #closing = false

  constructor(options: LiveOptions) {
    this.#options = options
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.limits.frameBytes,
    })
  }

  attach(server: HttpServer): void {
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
  }

  /** Tells every client to come back, and resolves once all are gone. */
  async close(): Promise<void> {
    this.#closing = true
    await Promise.all([...this.#connections].map((connection) => connection.close()))
    this.#server.close()
  }

  #isFull(user: User | undefined): boolean {
    const { sockets } = this.#options.limits
    if (this.#connections.size >= sockets) return true
    if (user) return false
    const strangers = [...this.#connections].filter(({ isKnown }) => !isKnown)
    return strangers.length >= Math.ceil(sockets / 10)
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    let user: User | undefined
    const { headers } = request
    const address = request.socket.remoteAddress ?? ''
    const admit = () => this.#options.access.admit({ headers, changes: true, address })
    try {
      if (request.url?.split('?', 1)[0] !== LIVE_PATH) {
        throw new HttpRefusal('route-not-found', `Only ${LIVE_PATH} is a WebSocket.`)
      }
      if (this.#closing) throw new HttpRefusal('not-running', 'The server is stopping. Connect again in a moment.')
      user = admit()
    } catch (error) {
      return refuse(socket, error)
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      const { traceparent } = headers
      const trace = typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? traceparent : undefined
      if (this.#isFull(user)) {
        webSocket.close(CLOSE.slowDown, 'Too many sockets are open')
        return
      }
      const connection = new Connection(webSocket, this.#options, { user, admit, address, trace })
      this.#connections.add(connection)
      webSocket.once('close', () => this.#connections.delete(connection))
    })
  }
}

/**
 * Answers an upgrade that is not taken, as any other request would be, and hangs up: nobody else looks after the socket any
 * more, and one whose client leaves its end open would be there for good.
 */
function refuse(socket: Duplex, error: unknown): void {
  const { problem, headers } = toProblem(error)
  const body = JSON.stringify(problem)
  const lines = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  socket.on('error', () => {})
  socket.once('finish', () => socket.destroy())
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

const names = <Name extends string>(table: Readonly<Record<Name, unknown>>) => Object.keys(table) as Name[]
const frameId = z.string().min(1).max(200)
const frame = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('hello'), protocol: z.number(), token: z.string().optional() }),
  z.strictObject({
    type: z.literal('subscribe'),
    id: frameId,
    topic: z.unknown().optional(),
    params: z.unknown().optional(),
    from: z.string().optional(),
  }),
  z.strictObject({ type: z.literal('window'), id: frameId, column: z.int().min(0), ...boardWindow.shape }),
  z.strictObject({ type: z.literal('unsubscribe'), id: frameId }),
  z.strictObject({
    type: z.literal('command'),
    id: frameId,
    name: z.unknown().optional(),
    payload: z.unknown().optional(),
  }),
  z.strictObject({ type: z.literal('pong') }),
])
type Frame = z.output<typeof frame>
const topicName = z.enum(names<Topic>(topics))
const commandName = z.enum(names<CommandName>(commands))
const commandId = z.uuid('A command’s id must be a UUID: it is how a repeat is recognised')

/** What the upgrade said of who is there. */
interface Peer {
  /** Undefined until `hello` brings a token. */
  readonly user: User | undefined
  /** What it says now: undefined once the sign-in has run out. */
  readonly admit: () => User | undefined
  readonly address: string
  readonly trace: string | undefined
}

class Connection implements Outlet {
  readonly app: RunningApp
  readonly #socket: WebSocket
  readonly #options: LiveOptions
  readonly #peer: Peer
  readonly #feeds = new Map<string, Feed>()
  #user: User | undefined
  #hasToken = false
  #welcomed = false
  #heard = true
  #commands = 0
  #timer: Timer

  constructor(socket: WebSocket, options: LiveOptions, peer: Peer) {
    this.app = options.app
    this.#socket = socket
    this.#options = options
    this.#peer = peer
    this.#user = peer.user
    this.#timer = this.#after(HELLO_MS, () => this.#bad('Say hello within 5 seconds'))
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary))
    socket.on('error', () => socket.terminate())
    socket.once('close', () => this.#gone())
  }

  /** @throws HttpRefusal `sign-in-required` before the welcome */
  get user(): User {
    return signedIn(this.#user)
  }

  get isKnown(): boolean {
    return this.#user !== undefined
  }

  get congested(): boolean {
    return this.#socket.bufferedAmount > this.#options.limits.bufferBytes
  }

  send(message: ServerFrame): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    if (this.#socket.bufferedAmount > this.#options.limits.backlogBytes) {
      // It does not read, so it will not read a close frame either.
      this.#socket.terminate()
      return
    }
    this.#socket.send(JSON.stringify(message), this.#sent)
  }

  fail(id: string, error: unknown): void {
    this.#feeds.delete(id)
    this.#refuse(id, error)
  }

  /** Resolves once the socket is gone. */
  close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    // By the machine's time, whatever clock the app has: this waits for the network.
    const giveUp = setTimeout(() => this.#socket.terminate(), CLOSE_MS)
    this.#socket.once('close', () => {
      clearTimeout(giveUp)
      resolve()
    })
    this.#socket.close(CLOSE.restarting, 'The server is restarting')
    if (this.#socket.readyState === this.#socket.CLOSED) resolve()
    return promise
  }

  readonly #sent = (): void => {
    if (this.#feeds.size === 0 || this.#socket.bufferedAmount > this.#options.limits.bufferBytes / 2) return
    for (const feed of this.#feeds.values()) {
      feed.drain()
      if (this.congested) return
    }
  }

  #after(ms: number, fire: () => void): Timer {
    const { clock } = this.#options
    return clock.at(clock.now() + ms, fire)
  }

  #ping(): void {
    if (!this.#heard) {
      this.#socket.terminate()
      return
    }
    if (!this.#hasToken && !this.#peer.admit()) {
      const expired = new HttpRefusal('sign-in-required', 'Your sign-in has run out. Sign in again.')
      return this.#close(CLOSE.signIn, expired)
    }
    this.#heard = false
    this.send({ type: 'ping' })
    this.#timer = this.#after(PING_MS, () => this.#ping())
  }

  #gone(): void {
    this.#timer.cancel()
    for (const feed of this.#feeds.values()) feed.close()
    this.#feeds.clear()
  }

  #bad(reason: string): void {
    const { problem } = toProblem(new HttpRefusal('bad-frame', `${reason}.`))
    this.send({ type: 'error', id: null, problem })
    this.#socket.close(CLOSE.badFrame, reason.slice(0, 120))
  }

  #receive(data: RawData, isBinary: boolean): void {
    this.#heard = true
    if (this.#socket.readyState !== this.#socket.OPEN) return
    const read = isBinary ? 'A frame must be text' : readFrame(String(data))
    if (typeof read === 'string') this.#bad(read)
    else if (this.#welcomed) this.#handle(read)
    else if (read.type !== 'hello') this.#bad('The first frame must be hello')
    else if (read.protocol !== 1) this.#bad('This server speaks protocol 1')
    else if (this.#knows(read.token)) this.#welcome()
  }

  /** Whether it is known who is there; otherwise the socket is closed with why. */
  #knows(token: string | undefined): boolean {
    const { auth } = this.#options.access
    try {
      if (auth && token !== undefined) {
        this.#user = auth.byKey(token, this.#peer.address)
        this.#hasToken = true
      }
      signedIn(this.#user)
      return true
    } catch (error) {
      this.#close(toProblem(error).problem.status === 429 ? CLOSE.slowDown : CLOSE.signIn, error)
      return false
    }
  }

  #close(code: number, error: unknown): void {
    const { problem } = toProblem(error)
    this.send({ type: 'error', id: null, problem })
    this.#socket.close(code, problem.title)
  }

  #welcome(): void {
    this.#welcomed = true
    this.#timer.cancel()
    this.#timer = this.#after(PING_MS, () => this.#ping())
    const { app } = this
    const { id, name } = this.user
    const server = { version: app.version, node: app.nodeId, time: new Date(this.#options.clock.now()).toISOString() }
    this.send({ type: 'welcome', user: { id, name }, position: String(app.reads.position), server })
  }

  #handle(read: Frame): void {
    switch (read.type) {
      case 'hello':
        return this.#bad('Say hello once')
      case 'pong':
        return
      case 'subscribe':
        return this.#subscribe(read.id, read.topic, read.params, read.from)
      case 'unsubscribe':
        this.#feeds.get(read.id)?.close()
        this.#feeds.delete(read.id)
        return
      case 'window':
        if (this.#feeds.get(read.id)?.window(read.column, read.after, read.limit)) return
        return this.#refuse(
          read.id,
          new HttpRefusal('invalid-input', `There is no board subscription "${read.id}" with a column ${read.column}.`),
        )
      case 'command':
        void this.#command(read.id, read.name, read.payload)
    }
  }

  #subscribe(id: string, topic: unknown, params: unknown, from: string | undefined): void {
    this.#feeds.get(id)?.close()
    this.#feeds.delete(id)
    try {
      if (this.#feeds.size >= this.#options.limits.subscriptions) {
        throw new HttpRefusal(
          'too-many-subscriptions',
          `One socket follows at most ${this.#options.limits.subscriptions} topics. Unsubscribe from some.`,
        )
      }
      const start = from === undefined ? undefined : position('from', from)
      this.#feeds.set(id, openFeed(this, id, topicName.parse(topic), params ?? {}, start))
    } catch (error) {
      this.#refuse(id, error)
    }
  }

  async #command(id: string, name: unknown, payload: unknown): Promise<void> {
    this.#commands += 1
    if (this.#commands === this.#options.limits.commands) this.#socket.pause()
    const { user } = this
    const { trace } = this.#peer
    const caller: Caller = {
      by: `user:${user.id}`,
      ownerId: user.id,
      commandId: id,
      ...(trace === undefined ? {} : { traceparent: trace }),
    }
    try {
      commandId.parse(id)
      const done = await runCommand(commandName.parse(name), payload ?? {}, this.app, caller, user)
      this.send({ type: 'ack', id, position: String(done.position), result: done.result })
    } catch (error) {
      this.#refuse(id, error)
    } finally {
      this.#commands -= 1
      if (this.#socket.isPaused) this.#socket.resume()
    }
  }

  #refuse(id: string, error: unknown): void {
    const { problem, unexpected } = toProblem(error)
    if (unexpected) this.#options.onError(error, `live frame ${id}`)
    this.send({ type: 'error', id, problem })
  }
}

/** The frame, or what is wrong with it. */
function readFrame(text: string): Frame | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'A frame must be JSON'
  }
  const read = frame.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  return `Not a frame: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`
}
