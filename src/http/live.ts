/** /api/v1/live: topics out, commands in, over one WebSocket. Who gets one, and how all are sent away. */
import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { OriginNotAllowed } from './access.ts'
import { traceparentOf } from './caller.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { HttpRefusal } from './problems.ts'
import { rawAnswer } from './raw-answer.ts'
import type { User } from './users.ts'
import { CLOSE } from './wire.ts'

export const LIVE_PATH = '/api/v1/live'
/** What a close frame has room for. */
const REASON_BYTES = 123
const NOT_LET_IN = 'This page may not use this server without its option --origin.'

export class Live {
  readonly #options: ConnectionOptions
  readonly #server: WebSocketServer
  readonly #connections = new Set<Connection>()
  #closing = false

  constructor(options: ConnectionOptions) {
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
      if (!(error instanceof OriginNotAllowed)) return refuse(socket, error)
      const reason = Buffer.byteLength(error.brief) <= REASON_BYTES ? error.brief : NOT_LET_IN
      // No page can read the answer to an upgrade: it would ask again for ever, and nobody would know why.
      return this.#server.handleUpgrade(request, socket, head, (webSocket) => webSocket.close(CLOSE.stop, reason))
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      if (this.#isFull(user)) {
        webSocket.close(CLOSE.slowDown, 'Too many sockets are open')
        return
      }
      const connection = new Connection(webSocket, this.#options, {
        user,
        admit,
        address,
        traceparent: traceparentOf(headers),
      })
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
  socket.on('error', () => {})
  socket.once('finish', () => socket.destroy())
  socket.end(rawAnswer(error))
}
