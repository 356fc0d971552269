/**
 * One live connection to a server: topics in, commands out.
 *
 *   connecting ──welcome──▶ live ──socket lost──▶ offline ──welcome──▶ live
 *        └──────────── told to stop, or not signed in ─────────▶ stopped
 *
 * Subscriptions and unanswered commands outlive sockets: after a reconnect the former continue from the position
 * they hold, the latter are sent again under the same id, which the server takes once.
 */
import type { ClientFrame, CommandName, Commands, Problem, ServerFrame, Topic, Topics } from '../../src/http/wire.ts'
import { apply } from './apply.ts'
import { localProblem, ProblemError } from './problem.ts'
import { type RestOptions, rest } from './rest.ts'

export type ConnectionStatus = 'connecting' | 'live' | 'offline' | 'stopped'

export interface ConnectionState {
  readonly status: ConnectionStatus
  /** When it became so, ms of the client's clock. */
  readonly since: number
  /** Why it is offline or stopped, when somebody said so. */
  readonly problem: Problem | undefined
}

/** What the browser gives; a test passes its own. */
export interface Surroundings {
  socket: (url: string) => WebSocket
  now: () => number
  setTimeout: (run: () => void, ms: number) => number
  clearTimeout: (timer: number) => void
  /** In [0, 1). */
  random: () => number
  uuid: () => string
}

/** Gives the token of the signed-in user; asked again with `refused: true` when the server did not take the last one. */
export type TokenSource = (refused: boolean) => string | undefined | Promise<string | undefined>

/** A topic as it is now. The object stays; its fields move on, and the listener is called after each move. */
export interface Subscription<T extends Topic> {
  readonly data: Topics[T]['data'] | undefined
  /** The log position `data` is at. */
  readonly position: string | undefined
  /** Set while the server refuses this subscription. */
  readonly problem: Problem | undefined
  /** Board only: shows other cards of a column. */
  window(column: number, after: number, limit: number): void
  close(): void
}

export const BACKOFF = { base: 500, max: 30_000 } as const
/** The server pings every 20 s: two missed ones and a bit. */
export const SILENCE = 45_000
const SLOW_DOWN = 5_000
/** Bytes of a frame that a server takes. It hangs up on a larger one, and would so every time it is sent again. */
const LARGEST_FRAME = 1024 * 1024
/** As CLOSE in wire.ts, of which only types cross over. */
const CLOSE = { badFrame: 4400, signIn: 4401, stop: 4403, slowDown: 4429 } as const

type BoardFrame = Extract<ClientFrame, { type: 'window' }>

interface Feed {
  id: string
  topic: Topic
  params: Topics[Topic]['params']
  data: Topics[Topic]['data'] | undefined
  position: string | undefined
  problem: Problem | undefined
  listener: () => void
}

interface PendingCommand {
  frame: Extract<ClientFrame, { type: 'command' }>
  resolve: (result: Commands[CommandName]['result']) => void
  reject: (error: ProblemError) => void
}

export class Connection {
  /** Base URL of the server, without a trailing slash. */
  readonly base: string
  /** Who the server says we are, once welcome. */
  user: { id: string; name: string } | undefined
  server: { version: string; node: string } | undefined
  /** Where to get a token; set it before the first element connects. */
  token: TokenSource | undefined
  #state: ConnectionState
  #surroundings: Surroundings
  #socket: WebSocket | undefined
  #timer: number | undefined
  #silence: number | undefined
  #failures = 0
  #refusedToken = false
  /** Whom the last token is from. */
  #asked: TokenSource | undefined
  #refreshed = false
  #lastToken: string | undefined
  #offset = 0
  #helloAt = 0
  #position: string | undefined
  #feeds = new Map<string, Feed>()
  #commands = new Map<string, PendingCommand>()
  #listeners = new Set<() => void>()

