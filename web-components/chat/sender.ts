/**
 * The way of what the reader has said to the server: kept in the outbox of the conversation, handed to the connection,
 * which repeats it under its id until it is answered, and gone once the transcript shows it.
 */
import type { TranscriptItem } from '../../src/http/wire.ts'
import { type Connection, newId, ProblemError } from '../client/index.ts'
import { announce } from '../shared/index.ts'
import type { Outbox, OutboxEntry } from './outbox.ts'

interface SenderOptions {
  connection: () => Connection | undefined
  /** The server has taken a message of the conversation shown. */
  onTaken: () => void
  /** The conversation that was to begin with this message is not to be found: it is somebody else's. */
  onForeign: (entry: OutboxEntry) => void
  /** What is on its way is another than before. */
  onChange: () => void
}

export class Sender {
  readonly #options: SenderOptions
  #session = ''
  #outbox: Outbox
  /** What was handed to which connection, so that an element that comes back does not hand it over twice. */
  readonly #handedOver = new WeakMap<Connection, Set<string>>()
  /** The messages of the transcript. */
  #seen: ReadonlySet<string> = new Set()

  constructor(outbox: Outbox, options: SenderOptions) {
    this.#outbox = outbox
    this.#options = options
  }

  /** On its way or refused, oldest first. */
  get entries(): readonly OutboxEntry[] {
    return this.#outbox.entries
  }

  /** Those still to be sent, or sent and not answered. */
  get unanswered(): readonly OutboxEntry[] {
    return this.#outbox.unanswered
  }

  /** Another conversation is shown; what is on its way in the one before goes on. */
  enter(session: string, outbox: Outbox): void {
    this.#session = session
    this.#outbox = outbox
    this.#seen = new Set()
  }

  /** Begins to send. `create`: the conversation may have to be begun for it. */
  send(text: string, create: boolean): void {
    this.#outbox.add({ id: newId(), text, at: new Date().toISOString(), create })
    this.#options.onChange()
    this.flush()
  }

  /** Takes a message out of what is on its way. */
  take(id: string): OutboxEntry | undefined {
    const entry = this.entries.find((candidate) => candidate.id === id)
    this.#outbox.remove(id)
    this.#options.onChange()
    return entry
  }

  /** Hands everything unanswered to the connection, once. */
  flush(): void {
    const connection = this.#options.connection()
    if (!connection) return
    const handed = this.#handedOver.get(connection) ?? new Set()
    this.#handedOver.set(connection, handed)
    for (const entry of this.unanswered) {
      if (handed.has(entry.id)) continue
      handed.add(entry.id)
      void this.#handOver(connection, this.#outbox, this.#session, entry)
    }
  }

  /** `fresh` are those of the items that were not there before. */
  arrived(items: readonly TranscriptItem[], fresh: readonly TranscriptItem[]): void {
    for (const item of fresh) if (item.kind === 'message') this.#outbox.appeared(item.id, item.text)
    this.#seen = new Set(items.filter((item) => item.kind === 'message').map((item) => item.id))
    this.#outbox.seen(this.#seen)
  }

  async #handOver(connection: Connection, outbox: Outbox, session: string, entry: OutboxEntry): Promise<void> {
    const payload = { session_id: session, text: entry.text, ...(entry.create ? { create: true } : {}) }
    const isShown = () => outbox === this.#outbox
    try {
      const { message_id } = await connection.command('message.send', payload, entry.id)
      outbox.acknowledge(entry.id, message_id)
      if (isShown()) this.#options.onTaken()
      this.#outbox.seen(this.#seen)
    } catch (error) {
      if (isShown() && entry.create && error instanceof ProblemError && error.status === 404) {
        outbox.remove(entry.id)
        this.#options.onForeign(entry)
        return
      }
      outbox.refuse(entry.id, reasonOf(error))
      announce(`Not sent: ${reasonOf(error)}`)
    }
    this.#options.onChange()
  }
}

/** Why something was refused, in a sentence. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
