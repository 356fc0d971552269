/**
 * Where the reader writes. An element of its own so that a keystroke never renders the transcript: what it knows of the
 * conversation is whether a turn runs and what was said last.
 */
import { css, html, nothing, type PropertyValues } from 'lit'
import { CapsuleElement, define, icon } from '../shared/index.ts'

/** Lines before the text scrolls within its box; the style sheet says the same. */
const LONGEST_LINES = 8

/**
 * @fires send - detail: the text, trimmed of outer blank lines
 * @fires stop
 * @fires draft - detail: the text as it is after every change
 */
export class CapsuleComposer extends CapsuleElement {
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
  declare empty: boolean
  /** The last message, for the up arrow; null when there is none. */
  recall: () => string | null = () => null

  static override styles = [
    ...CapsuleElement.styles,
    css`
      :host,
      .box {
        display: flex;
        flex-direction: column;
        min-height: 0;
      }
      .box {
        border: 1px solid var(--capsule-border-field);
        border-radius: var(--capsule-radius-l);
        background: var(--capsule-raised);
        box-shadow: var(--capsule-shadow-card);
        padding: 10px 10px 8px 14px;
        cursor: text;
      }
      .box:focus-within {
        border-color: var(--capsule-accent);
        box-shadow: inset 0 0 0 1px var(--capsule-accent);
      }
      textarea {
        display: block;
        box-sizing: border-box;
        width: 100%;
        margin: 0;
        padding: 0;
        border: 0;
        outline: 0;
        resize: none;
        background: none;
        color: var(--capsule-text);
        font: inherit;
        font-size: var(--capsule-text-m);
        line-height: var(--capsule-line-m);
        field-sizing: content;
        min-height: var(--capsule-line-m);
        max-height: min(8 * var(--capsule-line-m), 30vh);
        overflow-y: auto;
        overflow-wrap: anywhere;
        unicode-bidi: plaintext;
        scrollbar-width: thin;
      }
      /* The box itself shows the focus. */
      textarea:focus-visible {
        outline: none;
      }
      textarea::placeholder {
        color: var(--capsule-muted);
        opacity: 1;
      }
      .tools {
        display: flex;
        flex: none;
        align-items: center;
        gap: 6px;
        margin-top: 8px;
        min-height: 32px;
      }
      .hint {
        flex: 1;
        min-width: 0;
        color: var(--capsule-muted);
        font-size: var(--capsule-text-xs);
        line-height: var(--capsule-line-xs);
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      @container chat (max-width: 480px) {
        .keys {
          display: none;
        }
        textarea {
          font-size: max(1rem, var(--capsule-text-m));
        }
      }
      @media (pointer: coarse) {
        .tools button {
          min-height: 40px;
          min-width: 40px;
        }
      }
      @media (forced-colors: active) {
        .box {
          border-color: ButtonBorder;
        }
      }
    `,
  ]

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

  #initial = ''

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
