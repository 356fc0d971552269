/**
 * <capsule-chat>: one conversation with an app. This file joins its parts: the live transcript of the connection, the
 * outbox of what is on its way, the log that shows both, and the composer.
 */
import { html, nothing, type PropertyValues } from 'lit'
import type { AppInfo, Session, Transcript, TranscriptItem } from '../../src/http/wire.ts'
import { baseOf, type Connection, LiveResource, LiveTopic, newId } from '../client/index.ts'
import { announce, blank, CapsuleElement, connectionState, define, EverySecond, format, icon } from '../shared/index.ts'
import './composer.ts'
import './transcript.ts'
import { styles } from './chat.styles.ts'
import { ChatMemory, pageStorage } from './memory.ts'
import { Outbox, type OutboxEntry } from './outbox.ts'
import { lastOwnText, newItems, type Row, rowsOf } from './rows.ts'
import { reasonOf, Sender } from './sender.ts'
import { sentencesOf } from './spoken.ts'
import { parseSuggestions, type Suggestion } from './suggestions.ts'

const NO_ITEMS: readonly TranscriptItem[] = []

/**
 * A chat with an app: the transcript, live, and a composer. A message typed offline is kept and sent once; closing the page
 * cancels nothing.
 *
 * @element capsule-chat
 * @attr src - base URL of the server; the page's own origin by default
 * @attr session - `auto` (default: the conversation last open in this browser, or a new one), `new`, or a session's id
 * @attr heading - shown while the conversation has no title; the app's name by default
 * @attr placeholder - of the composer; "Message <app>" by default
 * @attr suggestions - what one could type first, as a JSON array of strings or of `{text, description}`
 * @attr theme - `light`, `dark` or `auto`; the page's `color-scheme` by default
 * @prop sessionId - the conversation shown (read only)
 * @fires capsule-session - the conversation shown has changed, or exists from now on. detail: `{id, title, started}`
 * @fires capsule-message - the reader sent a message. detail: `{session, text}`. Preventing it keeps it from being sent
 * @slot start - before the title
 * @slot end - after the connection state
 * @csspart header - title and connection state
 * @csspart log - the scrolling transcript
 * @csspart composer - the box one writes in
 * @cssprop [--capsule-accent] - and every other token of tokens.css
 */
export class CapsuleChat extends CapsuleElement {
  static override styles = [...CapsuleElement.styles, blank, styles]
  static override properties = {
    src: { reflect: true },
    session: { reflect: true, converter: { fromAttribute: (text: string | null) => text || 'auto' } },
    heading: {},
    placeholder: {},
    suggestions: { converter: { fromAttribute: parseSuggestions } },
    sessionId: { state: true },
    retrying: { state: true },
    stopping: { state: true },
    trouble: { state: true },
  }

  declare src: string
  declare session: string
  declare heading: string
  declare placeholder: string
  declare suggestions: readonly Suggestion[]
  declare sessionId: string
  declare protected retrying: ReadonlySet<string>
  declare protected stopping: boolean
  /** Why the last retry or stop was refused. */
  declare protected trouble: string | null

