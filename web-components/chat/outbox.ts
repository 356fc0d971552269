/**
 * Messages the reader has sent and the server has not acknowledged. They live in localStorage, so a message typed in a
 * tunnel survives a reload; each carries the command id made when it was typed, so sending it again can never say it twice.
 */

export interface OutboxEntry {
  /** The command id: made once, used for every attempt. */
  readonly id: string
  readonly text: string
  /** When it was typed, ISO 8601. */
  readonly at: string
  /** Whether the conversation may have to be started for it. */
  readonly create: boolean
  /** The message it became, once that is known. */
  readonly messageId?: string
  /** Set by the server's acknowledgement. An acknowledged entry is only waiting to be seen in the transcript. */
  readonly acknowledged?: true
  /** Why the server refused it. */
  readonly refused?: string
}

/** The part of `Storage` that is used; where it is forbidden or full it may throw, and is then as good as empty. */
export type KeyValueStore = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>

/**
 * The outbox of one conversation. Every entry has a key of its own, so two tabs that write into the same conversation do
 * not overwrite each other's; both may send an entry, and its id makes that one message.
 */
export class Outbox {
  readonly #storage: KeyValueStore
  readonly #prefix: string
  #entries: readonly OutboxEntry[]

  /** @param prefix names the conversation, unique among all conversations of all servers on this origin */
  constructor(storage: KeyValueStore, prefix: string) {
    this.#storage = storage
    this.#prefix = `${prefix}:`
    this.#entries = this.#load()
  }

  /** Oldest first. The array is replaced, never changed, when an entry does. */
  get entries(): readonly OutboxEntry[] {
    return this.#entries
  }

  /** Those which are still to be sent, or sent and not answered, oldest first. */
  get unanswered(): readonly OutboxEntry[] {
    return this.#entries.filter((entry) => !entry.acknowledged && entry.refused === undefined)
  }

  add(entry: OutboxEntry): void {
    this.#entries = [...this.#entries, entry]
    this.#store(entry)
  }

  /** The server has it, as this message. */
  acknowledge(id: string, messageId: string): void {
    this.#change(id, { messageId, acknowledged: true })
    this.#forget(id)
  }

  /** The server will not have it; it stays to be read, sent again or thrown away. */
  refuse(id: string, reason: string): void {
    const entry = this.#change(id, { refused: reason })
    if (entry) this.#store(entry)
  }

  remove(id: string): void {
    this.#entries = this.#entries.filter((entry) => entry.id !== id)
    this.#forget(id)
  }

  /** Drops the acknowledged entries whose messages are now in the transcript. */
  seen(messageIds: ReadonlySet<string>): void {
    const left = this.#entries.filter(
      (entry) => !(entry.acknowledged && entry.messageId !== undefined && messageIds.has(entry.messageId)),
    )
    if (left.length < this.#entries.length) this.#entries = left
  }

  /**
   * A message with this text has appeared in the transcript: if one is under way, it is taken to be that one, so that the
   * reader does not see it twice in the moment between the change and the acknowledgement.
   */
  appeared(messageId: string, text: string): void {
    if (this.#entries.some((entry) => entry.messageId === messageId)) return
    const match = this.unanswered.find((entry) => entry.messageId === undefined && entry.text === text)
    if (match) this.#change(match.id, { messageId })
  }

  #change(id: string, facts: Partial<OutboxEntry>): OutboxEntry | undefined {
    this.#entries = this.#entries.map((entry) => (entry.id === id ? { ...entry, ...facts } : entry))
    return this.#entries.find((entry) => entry.id === id)
  }

  #load(): readonly OutboxEntry[] {
    const entries: OutboxEntry[] = []
    try {
      for (let index = 0; index < this.#storage.length; index++) {
        const key = this.#storage.key(index)
        if (!key?.startsWith(this.#prefix)) continue
        const entry = parseEntry(this.#storage.getItem(key))
        if (entry) entries.push(entry)
      }
    } catch {
      // As good as empty.
    }
    return entries.sort((a, b) => a.at.localeCompare(b.at))
  }

  #store(entry: OutboxEntry): void {
    const { messageId: _, ...lasting } = entry
    try {
      this.#storage.setItem(this.#prefix + entry.id, JSON.stringify(lasting))
    } catch {
      // The message is still sent from memory, it only does not survive a reload.
    }
  }

  #forget(id: string): void {
    try {
      this.#storage.removeItem(this.#prefix + id)
    } catch {
      // Then it was never stored.
    }
  }
}

function parseEntry(json: string | null): OutboxEntry | null {
  try {
    const value: unknown = JSON.parse(json ?? 'null')
    return isEntry(value) ? value : null
  } catch {
    return null
  }
}

function isEntry(value: unknown): value is OutboxEntry {
  return (
    typeof value === 'object' &&
    value !== null &&
    'id' in value &&
    typeof value.id === 'string' &&
    'text' in value &&
    typeof value.text === 'string' &&
    'at' in value &&
    typeof value.at === 'string' &&
    'create' in value &&
    typeof value.create === 'boolean'
  )
}
