/** <capsule-page>: a page the app has declared, drawn from its blocks. */
import { html, nothing, type TemplateResult } from 'lit'
import type { Page, PageBlock } from '../../src/http/wire.ts'
import { LiveResource } from '../client/index.ts'
import { blank, CapsuleElement, define } from '../shared/index.ts'
import '../task-board/index.ts'
import { styles } from './page.styles.ts'

/**
 * A page of the app: its task boards, headings, texts and dividers. A page that is one board gives it all its height.
 *
 * @element capsule-page
 * @attr src - base URL of the server; the page's own origin by default
 * @attr slug - of the page, as in its URL
 * @attr theme - `light`, `dark` or `auto`; the page's `color-scheme` by default
 * @prop page - the page as data, for one who has it already; then nothing is fetched
 */
export class CapsulePage extends CapsuleElement {
  static override styles = [...CapsuleElement.styles, blank, styles]
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
}

define('capsule-page', CapsulePage)

declare global {
  interface HTMLElementTagNameMap {
    'capsule-page': CapsulePage
  }
}
