/** A server over a fake app, its requests and its live socket; all taken down after the test. */
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { ManualClock } from '../../src/actors/index.ts'
import { type App, type StartOptions, startApp } from '../../src/app/index.ts'
import { createServer, type Server, type ServerOptions } from '../../src/http/index.ts'
import type { ClientFrame, Problem, ServerFrame } from '../../src/http/wire.ts'
import { FakeApp, T0 } from './fake-app.ts'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: unknown
}

interface Asking {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface Serving {
  readonly app: FakeApp
  readonly server: Server
  readonly clock: ManualClock
  /** What the server reported as its own fault. */
  readonly errors: unknown[]
  ask(method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'HEAD' | 'OPTIONS', url: string, asking?: Asking): Promise<Answer>
  get(url: string, headers?: Readonly<Record<string, string>>): Promise<Answer>
  post(url: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>
  /** The problem that a request is answered with. */
  refusal(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, asking?: Asking): Promise<Problem>
}

export async function serving(options: ServerOptions = {}): Promise<Serving> {
  const clock = new ManualClock(T0)
  const app = new FakeApp(clock)
  const errors: unknown[] = []
  const server = await createServer(app, { port: 0, clock, onError: (error) => errors.push(error), ...options })
  onTestFinished(() => server.close())

  const ask: Serving['ask'] = async (method, url, { body, headers } = {}) => {
    const response = await server.inject({
      method,
      url,
      headers: {
        host: 'localhost:3000',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const isJson = String(response.headers['content-type']).includes('json')
    return {
      status: response.statusCode,
      headers: response.headers,
      body: isJson && response.payload !== '' ? response.json() : response.payload,
    }
  }
  return {
    app,
    server,
    clock,
    errors,
    ask,
    get: (url, headers) => ask('GET', url, headers ? { headers } : {}),
    post: (url, body, headers) =>
      ask('POST', url, { ...(body === undefined ? {} : { body }), ...(headers ? { headers } : {}) }),
    async refusal(method, url, asking) {
      const { body, headers, status } = await ask(method, url, asking)
      if (!String(headers['content-type']).startsWith('application/problem+json')) {
        throw new Error(`${method} ${url} was answered ${status}, no problem`)
      }
      return body as Problem
    },
  }
}

/** The code of a problem's type. */
export const codeOf = (problem: Problem): string => problem.type.slice('urn:capsule:error:'.length)

/** A UUID for each number: the id of a command. */
export const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

/** A client of the live socket that keeps what it is told in order. */
export class LiveClient {
  readonly socket: WebSocket
  readonly closed: Promise<{ code: number; reason: string }>
  readonly #frames: ServerFrame[] = []
  #wake: () => void = () => {}

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/live`, { headers })
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }))
    })
    this.socket.on('error', () => {})
    this.socket.on('message', (data) => {
      this.#frames.push(JSON.parse(String(data)) as ServerFrame)
      this.#wake()
    })
    onTestFinished(() => this.socket.terminate())
  }

  async opened(): Promise<this> {
    if (this.socket.readyState === WebSocket.CONNECTING) {
      await new Promise((resolve, reject) => this.socket.once('open', resolve).once('error', reject))
    }
    return this
  }

  send(frame: ClientFrame): void {
    this.socket.send(JSON.stringify(frame))
  }

  async any(): Promise<ServerFrame> {
    for (;;) {
      const frame = this.#frames.shift()
      if (frame) return frame
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** The next frame, which must be of this type. */
  async next<T extends ServerFrame['type']>(type: T): Promise<Extract<ServerFrame, { type: T }>> {
    const frame = await this.any()
    if (frame.type !== type) throw new Error(`Expected a ${type} frame, got ${JSON.stringify(frame).slice(0, 500)}`)
    return frame as Extract<ServerFrame, { type: T }>
  }
}

/** A real app on an in-memory log, served until the test is over. */
export async function served(app: App, options: StartOptions = {}) {
  const running = await startApp(app, { data: 'memory', ...options })
  const server = await createServer(running, { port: 0 })
  onTestFinished(async () => {
    await server.close()
    await running.stop()
  })
  return { running, url: await server.listen() }
}

/** A listening server and a client that was welcomed. */
export async function connected(options: ServerOptions = {}) {
  const served = await serving(options)
  const url = await served.server.listen()
  const client = await new LiveClient(url).opened()
  client.send({ type: 'hello', protocol: 1 })
  const welcome = await client.next('welcome')
  return { ...served, url, client, welcome }
}

/** Resolves once the condition holds: for effects on the other side of a real socket. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise<void>((resolve) => setImmediate(resolve))
}
