/**
 * Server-sent events: one response that stays open. Keeps the connection alive with comments, never holds more than a
 * bounded backlog for a slow reader, and ends all streams when the server closes.
 */
import type { FastifyReply } from 'fastify'
import type { Clock, Timer } from '../actors/index.ts'
import { HttpRefusal } from './problems.ts'

/** A slow reader gets only the newest event once so many bytes wait for it. */
const BACKLOG_BYTES = 256 * 1024

export interface EventStream {
  /** `id` comes back as Last-Event-ID. `data` is JSON on one line. A slow reader skips to the newest. After the end: nothing. */
  send(event: string, data: unknown, id?: string): void
  /** Ends the response after what was sent. */
  end(): void
}

export class Streams {
  readonly clock: Clock
  readonly #heartbeatMs: number
  readonly #limit: number
  readonly #open = new Set<EventStream>()

  constructor(clock: Clock, options: { readonly heartbeatMs: number; readonly limit: number }) {
    this.clock = clock
    this.#heartbeatMs = options.heartbeatMs
    this.#limit = options.limit
  }

  /**
   * Takes over the response. `ended` is called once, whoever ended it. Without `mayStay` the stream ends: who asks again is
   * told why.
   * @throws HttpRefusal `overloaded` when too many streams are open
   */
  open(reply: FastifyReply, ended: () => void, mayStay: () => boolean): EventStream {
    if (this.#open.size >= this.#limit) {
      throw new HttpRefusal('overloaded', `${this.#limit} streams are open already. Close some, or try again later.`)
    }
    reply.header('content-type', 'text/event-stream; charset=utf-8')
    reply.header('cache-control', 'no-store')
    reply.header('x-accel-buffering', 'no')
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, headersOf(reply))
    raw.flushHeaders()

    let newest: string | undefined
    let heartbeat: Timer
    const write = (text: string) => {
      if (raw.writableEnded) return
      if (raw.writableLength > BACKLOG_BYTES) newest = text
      else raw.write(text)
    }
    const beat = () => {
      if (!mayStay()) return stream.end()
      if (raw.writableLength === 0) write(': still here\n\n')
      heartbeat = this.clock.at(this.clock.now() + this.#heartbeatMs, beat)
    }
    const stream: EventStream = {
      send(event, data, id) {
        write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
      },
      end() {
        // A slow reader may take a while to have it all. Writing or ending once more meanwhile would end the process.
        if (!raw.writableEnded) raw.end(newest)
      },
    }
    raw.on('drain', () => {
      if (newest !== undefined) raw.write(newest)
      newest = undefined
    })
    const close = () => {
      heartbeat.cancel()
      this.#open.delete(stream)
      ended()
    }
    // Who hung up before this has been told of already, and it is not said twice.
    if (raw.destroyed) queueMicrotask(close)
    else raw.once('close', close)
    heartbeat = this.clock.at(this.clock.now() + this.#heartbeatMs, beat)
    this.#open.add(stream)
    return stream
  }

  endAll(): void {
    for (const stream of this.#open) stream.end()
  }
}

function headersOf(reply: FastifyReply): Record<string, string | number | string[]> {
  const headers: Record<string, string | number | string[]> = {}
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) headers[name] = value
  return headers
}
