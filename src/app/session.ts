/**
 * What a handler can do with a conversation. Every call carries the claim of the turn or attempt that makes it, so a
 * handler that lost its claim says nothing more; resolved means durable.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type ActorSystem,
  CommandRefused,
  InvalidInput,
  type Origin,
  type SessionCommand,
  type Speaker,
  sessionKind,
  type Timer,
} from '../actors/index.ts'
import { copyOf, type JsonObject, type JsonValue, newId, plainJson, streamName } from '../events/index.ts'
import type { ItemView, ReadModels } from '../projections/index.ts'

export interface User {
  readonly ownerId: string
}

export interface Said {
  readonly role: 'user' | 'assistant'
  readonly text: string
  /** ISO 8601. */
  readonly at: string
}

/**
 * Text that appears as it is written: `await using writer = session.streamReply()`. It has been said once it was ended, or its
 * handler has come to its end; of one that fails with its id it is written anew by the next attempt.
 */
export interface ReplyWriter extends AsyncDisposable {
  write(text: string): Promise<void>
  end(): Promise<void>
}

export interface SessionData {
  get(key: string): Promise<JsonValue | undefined>
  set(key: string, value: JsonValue): Promise<void>
  delete(key: string): Promise<void>
  all(): Promise<JsonObject>
}

/** Anything that shows which task is meant: a handle, or its id. */
export type TaskReference = string | { readonly taskId: string }

export interface Session {
  /** Undefined for scheduled work, which has an owner but no conversation. */
  readonly id: string | undefined
  readonly user: User
  /** Says something. With an id it appears once, however often it is said (over retries of a task, say). */
  reply(text: string, options?: { readonly id?: string }): Promise<void>
  /** A quiet line that replaces the one with the same id; by default one line a task or turn. */
  notify(text: string, options?: { readonly id?: string }): Promise<void>
  streamReply(options?: { readonly id?: string }): ReplyWriter
  /** Shows a block of the page DSL, or any JSON. */
  show(block: JsonObject, options?: { readonly id?: string }): Promise<void>
  /** A live card of a task. */
  showTask(task: TaskReference, options?: { readonly message?: string; readonly id?: string }): Promise<void>
  showImage(url: string, options?: { readonly alt?: string; readonly id?: string }): Promise<void>
  setTitle(title: string): Promise<void>
  /** What was said so far, oldest first. */
  history(options?: { readonly limit?: number }): Promise<readonly Said[]>
  /** Key-value state of this conversation. */
  readonly data: SessionData
}

/** How a session's calls are held against the claim of whoever makes them. */
export interface Voice {
  readonly speaker: Speaker
  /** Of what this handler says with an id: the same over all attempts of a task. */
  readonly scope: string
  readonly origin: Origin
  /** @throws AttemptFenced */
  confirmCurrent(): Promise<void>
}

interface Services {
  readonly system: ActorSystem
  readonly reads: ReadModels
}

const STREAM_EVERY_MS = 500

export class ChatSession implements Session {
  readonly id: string
  readonly user: User
  readonly data: SessionData
  readonly #services: Services
  readonly #voice: Voice
  /** Streamed replies that have not ended. */
  readonly #writing = new Set<{ flush(): Promise<void>; end(): Promise<void> }>()

  constructor(services: Services, id: string, user: User, voice: Voice) {
    this.#services = services
    this.id = id
    this.user = user
    this.#voice = voice
    this.data = {
      // Copies: what is done to them changes nothing here.
      get: async (key) => {
        const { data } = await this.#context()
        return Object.hasOwn(data, key) ? copyOf(data[key]) : undefined
      },
      set: async (key, value) => this.#say({ type: 'setData', key, value: plainJson(value), speaker: voice.speaker }),
      delete: (key) => this.#say({ type: 'setData', key, value: null, speaker: voice.speaker }),
      all: async () => copyOf((await this.#context()).data),
    }
  }

  reply(text: string, options: { readonly id?: string } = {}): Promise<void> {
    return this.#say({
      type: 'reply',
      replyId: this.#idOf(options.id),
      text: asText(text, 'reply'),
      speaker: this.#voice.speaker,
    })
  }

