/**
 * One live socket: who is there, what it follows, and the commands that it sends.
 *
 *   opened ──hello within 5 s──▶ welcome ──▶ subscriptions and commands ──▶ closed
 *      ├── no key, or a wrong one ──▶ 4401
 *      └── anything else ──▶ 4400
 *
 * It is dropped when it stays silent, sends what is no frame, or lets the backlog grow without reading.
 */
import type { RawData, WebSocket } from 'ws'
import type { Clock, Timer } from '../actors/index.ts'
import type { RunningApp } from '../app/index.ts'
import type { Access } from './access.ts'
import { callerOf } from './caller.ts'
import { runCommand } from './commands.ts'
import { type Feed, type Outlet, openFeed } from './feed.ts'
import { commandId, commandName, type Frame, readFrame, topicName } from './frames.ts'
import type { LiveLimits } from './live-limits.ts'
import { HttpRefusal, toProblem } from './problems.ts'
import { position } from './route.ts'
import { signedIn, type User } from './users.ts'
import type { ServerFrame } from './wire.ts'
import { CLOSE } from './wire.ts'

const HELLO_MS = 5000
const PING_MS = 20_000
/** How long a client may take to answer the close of its socket. */
const CLOSE_MS = 1000

export interface ConnectionOptions {
  readonly app: RunningApp
  readonly access: Access
  readonly clock: Clock
  readonly limits: LiveLimits
  /** Told of errors that no client could have caused. */
  readonly onError: (error: unknown, context: string) => void
}

/** What the upgrade said of who is there. */
export interface Peer {
  /** Undefined until `hello` brings a token. */
  readonly user: User | undefined
  /** What it says now: undefined once the sign-in has run out. */
  readonly admit: () => User | undefined
  readonly address: string
  readonly traceparent: string | undefined
}

export class Connection implements Outlet {
  readonly app: RunningApp
  readonly #socket: WebSocket
  readonly #options: ConnectionOptions
  readonly #peer: Peer
  readonly #feeds = new Map<string, Feed>()
  #user: User | undefined
  #hasToken = false
  #welcomed = false
  #heard = true
  #commands = 0
  #timer: Timer

  constructor(socket: WebSocket, options: ConnectionOptions, peer: Peer) {
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
    const caller = callerOf(user, { commandId: id, traceparent: this.#peer.traceparent })
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
