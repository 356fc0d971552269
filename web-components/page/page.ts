/** <capsule-page>: a page the app has declared, drawn from its blocks. */
import { css, html, nothing, type TemplateResult } from 'lit'
import type { Page, PageBlock } from '../../src/http/wire.ts'
import { LiveResource } from '../client/index.ts'
import { CapsuleElement, define } from '../shared/index.ts'
import '../task-board/index.ts'

/**
 * A page of the app: its task boards, headings, texts and dividers. A page that is one board gives it all its height.
 *
 * @element capsule-page
 * @attr src - base URL of the server; the page's own origin by default
 * @attr slug - of the page, as in its URL
 * @attr theme - `light`, `dark` or `auto`; the page's `color-scheme` by default
 * @prop {Page | undefined} page - the page as data, for one who has it already; then nothing is fetched
 */
export class CapsulePage extends CapsuleElement {
  static override properties = {
    src: {},
    slug: {},
    page: { attribute: false },
  }

  declare src: string
  declare slug: string
  declare page: Page | undefined

  readonly #resource = new LiveResource<Page>(this, {
    src: () => this.src,
    path: () => (this.page || this.slug === '' ? undefined : `/api/v1/pages/${encodeURIComponent(this.slug)}`),
  })

  constructor() {
    super()
    this.src = ''
    this.slug = ''
    this.page = undefined
  }

  protected override render() {
    const page = this.page ?? this.#resource.data
    if (!page) return this.#nothingHere()
    const boards = page.blocks.filter((block) => block.kind === 'task_board').length
    const whole = boards === 1 && page.blocks.length === 1
    return html`<div class=${whole ? 'whole' : 'blocks'} tabindex=${whole ? nothing : 0} role="region" aria-label=${page.name}>
      ${page.blocks.map((block) => this.#block(block))}
    </div>`
  }

  #block(block: PageBlock): TemplateResult {
    switch (block.kind) {
      case 'heading':
        return html`<h2>${block.text}</h2>`
      case 'text':
        return html`<p>${block.text}</p>`
      case 'divider':
        return html`<hr />`
      case 'task_board':
        return html`<capsule-task-board
          src=${this.src}
          heading=${block.title ?? nothing}
          filter=${block.filter ? JSON.stringify(block.filter) : nothing}
          columns=${block.columns ? JSON.stringify(block.columns) : nothing}
          refresh-ms=${block.refresh_ms ?? nothing}
        ></capsule-task-board>`
    }
  }

  #nothingHere(): TemplateResult {
    const { state } = this.#resource
    const problem = this.#resource.problem ?? state.problem
    if (!problem) {
      const words =
        state.status === 'offline' ? 'The page appears when the server can be reached again.' : 'Loading the page'
      return html`<div class="blank"><p class="late">${words}</p></div>`
    }
    const missing = problem.status === 404
    return html`<div class="blank" role="alert">
      <h2>${missing ? 'No such page' : 'The page cannot be shown'}</h2>
      <p>${missing ? `The app has no page “${this.slug}”.` : problem.detail}</p>
    </div>`
  }

  static override styles = [
    ...CapsuleElement.styles,
    css`
      :host {
        display: flex;
        flex-direction: column;
        height: 100%;
        min-height: 0;
        background: var(--capsule-surface);
        container: page / inline-size;
      }
      .whole,
      .blocks {
        flex: 1;
        min-height: 0;
        display: flex;
        flex-direction: column;
      }
      .whole capsule-task-board {
        flex: 1;
        min-height: 0;
      }
      .blocks {
        overflow-y: auto;
        padding-block: 8px 24px;
        scrollbar-width: thin;
      }
      .blocks:focus-visible {
        outline-offset: -2px;
      }
      .blocks capsule-task-board {
        flex: none;
        height: clamp(360px, 70vh, 640px);
      }
      h2,
      .blocks p {
        padding-inline: 20px;
        max-width: 728px;
        flex: none;
      }
      h2 {
        padding-block: 12px 4px;
        overflow-wrap: anywhere;
        font-size: var(--capsule-text-l);
        line-height: var(--capsule-line-l);
        letter-spacing: -0.012em;
      }
      .blocks p {
        padding-block-end: 8px;
        font-size: var(--capsule-text-m);
        line-height: var(--capsule-line-m);
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      hr {
        flex: none;
        height: 1px;
        border: 0;
        margin: 20px;
        background: var(--capsule-border);
      }
      .blank {
        flex: 1;
        display: flex;
        flex-direction: column;
        justify-content: center;
        width: 100%;
        max-width: 528px;
        margin: 0 auto;
        padding: 24px;
      }
      .blank h2 {
        padding-inline: 0;
        font-size: var(--capsule-text-xl);
        line-height: var(--capsule-line-xl);
      }
      .blank p {
        color: var(--capsule-muted);
        font-size: var(--capsule-text-m);
        line-height: var(--capsule-line-m);
      }
      .late {
        text-align: center;
        animation: late 400ms step-end;
      }
      @keyframes late {
        0% {
          opacity: 0;
        }
      }
      @container page (max-width: 640px) {
        h2,
        .blocks p {
          padding-inline: 16px;
        }
      }
    `,
  ]
}

define('capsule-page', CapsulePage)

declare global {
  interface HTMLElementTagNameMap {
    'capsule-page': CapsulePage
  }
}
