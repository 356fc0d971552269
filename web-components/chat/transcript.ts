/**
 * The log of a conversation, drawn from rows. It draws the newest rows and puts earlier ones in before them as the reader
 * scrolls up, so two thousand messages cost what a hundred do; ScrollKeeper sees to it that nothing moves under the eye.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { guard } from 'lit/directives/guard.js'
import { repeat } from 'lit/directives/repeat.js'
import type { TranscriptItem } from '../../src/http/wire.ts'
import { baseOf } from '../client/index.ts'
import { CapsuleElement, define, everySecond, format, type IconName, icon } from '../shared/index.ts'
import '../task-card/index.ts'
import { blockOf } from './blocks.ts'
import { loadMarkdown, markdownNow } from './markdown/index.ts'
import type { OutboxEntry } from './outbox.ts'
import { proseStyles } from './prose.styles.ts'
import { type MessageItem, type Row, turnTrouble } from './rows.ts'
import { ScrollKeeper } from './scroll.ts'
import { styles } from './transcript.styles.ts'

/** Rows drawn at first, and added each time the reader nears the first of them. */
const PAGE = 80

const TROUBLE_ICONS: { readonly [state in MessageItem['state']]: IconName } = {
  queued: 'scheduled',
  running: 'running',
  answered: 'completed',
  failed: 'failed',
  interrupted: 'retry',
  stopped: 'cancelled',
}

type Reply = Extract<TranscriptItem, { kind: 'reply' }>
type Notice = Extract<TranscriptItem, { kind: 'notice' }>

/**
 * @fires retry - detail: the id of the message to try again
 * @fires resend - detail: the id of the outgoing message to send again
 * @fires discard - detail: the id of the outgoing message to throw away
 */
export class CapsuleTranscript extends CapsuleElement {
  static override styles = [...CapsuleElement.styles, proseStyles, styles]
  static override properties = {
    rows: { attribute: false },
    src: {},
    offline: { type: Boolean },
    retrying: { attribute: false },
    limit: { state: true },
    atEnd: { state: true },
  }

  declare rows: readonly Row[]
  declare src: string
  /** Nothing can be sent now: outgoing messages say that they wait. */
  declare offline: boolean
  /** Ids of the messages whose retry is under way. */
  declare retrying: ReadonlySet<string>
  declare protected limit: number
  declare protected atEnd: boolean