  notify(text: string, options: { readonly id?: string } = {}): Promise<void> {
    const noticeId = options.id === undefined ? this.#voice.scope : this.#idOf(options.id)
    return this.#say({ type: 'notify', noticeId, text: asText(text, 'notify'), speaker: this.#voice.speaker })
  }

  streamReply(options: { readonly id?: string } = {}): ReplyWriter {
    const replyId = this.#idOf(options.id)
    const { speaker } = this.#voice
    const { clock } = this.#services.system
    let text = ''
    let written = 0
    let writtenAt = Number.NEGATIVE_INFINITY
    /** Nothing more is written. */
    let closed = false
    /** It is being said as a whole, or was. */
    let saying: Promise<void> | undefined
    let later: Timer | undefined
    const flush = async (): Promise<void> => {
      later?.cancel()
      later = undefined
      const part = text.slice(written)
      if (part === '' || saying) return
      const offset = written
      written = text.length
      writtenAt = clock.monotonic()
      await this.#say({ type: 'stream', replyId, offset, text: part, speaker })
    }
    const say = async (): Promise<void> => {
      later?.cancel()
      try {
        await this.#say({ type: 'reply', replyId, text, streamed: true, speaker })
      } catch (error) {
        saying = undefined // whoever ends it again says it again
        throw error
      } finally {
        this.#writing.delete(writing)
      }
    }
    const end = (): Promise<void> => {
      closed = true
      saying ??= say()
      return saying
    }
    // A block that is left may be left by an error. Then another attempt says it, as it would what was left open.
    const dispose = async (): Promise<void> => {
      if (closed) return
      closed = true
      await flush()
      later = clock.after(STREAM_EVERY_MS, () => void end().catch(() => this.#writing.add(writing)))
    }
    const writing = { flush, end }
    this.#writing.add(writing)
    return {
      write: async (part) => {
        if (closed) throw new CommandRefused('write', 'The reply has ended. Start another one with streamReply().')
        text += asText(part, 'write')
        const restMs = writtenAt + STREAM_EVERY_MS - clock.monotonic()
        if (restMs <= 0) await flush()
        // What a writer that pauses has said is shown all the same; if it may say no more, its next write tells it.
        else later ??= clock.after(restMs, () => void flush().catch(() => {}))
      },
      end,
      [Symbol.asyncDispose]: dispose,
    }
  }

  /** Ends what its handler left open: what was written to it has been said. */
  async endReplies(): Promise<void> {
    for (const { end } of this.#writing) await end()
  }

  /** Says what was written so far: the handler failed, and another attempt may write it anew. */
  async flushReplies(): Promise<void> {
    for (const { flush } of this.#writing) await flush()
  }

  async show(block: JsonObject, options: { readonly id?: string } = {}): Promise<void> {
    const shown = plainJson(block) as JsonObject
    await this.#say({ type: 'show', blockId: this.#idOf(options.id), block: shown, speaker: this.#voice.speaker })
  }

  showTask(task: TaskReference, options: { readonly message?: string; readonly id?: string } = {}): Promise<void> {
    const taskId = typeof task === 'string' ? task : task.taskId
    const { message } = options
    return this.#say({
      type: 'showTask',
      shownId: options.id === undefined ? newId() : this.#idOf(options.id),
      taskId,
      ...(message === undefined ? {} : { message }),
      speaker: this.#voice.speaker,
    })
  }

  showImage(url: string, options: { readonly alt?: string; readonly id?: string } = {}): Promise<void> {
    return this.show({ kind: 'image', url, alt: options.alt ?? '' }, options)
  }

  setTitle(title: string): Promise<void> {
    return this.#say({ type: 'setTitle', title: asText(title, 'setTitle'), speaker: this.#voice.speaker })
  }

  async history(options: { readonly limit?: number } = {}): Promise<readonly Said[]> {
    const { limit = Number.POSITIVE_INFINITY } = options
    if (limit !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(limit) && limit >= 0)) {
      throw new InvalidInput('That is no history', [
        { path: 'limit', message: `is ${limit}, it must be a whole number from 0` },
      ])
    }
    if (limit === 0) return []
    const { system, reads } = this.#services
    await reads.waitFor(system.acknowledged(streamName(system.app, 'session', this.id)))
    if (limit === Number.POSITIVE_INFINITY) return said((await reads.transcript(this.id))?.items ?? [])
    // Not all that is shown was said: the end of the transcript is asked for until it holds enough, or all of it came.
    for (let last = limit * 2; ; last *= 4) {
      const { items = [] } = (await reads.transcript(this.id, { last })) ?? {}
      const found = said(items)
      if (found.length >= limit || items.length < last) return found.slice(-limit)
    }
  }

  async #context() {
    return (await this.#services.system.read(sessionKind, this.id)).state.context
  }

  #idOf(id: string | undefined): string {
    return id === undefined ? newId() : `${this.#voice.scope}:${id}`
  }

