/**
 * Where the reader writes. An element of its own so that a keystroke never renders the transcript: what it knows of the
 * conversation is whether a turn runs and what was said last.
 */
import { html, nothing, type PropertyValues } from 'lit'
import { CapsuleElement, define, icon } from '../shared/index.ts'
import { styles } from './composer.styles.ts'

/** Lines before the text scrolls within its box; the style sheet says the same. */
const LONGEST_LINES = 8

/**
 * @fires send - detail: the text, trimmed of outer blank lines
 * @fires stop
 * @fires draft - detail: the text as it is after every change
 */
export class CapsuleComposer extends CapsuleElement {
  static override styles = [...CapsuleElement.styles, styles]
  static override properties = {
    placeholder: {},
    status: {},
    running: { type: Boolean },
    stopping: { type: Boolean },
    empty: { state: true },
  }

  declare placeholder: string
  /** A few words on what is going on; the keyboard hint while null. */
  declare status: string | null
  /** A turn runs: Stop is offered. */
  declare running: boolean
  declare stopping: boolean
  declare protected empty: boolean
  /** The last message, for the up arrow; null when there is none. */
  recall: () => string | null = () => null
  /** The text until there is a field for it. */
  #initial = ''

  constructor() {
    super()
    this.placeholder = ''
    this.status = null
    this.running = false
    this.stopping = false
    this.empty = true
  }

  /** The text as it stands. Setting it puts the caret at its end. */
  get value(): string {
    return this.#field?.value ?? this.#initial
  }

  set value(text: string) {
    this.#initial = text
    this.empty = text.trim() === ''
    const field = this.#field
    if (!field) return
    field.value = text
    field.setSelectionRange(text.length, text.length)
    this.#grow(field)
  }

  override focus(options?: FocusOptions): void {
    this.#field?.focus(options)
  }

  protected override firstUpdated(changed: PropertyValues<this>): void {
    super.firstUpdated(changed)
    if (this.#initial) this.value = this.#initial
  }

  /** Stop goes when the turn ends: whoever had just reached it goes on writing. */
  protected override refuge(): HTMLElement | null {
    return this.#field
  }

  protected override render() {
    return html`
      <div class="box" part="composer" @click=${this.#clicked}>
        <textarea
          rows="1"
          aria-label="Message"
          aria-describedby="hint"
          placeholder=${this.placeholder}
          enterkeyhint="send"
          @keydown=${this.#pressed}
          @input=${this.#typed}
        ></textarea>
        <div class="tools">
          <span class="hint" id="hint">
            ${this.status ?? html`<span class="keys">Enter sends, Shift + Enter breaks the line</span>`}
          </span>
          ${
            this.running
              ? html`<button class="button" type="button" aria-disabled=${this.stopping} @click=${this.#stop}>
                  ${icon('stop', 's')}${this.stopping ? 'Stopping' : 'Stop'}
                </button>`
              : nothing
          }
          <button
            class="button primary square"
            type="button"
            aria-label="Send"
            aria-disabled=${this.empty}
            title=${this.empty ? 'Write a message first' : 'Send'}
            @click=${this.#send}
          >
            ${icon('send')}
          </button>
        </div>
      </div>
    `
  }

  get #field(): HTMLTextAreaElement | null {
    return this.renderRoot?.querySelector('textarea') ?? null
  }

  readonly #clicked = (event: Event): void => {
    if (!(event.target instanceof Element) || !event.target.closest('button, textarea')) this.focus()
  }

  readonly #pressed = (event: KeyboardEvent): void => {
    // 229 is what Safari reports for the Enter that ends a composition, after isComposing has already become false.
    if (event.isComposing || event.keyCode === 229) return
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault()
      this.#send()
    } else if (event.key === 'ArrowUp' && this.value === '') {
      const last = this.recall()
      if (last === null) return
      event.preventDefault()
      this.value = last
      this.#tellDraft()
    }
  }

  readonly #typed = (event: Event): void => {
    this.empty = this.value.trim() === ''
    if (event.target instanceof HTMLTextAreaElement) this.#grow(event.target)
    this.#tellDraft()
  }

  readonly #send = (): void => {
    const text = this.value.replace(/^\s*\n/, '').trimEnd()
    if (text === '') {
      this.focus()
      return
    }
    this.value = ''
    this.#tellDraft()
    this.dispatchEvent(new CustomEvent('send', { detail: text }))
    this.focus()
  }

  readonly #stop = (): void => {
    if (!this.stopping) this.dispatchEvent(new CustomEvent('stop'))
  }

  #tellDraft(): void {
    this.dispatchEvent(new CustomEvent('draft', { detail: this.value }))
  }

  /** For browsers without `field-sizing`: the height is measured instead. */
  #grow(field: HTMLTextAreaElement): void {
    if (CSS.supports('field-sizing', 'content')) return
    const line = Number.parseFloat(getComputedStyle(field).lineHeight) || 24
    field.style.height = 'auto'
    field.style.height = `${Math.min(field.scrollHeight, LONGEST_LINES * line)}px`
  }
}

define('capsule-composer', CapsuleComposer)

declare global {
  interface HTMLElementTagNameMap {
    'capsule-composer': CapsuleComposer
  }
}
