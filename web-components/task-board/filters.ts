/** The bar above the columns: what the reader narrows the board to. The server does the searching, over all tasks. */
import { html, nothing, type ReactiveControllerHost, type TemplateResult } from 'lit'
import type { BoardFilter, TaskInfo } from '../../src/http/wire.ts'
import { icon } from '../shared/index.ts'
import { menu } from './menu.ts'

const SEARCH_PAUSE = 200
const DAY = 24 * 60 * 60 * 1000

/** What the bar needs of the board around it. */
export interface FilterSurroundings {
  /** What the board is about by itself: the bar does not offer to change it. */
  given: BoardFilter
  /** Undefined until they were asked for and have come. */
  tasks: readonly TaskInfo[] | undefined
  askForTasks: () => void
  /** The server's clock, ms. */
  now: () => number
}

export class Filters {
  readonly #host: ReactiveControllerHost
  #chosen: BoardFilter = {}
  /** The search as it was typed when it was last chosen: its outer blanks are the reader's, who may be about to go on. */
  #text = ''
  /** Narrow form: whether the chips are shown. */
  #open = false
  #typing: number | undefined

  constructor(host: ReactiveControllerHost) {
    this.#host = host
    host.addController(this)
  }

  /** What was chosen here, to lay over what the board is about. */
  get chosen(): BoardFilter {
    return this.#chosen
  }

  get active(): boolean {
    return Object.keys(this.#chosen).length > 0
  }

  hostDisconnected(): void {
    window.clearTimeout(this.#typing)
  }

  readonly clear = (): void => {
    window.clearTimeout(this.#typing)
    this.#chosen = {}
    this.#text = ''
    this.#host.requestUpdate()
  }

  render({ given, tasks, askForTasks, now }: FilterSurroundings): TemplateResult {
    const { since } = this.#chosen
    const names = (tasks ?? []).map((task) => task.name)
    const tags = [...new Set((tasks ?? []).flatMap((task) => task.tags))].sort()
    const recent = () => this.#choose('since', since ? undefined : new Date(now() - DAY).toISOString())
    return html`<div class="filters" role="search" aria-label="Search and filters">
      <label class="field"
        >${icon('search', 's')}<input
          type="search"
          placeholder="Search all tasks"
          aria-label="Search all tasks"
          autocomplete="off"
          spellcheck="false"
          .value=${this.#text}
          @input=${this.#typed}
          @keydown=${this.#escaped}
        /><span class="kbd only-wide" aria-hidden="true">/</span></label
      >
      <button class="button square only-narrow" type="button" aria-label="Filters" aria-expanded=${this.#open} @click=${this.#toggle}>
        ${icon('filter')}
      </button>
      <div class="chips ${this.#open ? 'shown' : ''}">
        <button class="chip ${since ? 'on' : ''}" type="button" aria-pressed=${since !== undefined} @click=${recent}>
          Last 24 hours${since ? icon('close', 's') : nothing}
        </button>
        ${given.task_name ? nothing : this.#chip('task_name', 'Task', names, askForTasks)}
        ${given.tag ? nothing : this.#chip('tag', 'Tag', tags, askForTasks)}
      </div>
    </div>`
  }

  #chip(field: 'task_name' | 'tag', label: string, values: readonly string[], asked: () => void): TemplateResult {
    const chosen = this.#chosen[field]
    const id = `${field}-menu`
    const choose = (value?: string) => () => this.#choose(field, value)
    return html`<button
        class="chip ${chosen ? 'on' : ''}"
        type="button"
        popovertarget=${id}
        aria-haspopup="menu"
        aria-expanded="false"
        @click=${asked}
      >
        <span class="truncate">${chosen ?? label}</span>${icon('down', 's')}</button
      >${menu(id, label, [
        { label: `Any ${label.toLowerCase()}`, checked: chosen === undefined, run: choose() },
        ...values.map((each) => ({ label: each, checked: each === chosen, run: choose(each) })),
      ])}`
  }

  #choose(field: 'q' | 'since' | 'task_name' | 'tag', value: string | undefined): void {
    const { [field]: _, ...others } = this.#chosen
    this.#chosen = value === undefined ? others : { ...others, [field]: value }
    this.#host.requestUpdate()
  }

  readonly #toggle = (): void => {
    this.#open = !this.#open
    this.#host.requestUpdate()
  }

  readonly #escaped = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape') return
    // What was typed a moment ago is not chosen yet, so a render would leave it there.
    if (event.target instanceof HTMLInputElement) event.target.value = ''
    this.clear()
  }

  readonly #typed = (event: Event): void => {
    if (!(event.target instanceof HTMLInputElement)) return
    const { value } = event.target
    window.clearTimeout(this.#typing)
    this.#typing = window.setTimeout(() => {
      this.#text = value
      this.#choose('q', value.trim() || undefined)
    }, SEARCH_PAUSE)
  }
}