  async #say(command: SessionCommand): Promise<void> {
    await this.#voice.confirmCurrent()
    await this.#services.system.execute(sessionKind, this.id, command, this.#voice.origin)
  }
}

function asText(text: unknown, method: string): string {
  if (typeof text === 'string') return text
  throw new TypeError(`${method}() takes text, not ${text === null ? 'null' : typeof text}. Use show() for data.`)
}

/** The session of scheduled work: it has an owner, and nobody to talk to. */
export class OwnerSession implements Session {
  readonly id = undefined
  readonly user: User
  readonly data: SessionData

  constructor(user: User) {
    this.user = user
    const none = (): Promise<never> => noChat('data')
    this.data = { get: none, set: none, delete: none, all: none }
  }

  reply = (): Promise<never> => noChat('reply')
  notify = (): Promise<never> => noChat('notify')
  streamReply = (): ReplyWriter => {
    const none = (): Promise<never> => noChat('streamReply')
    return { write: none, end: async () => {}, [Symbol.asyncDispose]: async () => {} }
  }
  show = (): Promise<never> => noChat('show')
  showTask = (): Promise<never> => noChat('showTask')
  showImage = (): Promise<never> => noChat('showImage')
  setTitle = (): Promise<never> => noChat('setTitle')
  history = async (): Promise<readonly Said[]> => []
}

function noChat(method: string): Promise<never> {
  return Promise.reject(
    new CommandRefused(
      method,
      `${method}() needs a conversation, and scheduled work has none. Submit a task with a session, or log instead.`,
    ),
  )
}

interface Running {
  readonly session: Session
  readonly confirmCurrent: () => Promise<void>
}

const current = new AsyncLocalStorage<Running>()

/** The session of the handler that is running, undefined outside of one. */
export function currentSession(): Session | undefined {
  return current.getStore()?.session
}

/** Within a handler: that it may still have effects, or rejects with AttemptFenced. Undefined outside of one. */
export function confirmCurrent(): Promise<void> | undefined {
  return current.getStore()?.confirmCurrent()
}

/** Runs a handler: `confirmCurrent` throws once it has lost its claim. */
export function withSession<T>(session: Session, confirmCurrent: () => Promise<void>, work: () => T): T {
  return current.run({ session, confirmCurrent }, work)
}

function said(items: readonly ItemView[]): readonly Said[] {
  return items.flatMap((item) =>
    item.kind === 'message' || item.kind === 'reply'
      ? [
          {
            role: item.kind === 'message' ? 'user' : 'assistant',
            text: item.text,
            at: new Date(item.at).toISOString(),
          } as const,
        ]
      : [],
  )
}
