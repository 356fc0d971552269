/**
 * A reply that appears as it is written. What is written is said in parts, at most one in half a second, and its end says it
 * as a whole.
 *
 *   open ──end()──▶ said as a whole
 *     └──left──▶ said as a whole half a second later, unless its handler fails meanwhile: then what was written stands
 */
import { type Clock, CommandRefused, type Timer } from '../actors/index.ts'
import type { ReplyWriter } from './session.ts'

interface ReplyParts {
  readonly clock: Clock
  /** Those that have not ended: it stands in there until it was said as a whole. */
  readonly open: Set<StreamedReply>
  /** Says the text that begins at an offset, in UTF-16 units. */
  readonly part: (offset: number, text: string) => Promise<void>
  readonly whole: (text: string) => Promise<void>
}

const STREAM_EVERY_MS = 500

export class StreamedReply implements ReplyWriter {
  readonly #parts: ReplyParts
  #text = ''
  /** So much of it was said, or is being said. */
  #told = 0
  #toldAt = Number.NEGATIVE_INFINITY
  /** Nothing more is written. */
  #closed = false
  /** It is being said as a whole, or was. */
  #saying: Promise<void> | undefined
  #later: Timer | undefined

  constructor(parts: ReplyParts) {
    this.#parts = parts
    parts.open.add(this)
  }

  /** @throws CommandRefused once it has ended, TypeError for what is no text */
  readonly write = async (part: string): Promise<void> => {
    if (this.#closed) throw new CommandRefused('write', 'The reply has ended. Start another one with streamReply().')
    this.#text += asText(part, 'write')
    const { clock } = this.#parts
    const restMs = this.#toldAt + STREAM_EVERY_MS - clock.monotonic()
    if (restMs <= 0) await this.flush()
    // What a writer that pauses has said is shown all the same; if it may say no more, its next write tells it.
    else this.#later ??= clock.after(restMs, () => void this.flush().catch(() => {}))
  }

  readonly end = (): Promise<void> => {
    this.#closed = true
    this.#saying ??= this.#say()
    return this.#saying
  }

  /** A block that is left may be left by an error. Then another attempt says it, as it would what was left open. */
  readonly [Symbol.asyncDispose] = async (): Promise<void> => {
    if (this.#closed) return
    this.#closed = true
    await this.flush()
    const { clock, open } = this.#parts
    this.#later = clock.after(STREAM_EVERY_MS, () => void this.end().catch(() => open.add(this)))
  }

  /** Says what was written so far. */
  async flush(): Promise<void> {
    this.#later?.cancel()
    this.#later = undefined
    const offset = this.#told
    const part = this.#text.slice(offset)
    if (part === '' || this.#saying) return
    this.#told = this.#text.length
    this.#toldAt = this.#parts.clock.monotonic()
    await this.#parts.part(offset, part)
  }

  async #say(): Promise<void> {
    this.#later?.cancel()
    try {
      await this.#parts.whole(this.#text)
    } catch (error) {
      this.#saying = undefined // whoever ends it again says it again
      throw error
    } finally {
      this.#parts.open.delete(this)
    }
  }
}

/** Node runs a handler's types unchecked. @throws TypeError */
export function asText(text: unknown, method: string): string {
  if (typeof text === 'string') return text
  throw new TypeError(`${method}() takes text, not ${text === null ? 'null' : typeof text}. Use show() for data.`)
}
