/** One card of the board: a button that opens the detail and covers the card, and above it one that selects. */
import { html, nothing, type TemplateResult } from 'lit'
import type { Job } from '../../src/http/wire.ts'
import { format, icon, jobs } from '../shared/index.ts'

export interface CardState {
  selected: boolean
  /** The one card of its column that Tab reaches. */
  tabStop: boolean
  /** From 1. */
  place: number
  count: number
}

export function card(job: Job, state: CardState, now: number): TemplateResult {
  const done = jobs.percent(job)
  const title = jobs.titleOf(job, now)
  const reason = jobs.why(job)
  const fact = jobs.shortFact(job, now)
  const status = jobs.STATUS_WORDS[job.status]
  return html`<div
    class="card ${state.selected ? 'selected' : ''}"
    part="card"
    role="listitem"
    data-id=${job.id}
    data-status=${job.status}
    aria-posinset=${state.place}
    aria-setsize=${state.count}
  >
    <button
      class="pick"
      type="button"
      role="checkbox"
      tabindex="-1"
      aria-checked=${state.selected}
      aria-label="Select ${title}"
      title=${status}
    >
      ${state.selected ? html`<span class="tick">${icon('check')}</span>` : html`<span class="status-icon">${icon(job.status)}</span>`}
    </button>
    <button
      class="open truncate"
      type="button"
      tabindex=${state.tabStop ? 0 : -1}
      aria-label="${title}, ${status}"
      aria-description="${job.task_name}, ${fact}${reason ? `. ${reason}` : ''}"
      title=${title}
    >
      ${title}
    </button>
    <span class="fact num">${fact}</span>
    ${
      done === undefined
        ? nothing
        : html`<div class="bar" role="progressbar" aria-label="Progress of ${title}" aria-valuenow=${done}>
            <b .style=${`--done: ${done / 100}`}></b>
          </div>`
    }
    <span class="sub"><span class="mono truncate">${job.task_name}</span><span class="mono id">${format.shortId(job.id)}</span></span>
    ${reason ? html`<p class="why" title=${reason}>${reason}</p>` : nothing}
  </div>`
}

/** Stands where the server has yet to send a card. */
export const placeholder = html`<div class="card waiting" aria-hidden="true"><span></span><span></span></div>`
