/** The session of a conversation: what its handler says is a command to the conversation's actor. */
import {
  type ActorSystem,
  InvalidInput,
  type Origin,
  type SessionCommand,
  type Speaker,
  sessionKind,
} from '../actors/index.ts'
import { copyOf, type JsonObject, newId, plainJson, streamName } from '../events/index.ts'
import type { ItemView, ReadModels } from '../projections/index.ts'
import type { ReplyWriter, Said, Session, SessionData, TaskReference, User } from './session.ts'
import { asText, StreamedReply } from './streamed-reply.ts'

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

export class ChatSession implements Session {
  readonly id: string
  readonly user: User
  readonly data: SessionData
  readonly #services: Services
  readonly #voice: Voice
  /** Streamed replies that have not ended. */
  readonly #writing = new Set<StreamedReply>()

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
    return new StreamedReply({
      clock: this.#services.system.clock,
      open: this.#writing,
      part: (offset, text) => this.#say({ type: 'stream', replyId, offset, text, speaker }),
      whole: (text) => this.#say({ type: 'reply', replyId, text, streamed: true, speaker }),
    })
  }

  /** Ends what its handler left open: what was written to it has been said. */
  async endReplies(): Promise<void> {
    for (const reply of this.#writing) await reply.end()
  }

  /** Says what was written so far: the handler failed, and another attempt may write it anew. */
  async flushReplies(): Promise<void> {
    for (const reply of this.#writing) await reply.flush()
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