  constructor(base: string, surroundings: Surroundings = browser) {
    this.base = base
    this.#surroundings = surroundings
    this.#state = { status: 'connecting', since: surroundings.now(), problem: undefined }
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** The highest log position heard of. */
  get position(): string | undefined {
    return this.#position
  }

  /** The server's clock, ms since the epoch: what countdowns count against. */
  now(): number {
    return this.#surroundings.now() + this.#offset
  }

  /** Calls `listener` when the state changes; returns how to stop that. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  open(): void {
    if (this.#socket || this.#timer !== undefined) return
    if (this.#state.status === 'stopped') this.#become('connecting')
    void this.#connect()
  }

  /** Ends the socket and keeps what was subscribed; `open` goes on from there. */
  close(): void {
    this.#clearTimers()
    this.#drop()?.close(1000)
  }

  /** Tries at once instead of waiting out the backoff, because the network or the reader came back. */
  retryNow(): void {
    if (this.#state.status !== 'offline' || this.#timer === undefined) return
    this.#clearTimers()
    void this.#connect()
  }

  /** Follows a topic. `listener` is called after every change of the subscription's fields. */
  subscribe<T extends Topic>(topic: T, params: Topics[T]['params'], listener: () => void): Subscription<T> {
    const feed: Feed = {
      id: this.#surroundings.uuid(),
      topic,
      params,
      data: undefined,
      position: undefined,
      problem: undefined,
      listener,
    }
    this.#feeds.set(feed.id, feed)
    if (this.#state.status === 'live') this.#sendSubscribe(feed)
    return {
      // The server answers a subscription with data of its topic.
      get data() {
        return feed.data as Topics[T]['data'] | undefined
      },
      get position() {
        return feed.position
      },
      get problem() {
        return feed.problem
      },
      window: (column, after, limit) => this.#moveWindow(feed, { type: 'window', id: feed.id, column, after, limit }),
      close: () => {
        if (this.#feeds.delete(feed.id) && this.#state.status === 'live')
          this.#send({ type: 'unsubscribe', id: feed.id })
      },
    }
  }

  /**
   * Asks the server to do something; kept and repeated across reconnects until it is answered.
   * @param id a uuid; give your own to repeat a command of an earlier page without doing it twice
   * @throws ProblemError the server refused, it is too large to be sent, or the connection was told to stop
   */
  command<C extends CommandName>(
    name: C,
    payload: Commands[C]['payload'],
    id: string = this.#surroundings.uuid(),
  ): Promise<Commands[C]['result']> {
    const stopped = this.#state.status === 'stopped' ? this.#state.problem : undefined
    if (stopped) return Promise.reject(new ProblemError(stopped))
    // TypeScript cannot see that a name and its payload stay together in the union.
    const frame = { type: 'command', id, name, payload } as PendingCommand['frame']
    if (new TextEncoder().encode(JSON.stringify(frame)).length > LARGEST_FRAME) {
      const detail = 'It is larger than the server takes at once: 1 MB.'
      return Promise.reject(new ProblemError(localProblem('payload-too-large', 'Too large', detail, 413)))
    }
    // Asked for already, by another element: both are answered.
    const before = this.#commands.get(id)
    return new Promise((resolve, reject) => {
      this.#commands.set(id, {
        frame,
        resolve: (result) => {
          before?.resolve(result)
          resolve(result)
        },
        reject: (error) => {
          before?.reject(error)
          reject(error)
        },
      })
      if (!before && this.#state.status === 'live') this.#send(frame)
    })
  }

  /** Fetches a path of the server's HTTP API; errors are ProblemErrors. */
  rest<R>(path: string, options: Omit<RestOptions, 'token'> = {}): Promise<R> {
    return rest<R>(this.base, path, { ...options, token: this.#lastToken })
  }

  async #connect(): Promise<void> {
    this.#timer = this.#surroundings.setTimeout(() => this.#lost(), SILENCE)
    // Named meanwhile: no token of its was refused.
    if (this.token !== this.#asked) this.#refreshed = this.#refusedToken = false
    this.#asked = this.token
    const refused = this.#refusedToken
    this.#refusedToken = false
    try {
      this.#lastToken = (await this.token?.(refused)) ?? undefined
    } catch {
      return this.#lost()
    }
    // Closed while the token was on its way.
    if (this.#timer === undefined || this.#socket) return
    this.#clearTimers()
    if (!/^https?:\/\/./.test(this.base)) {
      const detail = `"${this.base}" is no address of a server. Write it as https://capsule.example.`
      return this.#stop(localProblem('unreachable', 'Not reachable', detail))
    }
    let socket: WebSocket
    try {
      socket = this.#surroundings.socket(`${this.base.replace(/^http/, 'ws')}/api/v1/live`)
    } catch (error) {
      // None that this page may call: it will not be one the next time.
      return this.#stop(localProblem('unreachable', 'Not reachable', String(error)))
    }
    this.#socket = socket
    this.#hear()
    socket.onopen = () => {
      this.#helloAt = this.#surroundings.now()
      const token = this.#lastToken
      this.#send({ type: 'hello', protocol: 1, ...(token === undefined ? {} : { token }) })
    }
    socket.onmessage = (event: MessageEvent<string>) => {
      if (socket !== this.#socket) return
      this.#hear()
      this.#receive(JSON.parse(event.data) as ServerFrame)
    }
    socket.onclose = (event: CloseEvent) => {
      if (socket === this.#socket) this.#lost(event.code, event.reason)
    }
  }

  #receive(frame: ServerFrame): void {
    switch (frame.type) {
      case 'welcome':
        this.#welcome(frame)
        break
      case 'ping':
        this.#send({ type: 'pong' })
        break
      case 'ack': {
        const command = this.#commands.get(frame.id)
        this.#commands.delete(frame.id)
        this.#reach(frame.position)
        command?.resolve(frame.result)
        break
      }
      case 'error':
        this.#refused(frame.id, frame.problem)
        break
      case 'snapshot':
      case 'delta': {
        const feed = this.#feeds.get(frame.id)
        if (feed) this.#take(feed, frame)
      }
    }
  }

  #welcome(frame: Extract<ServerFrame, { type: 'welcome' }>): void {
    this.user = frame.user
    this.server = frame.server
    this.#failures = 0
    this.#refreshed = false
    const { time } = frame.server
    if (time !== undefined) {
      const now = this.#surroundings.now()
      this.#offset = Date.parse(time) + (now - this.#helloAt) / 2 - now
    }
    this.#reach(frame.position)
    this.#become('live')
    for (const feed of this.#feeds.values()) this.#sendSubscribe(feed)
    for (const command of this.#commands.values()) this.#send(command.frame)
  }

  #refused(id: string | null, problem: Problem): void {
    if (id === null) return
    const command = this.#commands.get(id)
    if (command) {
      this.#commands.delete(id)
      command.reject(new ProblemError(problem))
      return
    }
    const feed = this.#feeds.get(id)
    if (!feed) return
    feed.problem = problem
    feed.listener()
    if (problem.status >= 500) this.#surroundings.setTimeout(() => this.#startOver(feed, problem), SLOW_DOWN)
  }

  /** The server could not serve it: its log may be another one by now, so what we hold is no place to go on from. */
  #startOver(feed: Feed, problem: Problem): void {
    if (feed.problem !== problem || this.#feeds.get(feed.id) !== feed) return
    feed.position = undefined
    if (this.#state.status === 'live') this.#resubscribe(feed)
  }

  #take(feed: Feed, frame: Extract<ServerFrame, { type: 'snapshot' | 'delta' }>): void {
    if (frame.type === 'snapshot') {
      feed.data = frame.data
      feed.position = frame.position
    } else {
      if (feed.data === undefined || feed.position === undefined) return
      if (frame.from !== feed.position) {
        // A delta that ends where we are was overtaken by a snapshot.
        if (comparePositions(frame.to, feed.position) > 0) this.#resubscribe(feed)
        return
      }
      // Data and changes are of the feed's topic: the union cannot say so.
      const applier = apply[feed.topic] as (data: unknown, changes: unknown, to: string) => Feed['data']
      const next = applier(feed.data, frame.changes, frame.to)
      if (next === undefined) {
        feed.position = undefined
        this.#resubscribe(feed)
        return
      }
      feed.data = next
      feed.position = frame.to
    }
    feed.problem = undefined
    this.#reach(feed.position)
    feed.listener()
  }

  /** Under a new id, so that what is still under way for the old one is not mistaken for the answer. */
  #resubscribe(feed: Feed): void {
    this.#send({ type: 'unsubscribe', id: feed.id })
    this.#feeds.delete(feed.id)
    feed.id = this.#surroundings.uuid()
    this.#feeds.set(feed.id, feed)
    this.#sendSubscribe(feed)
  }

  #sendSubscribe(feed: Feed): void {
    const from = feed.position === undefined ? {} : { from: feed.position }
    // Topic and params stay together in a feed: the union cannot say so.
    this.#send({ type: 'subscribe', id: feed.id, topic: feed.topic, params: feed.params, ...from } as ClientFrame)
  }

  #moveWindow(feed: Feed, { column, after, limit }: BoardFrame): void {
    if (feed.topic !== 'board' || !this.#feeds.has(feed.id)) return
    const params = feed.params as Topics['board']['params']
    const windows = params.windows?.slice() ?? []
    while (windows.length <= column) windows.push({ after: 0, limit: 50 })
    windows[column] = { after, limit }
    feed.params = { ...params, windows }
    if (this.#state.status === 'live') this.#send({ type: 'window', id: feed.id, column, after, limit })
  }

  #lost(code = 1006, reason = ''): void {
    this.#clearTimers()
    this.#drop()
    if (code === CLOSE.signIn) {
      if (!this.token || (this.#refreshed && this.token === this.#asked)) {
        this.#stop(localProblem('sign-in', 'Sign in again', reason || 'The server asks you to sign in again.', 401))
        return
      }
      this.#refreshed = true
      this.#refusedToken = true
      this.#become('connecting')
      void this.#connect()
      return
    }
    if (code === CLOSE.stop || code === CLOSE.badFrame) {
      const said = reason || 'The server ended this connection.'
      this.#stop(localProblem('stopped', code === CLOSE.stop ? 'Not let in' : 'Connection ended', said, 403))
      return
    }
    const ceiling = Math.min(BACKOFF.max, BACKOFF.base * 2 ** this.#failures)
    this.#failures += 1
    const floor = code === CLOSE.slowDown ? SLOW_DOWN : 0
    this.#become('offline')
    this.#timer = this.#surroundings.setTimeout(
      () => {
        this.#timer = undefined
        void this.#connect()
      },
      floor + this.#surroundings.random() * ceiling,
    )
  }

  #stop(problem: Problem): void {
    this.#become('stopped', problem)
    const commands = [...this.#commands.values()]
    this.#commands.clear()
    for (const command of commands) command.reject(new ProblemError(problem))
  }

  #drop(): WebSocket | undefined {
    const socket = this.#socket
    this.#socket = undefined
    return socket
  }

  #send(frame: ClientFrame): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame))
  }

  /** Something was heard: a socket that says nothing for too long is as good as lost. */
  #hear(): void {
    if (this.#silence !== undefined) this.#surroundings.clearTimeout(this.#silence)
    this.#silence = this.#surroundings.setTimeout(() => {
      this.#socket?.close()
      this.#lost()
    }, SILENCE)
  }

  #clearTimers(): void {
    for (const timer of [this.#timer, this.#silence]) if (timer !== undefined) this.#surroundings.clearTimeout(timer)
    this.#timer = undefined
    this.#silence = undefined
  }

  #reach(position: string): void {
    if (this.#position === undefined || comparePositions(position, this.#position) > 0) this.#position = position
  }

  #become(status: ConnectionStatus, problem?: Problem): void {
    const since = this.#state.status === status ? this.#state.since : this.#surroundings.now()
    this.#state = { status, since, problem }
    for (const listener of [...this.#listeners]) listener()
  }
}

/** Positions are decimal and may be longer than a number holds. Negative, zero or positive, as for a sort. */
export function comparePositions(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
}

const browser: Surroundings = {
  socket: (url) => new WebSocket(url),
  now: () => Date.now(),
  setTimeout: (run, ms) => window.setTimeout(run, ms),
  clearTimeout: (timer) => window.clearTimeout(timer),
  random: () => Math.random(),
  // randomUUID exists in secure contexts only; a server on a LAN is often plain http.
  uuid: () => crypto.randomUUID?.() ?? uuidFromRandomBytes(crypto.getRandomValues(new Uint8Array(16))),
}

function uuidFromRandomBytes(bytes: Uint8Array): string {
  const hex = [...bytes].map((byte, at) => {
    const value = at === 6 ? (byte & 0x0f) | 0x40 : at === 8 ? (byte & 0x3f) | 0x80 : byte
    return value.toString(16).padStart(2, '0')
  })
  return [hex.slice(0, 4), hex.slice(4, 6), hex.slice(6, 8), hex.slice(8, 10), hex.slice(10)]
    .map((part) => part.join(''))
    .join('-')
}

/** A uuid for a command whose id must be known before it is sent. */
export function newId(): string {
  return browser.uuid()
}