  readonly #live = new LiveTopic(this, {
    src: () => this.src,
    topic: 'session',
    params: () => (this.#absent ? undefined : { id: this.sessionId }),
    onChange: (transcript) => this.#arrived(transcript),
  })
  /** What the server says of the app. Without it the chat says "Message": nothing worse. */
  readonly #info = new LiveResource<AppInfo>(this, { src: () => this.src, path: () => '/api/v1/info' })
  #memory = new ChatMemory(pageStorage(), '')
  readonly #sender = new Sender(new Outbox(pageStorage(), ''), {
    connection: () => this.#live.connection,
    onTaken: () => {
      this.#absent = false
    },
    onForeign: ({ text }) => {
      this.newConversation()
      this.#post(text, true)
    },
    onChange: () => this.requestUpdate(),
  })
  /** What was opened as which; another than at first where a page had set them before this code was loaded. */
  #opened = { src: '', session: '' }
  /** The server does not know this conversation (yet): it begins with the first message. */
  #absent = false
  /** The transcript before the last change, of this conversation. */
  #before: Transcript | undefined
  #drawn: { items: readonly TranscriptItem[]; outgoing: readonly OutboxEntry[]; rows: readonly Row[] } | undefined

  constructor() {
    super()
    this.src = ''
    this.session = 'auto'
    this.heading = ''
    this.placeholder = ''
    this.suggestions = []
    this.sessionId = ''
    this.retrying = new Set()
    this.stopping = false
    this.trouble = null
    new EverySecond(this, () => this.#live.state.status === 'offline')
  }

  override connectedCallback(): void {
    if (this.sessionId === '') this.#open()
    super.connectedCallback()
  }

  override focus(): void {
    this.#composer?.focus()
  }

  /** Leaves this conversation as it is and begins another. */
  newConversation(): void {
    this.#enter(newId(), { absent: true })
    if (this.session === 'auto') this.#memory.conversation = this.sessionId
    this.#tellSession(null, false)
    void this.updateComplete.then(() => this.focus())
  }

  /** Sends a message as if it had been typed. */
  send(text: string): void {
    if (!this.emit('message', { session: this.sessionId, text })) return
    this.#post(text, this.#transcript === undefined)
  }

  protected override willUpdate(): void {
    // Before another one is opened: the problem is that of the conversation followed until now.
    if (this.#live.problem?.status === 404) this.#absent = true
    const { src, session } = this.#opened
    if (src !== this.src || (session !== this.session && this.session !== this.sessionId)) this.#open()
    this.#opened = { src: this.src, session: this.session }
  }

  protected override updated(): void {
    this.#sender.flush()
  }

  protected override render() {
    const transcript = this.#transcript
    const session = transcript?.session
    const rows = this.#rowsOf(transcript?.items ?? NO_ITEMS, this.#sender.entries)
    const offline = this.#live.state.status !== 'live'
    return html`
      <header part="header">
        <slot name="start"></slot>
        <h2 class="grow truncate" title=${this.#title(transcript)}>${this.#title(transcript)}</h2>
        ${connectionState(this.#live.state)}
        ${
          this.session === 'auto' && rows.length > 0
            ? html`<button
                class="button square ghost"
                type="button"
                aria-label="New conversation"
                title="New conversation"
                @click=${() => this.newConversation()}
              >
                ${icon('plus')}
              </button>`
            : nothing
        }
        <slot name="end"></slot>
      </header>
      ${
        rows.length > 0
          ? html`<capsule-transcript
              exportparts="log, message, reply, notice, task"
              .rows=${rows}
              .src=${this.src}
              .offline=${offline}
              .retrying=${this.retrying}
              @retry=${(event: CustomEvent<string>) => this.#retry(event.detail)}
              @resend=${(event: CustomEvent<string>) => this.#resend(event.detail)}
              @discard=${(event: CustomEvent<string>) => this.#discard(event.detail)}
            ></capsule-transcript>`
          : this.#nothingHere()
      }
      <div class="compose">
        ${this.trouble === null ? nothing : html`<p class="trouble" role="alert">${icon('info')}${this.trouble}</p>`}
        <capsule-composer
          exportparts="composer"
          .placeholder=${this.placeholder || (this.#info.data ? `Message ${this.#info.data.name}` : 'Message')}
          .status=${this.#status(session)}
          .running=${session?.turn?.status === 'running'}
          .stopping=${this.stopping}
          .recall=${() => lastOwnText(this.#transcript?.items ?? NO_ITEMS, this.#sender.entries)}
          @send=${(event: CustomEvent<string>) => this.send(event.detail)}
          @stop=${() => this.#stop()}
          @draft=${(event: CustomEvent<string>) => this.#memory.setDraft(this.#draftKey, event.detail)}
        ></capsule-composer>
      </div>
    `
  }

  protected override firstUpdated(changed: PropertyValues<this>): void {
    super.firstUpdated(changed)
    this.#restoreDraft()
  }

  /** An empty log, said in words: still on its way, refused, unknown, or new. */
  #nothingHere() {
    const { status, problem } = this.#live.state
    const refused = this.#live.problem
    if (refused && refused.status !== 404) {
      return this.#blank('This conversation cannot be shown', html`<p>${refused.detail || refused.title}</p>`)
    }
    if (status === 'stopped') {
      return this.#blank(
        problem?.title ?? 'Disconnected',
        html`<p>${problem?.detail ?? 'The server ended this connection.'}</p>`,
      )
    }
    const known = this.session !== 'auto' && this.session !== 'new'
    if (known && this.#absent) {
      return this.#blank(
        'No such conversation',
        html`<p>It may have been started by someone else, or on another server. A message begins a new one here.</p>`,
      )
    }
    if (!this.#absent && this.#transcript === undefined) {
      const words =
        status === 'offline'
          ? 'The conversation appears when the server can be reached again.'
          : 'Opening the conversation'
      return html`<div class="blank"><p class="late">${words}</p></div>`
    }
    const name = this.#info.data?.name
    return this.#blank(
      name ? `Talk to ${name}` : 'New conversation',
      html`<p>Write a message below. You can close this page while it works.</p>
        ${
          this.suggestions.length > 0
            ? html`<ul class="try" aria-label="Suggestions">
                ${this.suggestions.map(
                  ({ text, description }) => html`<li>
                    <button type="button" @click=${() => this.#suggested(text)}>
                      <span class="grow"><span class="say">${text}</span>${description ? html`<span class="what">${description}</span>` : nothing}</span>
                      ${icon('right')}
                    </button>
                  </li>`,
                )}
              </ul>`
            : nothing
        }`,
    )
  }

  #blank(title: string, body: unknown) {
    return html`<div class="blank"><h3>${title}</h3>${body}</div>`
  }

  /** A conversation nobody has named is known by how it began: what was said last would change under the reader. */
  #title(transcript: Transcript | undefined): string {
    if (!transcript) return this.heading || 'New conversation'
    return transcript.session.title || this.heading || firstLine(transcript) || this.#info.data?.name || 'Conversation'
  }

  /** What is going on, in place of the keyboard hint: no row comes and goes for it. */
  #status(session: Session | undefined): string | null {
    const waiting = this.#sender.unanswered.length
    const { status } = this.#live.state
    if (status !== 'live' && waiting > 0) return `${format.plural(waiting, 'message')} waiting to send`
    if (status === 'offline') return 'Offline. What you send is kept and goes out once.'
    if (this.stopping) return 'Stopping'
    if (session?.turn?.status === 'running') return 'Answering'
    if (session?.turn?.status === 'queued') return 'Waiting for its turn'
    return null
  }

  /** The same rows for the same items: what changes beside them does not draw the log again. */
  #rowsOf(items: readonly TranscriptItem[], outgoing: readonly OutboxEntry[]): readonly Row[] {
    if (this.#drawn?.items !== items || this.#drawn.outgoing !== outgoing) {
      this.#drawn = { items, outgoing, rows: rowsOf(items, outgoing, (at) => new Date(at).toDateString()) }
    }
    return this.#drawn.rows
  }

  /** The transcript of the conversation shown; while another is being opened the old one is not it. */
  get #transcript(): Transcript | undefined {
    const data = this.#live.data
    return data?.session.id === this.sessionId ? data : undefined
  }

  get #composer(): HTMLElementTagNameMap['capsule-composer'] | null {
    return this.renderRoot?.querySelector('capsule-composer') ?? null
  }

  get #draftKey(): string {
    return this.session === 'new' ? 'new' : this.sessionId
  }

  /** Opens what `src` and `session` name. */
  #open(): void {
    this.#opened = { src: this.src, session: this.session }
    this.#memory = new ChatMemory(pageStorage(), baseOf(this.src))
    if (this.session === 'auto') {
      const last = this.#memory.conversation
      const id = last ?? newId()
      this.#memory.conversation = id
      this.#enter(id, { absent: last === null })
    } else if (this.session === 'new') {
      this.#enter(newId(), { absent: true })
    } else {
      this.#enter(this.session, { absent: false })
    }
  }

  #enter(id: string, { absent }: { absent: boolean }): void {
    this.sessionId = id
    this.#absent = absent
    this.#before = undefined
    this.#sender.enter(id, new Outbox(pageStorage(), this.#memory.outboxKey(id)))
    this.retrying = new Set()
    this.stopping = false
    this.trouble = null
    this.renderRoot?.querySelector('capsule-transcript')?.reset()
    this.#restoreDraft()
  }

  #restoreDraft(): void {
    const composer = this.#composer
    if (composer) composer.value = this.#memory.draft(this.#draftKey)
  }

  #post(text: string, create: boolean): void {
    const first = this.#transcript === undefined && this.#sender.entries.length === 0
    if (this.#draftKey === 'new') this.#memory.setDraft('new', '')
    this.trouble = null
    this.#sender.send(text, create)
    if (first) this.#tellSession(null, true)
    void this.updateComplete.then(() => this.renderRoot.querySelector('capsule-transcript')?.toEnd())
  }

  #suggested(text: string): void {
    this.send(text)
    this.focus()
  }

  /** A new attempt at what was refused is a new command: under the old id the server would only repeat its refusal. */
  #resend(id: string): void {
    const entry = this.#sender.take(id)
    if (!entry) return
    this.#post(entry.text, entry.create)
    this.focus()
  }

  #discard(id: string): void {
    this.#sender.take(id)
    this.focus()
  }

  async #retry(messageId: string): Promise<void> {
    this.retrying = new Set([...this.retrying, messageId])
    await this.#ask('Not retried', (connection) =>
      connection.command('message.retry', { session_id: this.sessionId, message_id: messageId }),
    )
    this.retrying = new Set([...this.retrying].filter((id) => id !== messageId))
  }

  async #stop(): Promise<void> {
    this.stopping = true
    await this.#ask('Not stopped', (connection) => connection.command('turn.stop', { session_id: this.sessionId }))
    this.stopping = false
  }

  /** Does what was asked for, and shows why when it was refused. */
  async #ask(refused: string, command: (connection: Connection) => Promise<unknown>): Promise<void> {
    const session = this.sessionId
    this.trouble = null
    try {
      if (this.#live.connection) await command(this.#live.connection)
    } catch (error) {
      if (session === this.sessionId) this.trouble = `${refused}: ${reasonOf(error)}`
    }
  }

  /** A change has come in, before the frame that shows it. */
  #arrived(transcript: Transcript): void {
    if (transcript.session.id !== this.sessionId) return
    const before = this.#before
    this.#before = transcript
    this.#sender.arrived(transcript.items, before ? newItems(before.items, transcript.items) : NO_ITEMS)
    if (before) for (const sentence of sentencesOf(before.items, transcript.items)) announce(sentence)
    const title = this.#title(transcript)
    if (!before || title !== this.#title(before)) this.#tellSession(title, true)
  }

  #tellSession(title: string | null, started: boolean): void {
    this.emit('session', { id: this.sessionId, title, started })
  }
}

function firstLine(transcript: Transcript): string | undefined {
  const first = transcript.items.find((item) => item.kind === 'message')
  return first?.kind === 'message' ? first.text.trim().split('\n', 1)[0] : undefined
}

define('capsule-chat', CapsuleChat)

declare global {
  interface HTMLElementTagNameMap {
    'capsule-chat': CapsuleChat
  }
}
