/**
 * What a chat remembers between reloads, per server: which conversation was open, and the draft of each. Storage that is
 * forbidden (a private window, a sandboxed frame) is treated as empty.
 */
import type { KeyValueStore } from './outbox.ts'

export class ChatMemory {
  readonly #storage: KeyValueStore
  readonly #prefix: string

  /** @param src the server's origin: two servers embedded in one page do not share conversations */
  constructor(storage: KeyValueStore, src: string) {
    this.#storage = storage
    this.#prefix = `capsule:${src}`
  }

  /** The conversation that `session="auto"` opens; null when there was none yet. */
  get conversation(): string | null {
    return this.#get('conversation')
  }

  set conversation(id: string | null) {
    this.#set('conversation', id)
  }

  draft(session: string): string {
    return this.#get(`draft:${session}`) ?? ''
  }

  setDraft(session: string, text: string): void {
    this.#set(`draft:${session}`, text === '' ? null : text)
  }

  outboxKey(session: string): string {
    return `${this.#prefix}:outbox:${session}`
  }

  #get(name: string): string | null {
    try {
      return this.#storage.getItem(`${this.#prefix}:${name}`)
    } catch {
      return null
    }
  }

  #set(name: string, value: string | null): void {
    try {
      if (value === null) this.#storage.removeItem(`${this.#prefix}:${name}`)
      else this.#storage.setItem(`${this.#prefix}:${name}`, value)
    } catch {
      // Forgetting is all that happens.
    }
  }
}

/** localStorage, or a forgetful stand-in where the page may not use it. */
export function pageStorage(): KeyValueStore {
  try {
    return window.localStorage
  } catch {
    const values = new Map<string, string>()
    return {
      getItem: (key) => values.get(key) ?? null,
      setItem: (key, value) => void values.set(key, value),
      removeItem: (key) => void values.delete(key),
      key: (index) => [...values.keys()][index] ?? null,
      get length() {
        return values.size
      },
    }
  }
}