  readonly #keeper = new ScrollKeeper(
    (atEnd) => {
      this.atEnd = atEnd
      if (atEnd) this.#unseen.clear()
    },
    () => this.#showEarlier(),
  )
  readonly #openNotices = new Set<string>()
  /** Rows that came while the reader was elsewhere. */
  readonly #unseen = new Set<string>()
  /** Which version of which reply a place shows in Markdown. */
  readonly #shown = new WeakMap<Element, Reply>()
  #known: ReadonlySet<string> | null = null
  /** The day it is, by which the days of the log are named. */
  #today = new Date().toDateString()
  #stopWatch: (() => void) | undefined

  constructor() {
    super()
    this.rows = []
    this.src = ''
    this.offline = false
    this.retrying = new Set()
    this.limit = PAGE
    this.atEnd = true
  }

  /** To the newest message, and on following it. */
  toEnd(): void {
    this.#keeper.toEnd()
  }

  /** Forgets what was seen: another conversation is about to be shown. */
  reset(): void {
    this.limit = PAGE
    this.#known = null
    this.#unseen.clear()
    this.#openNotices.clear()
    this.#keeper.toEnd()
  }

  override connectedCallback(): void {
    super.connectedCallback()
    this.#stopWatch = everySecond(() => {
      const today = new Date().toDateString()
      if (today !== this.#today) this.requestUpdate()
      this.#today = today
    })
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.#stopWatch?.()
    this.#keeper.detach()
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has('rows')) return
    const ids = new Set(this.rows.map((row) => row.id))
    if (this.#known && !this.atEnd) {
      for (const row of this.rows) if (isNews(row) && !this.#known.has(row.id)) this.#unseen.add(row.id)
    }
    // What is drawn stays drawn: the window grows at its end while the reader looks at its start.
    if (this.#known && !this.atEnd) this.limit += Math.max(0, ids.size - this.#known.size)
    else if (this.atEnd) this.limit = PAGE
    this.#known = ids
  }

  /** A control that goes when it is used leaves the focus with the log, where it was. */
  protected override update(changed: PropertyValues<this>): void {
    const focused = this.shadowRoot?.activeElement
    super.update(changed)
    if (focused && !focused.isConnected) {
      this.renderRoot.querySelector<HTMLElement>('.log')?.focus({ preventScroll: true })
    }
  }

  protected override updated(): void {
    const scroller = this.renderRoot.querySelector<HTMLElement>('.log')
    const content = this.renderRoot.querySelector<HTMLElement>('.rows')
    if (scroller && content) this.#keeper.attach(scroller, content)
    this.#drawReplies()
    this.#keeper.settle()
  }

  protected override render() {
    const hidden = Math.max(0, this.rows.length - this.limit)
    const drawn = hidden > 0 ? this.rows.slice(hidden) : this.rows
    return html`
      <div class="log" part="log" role="log" aria-live="off" aria-label="Conversation" tabindex="0">
        <div class="rows">
          ${
            hidden > 0
              ? html`<div class="entry center">
                  <button class="link" type="button" @click=${this.#showEarlier}>
                    ${format.plural(hidden, 'earlier entry', 'earlier entries')}
                  </button>
                </div>`
              : nothing
          }
          ${repeat(
            drawn,
            (row) => row.id,
            (row) => guard(this.#dependencies(row), () => this.#row(row)),
          )}
        </div>
      </div>
      <div class="pill-place">
        ${
          this.atEnd
            ? nothing
            : html`<button class="pill" type="button" @click=${() => this.toEnd()}>
                ${icon('down')}${this.#unseen.size > 0 ? format.plural(this.#unseen.size, 'new message', 'new messages') : 'To the end'}
              </button>`
        }
      </div>
    `
  }

  /** All that a row's drawing depends on: an unchanged row costs a comparison, not a rendering. */
  #dependencies(row: Row): unknown[] {
    switch (row.kind) {
      case 'day':
        return [row.id, format.day(row.at, Date.now())]
      case 'outgoing':
        return [row.entry, this.offline]
      case 'item':
        return [row.item, this.src, this.retrying.has(row.id), this.#openNotices.has(row.id)]
    }
  }

  #row(row: Row): TemplateResult {
    switch (row.kind) {
      case 'day':
        return html`<div class="entry day"><span>${format.day(row.at, Date.now())}</span></div>`
      case 'outgoing':
        return this.#outgoing(row.entry)
      case 'item':
        return this.#item(row.item)
    }
  }

  #item(item: TranscriptItem): TemplateResult {
    switch (item.kind) {
      case 'message':
        return this.#message(item)
      case 'reply':
        return this.#reply(item)
      case 'notice':
        return this.#notice(item)
      case 'task':
        return html`<div class="entry" part="task">
          <div class="line">
            <capsule-task-card .src=${this.src} .jobId=${item.job_id} .message=${item.message ?? undefined}></capsule-task-card>
          </div>
        </div>`
      case 'block':
        return html`<div class="entry"><div class="line">${blockOf(item.block, baseOf(this.src))}</div></div>`
    }
  }

  #message(item: MessageItem): TemplateResult {
    const trouble = turnTrouble(item)
    const retrying = this.retrying.has(item.id)
    return html`<div class="entry mine" role="article" aria-label="You" part="message">
      <div class="line">
        <p class="bubble">${item.text}</p>
        ${
          trouble === null
            ? html`<div class="under">
                ${item.state === 'queued' ? html`<span class="waits">${icon('scheduled', 's')}Queued behind the answer before it</span>` : nothing}
                ${when(item.at)}
              </div>`
            : html`<div class=${`trouble ${item.state}`}>
                <p>${icon(TROUBLE_ICONS[item.state])}<span>${trouble}</span></p>
                <button
                  class="button small"
                  type="button"
                  aria-disabled=${retrying}
                  @click=${() => !retrying && this.#tell('retry', item.id)}
                >
                  ${icon('retry', 's')}${retrying ? 'Trying again' : 'Retry'}
                </button>
              </div>`
        }
      </div>
    </div>`
  }

  #outgoing(entry: OutboxEntry): TemplateResult {
    return html`<div class="entry mine" role="article" aria-label="You, not sent yet" part="message">
      <div class="line">
        <p class="bubble outgoing">${entry.text}</p>
        ${
          entry.refused === undefined
            ? html`<div class="under">
                <span class="waits">
                  ${this.offline ? html`${icon('scheduled', 's')}Waiting to send` : html`<span class="late">Sending</span>`}
                </span>
                ${when(entry.at)}
              </div>`
            : html`<div class="trouble failed">
                <p>${icon('failed')}<span>Not sent: ${entry.refused}</span></p>
                <button class="button small" type="button" @click=${() => this.#tell('resend', entry.id)}>
                  ${icon('retry', 's')}Send again
                </button>
                <button class="button small ghost" type="button" @click=${() => this.#tell('discard', entry.id)}>
                  Discard
                </button>
              </div>`
        }
      </div>
    </div>`
  }

  #reply(item: Reply): TemplateResult {
    // Lit leaves the inside of .prose alone: #drawReplies fills it, block by block.
    return html`<div class="entry" role="article" aria-label="Reply" aria-busy=${item.streaming} part="reply">
      <div class="line">
        <div class=${`prose ${item.streaming ? 'streaming' : ''}`} data-reply=${item.id}></div>
        ${when(item.at, 'aside')}
      </div>
    </div>`
  }

  #notice(item: Notice): TemplateResult {
    const open = this.#openNotices.has(item.id)
    const count = item.earlier.length
    return html`<div class="entry notice" part="notice">
      <div class="line">
        <div class="now">
          ${icon('bell')}
          <span class="said" title=${item.text}>${item.text}</span>
          ${
            count > 0
              ? html`<button
                  class="link"
                  type="button"
                  aria-expanded=${open}
                  @click=${() => this.#toggleNotice(item.id)}
                >
                  ${count} earlier
                </button>`
              : nothing
          }
        </div>
        ${
          open
            ? html`<ol class="earlier">
                ${item.earlier.map(
                  (said) => html`<li>
                    ${when(said.at)}<span>${said.text}</span>
                  </li>`,
                )}
              </ol>`
            : nothing
        }
      </div>
    </div>`
  }

  /** Fills the replies in view of Lit's back; the Markdown chunk is asked for when the first reply is there. */
  #drawReplies(): void {
    const places = this.renderRoot.querySelectorAll('.prose[data-reply]')
    if (places.length === 0) return
    const replies = new Map<string, Reply>()
    for (const row of this.rows) if (row.kind === 'item' && row.item.kind === 'reply') replies.set(row.id, row.item)
    const render = markdownNow()
    for (const place of places) {
      const reply = replies.get(place.getAttribute('data-reply') ?? '')
      if (!reply || this.#shown.get(place) === reply) continue
      place.classList.toggle('plain', render === null)
      if (render) {
        if (!this.#shown.has(place)) place.replaceChildren()
        render(place, reply.text, reply.streaming)
        this.#shown.set(place, reply)
      } else {
        place.textContent = reply.text
      }
    }
    if (!render) void loadMarkdown().then((loaded) => loaded && this.requestUpdate())
  }

  readonly #showEarlier = (): void => {
    if (this.rows.length > this.limit) this.limit += PAGE
  }

  #toggleNotice(id: string): void {
    if (!this.#openNotices.delete(id)) this.#openNotices.add(id)
    this.requestUpdate()
  }

  #tell(name: 'retry' | 'resend' | 'discard', id: string): void {
    this.dispatchEvent(new CustomEvent(name, { detail: id }))
  }
}

function when(at: string, name = ''): TemplateResult {
  return html`<time class=${name} datetime=${at} title=${format.instant(at, Date.now())}>${format.clock(at)}</time>`
}

/** The reader's own messages are not news to them. */
function isNews(row: Row): boolean {
  return row.kind === 'item' && row.item.kind !== 'message'
}

define('capsule-transcript', CapsuleTranscript)

declare global {
  interface HTMLElementTagNameMap {
    'capsule-transcript': CapsuleTranscript
  }
}
