/** One column: its name and count, the cards in view between what is not drawn, and how much of it one sees. */
import { html, nothing, type TemplateResult } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import type { BoardColumn } from '../../src/http/wire.ts'
import { format, icon } from '../shared/index.ts'
import { card, placeholder } from './card.ts'
import type { ColumnView } from './column-view.ts'
import { type MenuItem, menu } from './menu.ts'

/** What the server lays out when it is not told otherwise. */
const LABELS: readonly string[] = ['Scheduled', 'Queued', 'Running', 'Completed', 'Failed']

export interface ColumnContext {
  view: ColumnView
  /** Narrow form: whether it is the one column shown. */
  shown: boolean
  /** The card that Tab reaches. */
  tabStop: string | undefined
  selected: (id: string) => boolean
  menu: readonly MenuItem[]
  scrolled: (event: Event) => void
  /** The server's clock, ms. */
  now: number
}

export function columnOf(column: BoardColumn, at: number, context: ColumnContext): TemplateResult {
  const { view } = context
  return html`<section
    class="column ${context.shown ? 'here' : ''}"
    part="column"
    id="column-${at}"
    aria-label="${column.label}, ${format.plural(column.count, 'task')}"
  >
    <header>
      <h3 class="truncate">${column.label}</h3>
      <span class="count num">${format.count(column.count)}</span>
      <span class="grow"></span>
      <button
        class="button small square ghost"
        type="button"
        popovertarget="menu-${at}"
        aria-label="Actions for ${column.label}"
        aria-haspopup="menu"
        aria-expanded="false"
      >
        ${icon('more', 's')}
      </button>
      ${menu(`menu-${at}`, `Actions for ${column.label}`, context.menu)}
    </header>
    <div class="list" data-column=${at} @scroll=${context.scrolled}>
      ${column.count === 0 ? html`<p class="none">None now</p>` : cards(column, context)}
    </div>
    <footer class="num">
      <span>${extent(column, view)}</span><span class="order">${column.count > 1 ? column.order : nothing}</span>
    </footer>
  </section>`
}

function cards(column: BoardColumn, { view, tabStop, selected, now }: ColumnContext): TemplateResult {
  const { above, below } = view.padding()
  const first = view.range.start
  return html`<div role="list" aria-label=${column.label} .style=${`padding-block: ${above}px ${below}px`}>
    ${repeat(
      view.drawnJobs(),
      (job, offset) => job?.id ?? `row ${first + offset}`,
      (job, offset) => {
        if (!job) return placeholder
        const state = { selected: selected(job.id), tabStop: job.id === tabStop, place: first + offset + 1 }
        return card(job, { ...state, count: column.count }, now)
      },
    )}
  </div>`
}

function extent(column: BoardColumn, view: ColumnView): string {
  const { start, end } = view.inView
  if (column.count === 0) return ''
  if (start === 0 && end >= column.count) return `All ${format.count(column.count)}`
  return `${format.count(start + 1)} to ${format.count(end)} of ${format.count(column.count)}`
}

/** Before the first answer: the columns there will be, and in words that they are awaited. */
export function loadingColumns(labels: readonly string[] = LABELS, offline: boolean): TemplateResult {
  return html`<div class="columns" aria-busy="true">
    ${labels.map(
      (label, at) =>
        html`<section class="column ${at === 0 ? 'here' : ''}" aria-label=${label}>
          <header><h3>${label}</h3></header>
          <div class="list">${[placeholder, placeholder, placeholder]}</div>
          <footer><span>${offline ? 'Not reachable, trying again' : 'Loading tasks'}</span></footer>
        </section>`,
    )}
  </div>`
}
