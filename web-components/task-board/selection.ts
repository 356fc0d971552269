/** The cards picked for a bulk action, which go on changing while they are picked, and the bar that acts on them. */
import { html, nothing, type ReactiveControllerHost, type TemplateResult } from 'lit'
import type { Board, BoardColumn, Job } from '../../src/http/wire.ts'
import { announce, format, icon, jobs } from '../shared/index.ts'
import { offer } from './bulk.ts'

export interface BulkActions {
  act: (ids: readonly string[], action: 'cancel' | 'retry') => void
  copyIds: (ids: readonly string[]) => void
}

export class Selection {
  readonly #host: ReactiveControllerHost
  #jobs = new Map<string, Job>()
  #last: string | undefined

  constructor(host: ReactiveControllerHost) {
    this.#host = host
  }

  get size(): number {
    return this.#jobs.size
  }

  has(id: string): boolean {
    return this.#jobs.has(id)
  }

  readonly clear = (): void => {
    this.#jobs.clear()
    this.#host.requestUpdate()
  }

  toggle(job: Job): void {
    if (!this.#jobs.delete(job.id)) this.#jobs.set(job.id, job)
    this.#last = job.id
    this.#changed()
  }

  add(more: readonly Job[]): void {
    for (const job of more) this.#jobs.set(job.id, job)
    this.#changed()
  }

  /** All from the last one picked to this, where both are in `column`; else this alone. */
  extendTo(job: Job, column: BoardColumn): void {
    const ends = [column.jobs.findIndex((each) => each.id === this.#last), column.jobs.indexOf(job)]
    const [from, to] = [Math.min(...ends), Math.max(...ends)]
    if (from < 0) this.toggle(job)
    else this.add(column.jobs.slice(from, to + 1))
  }

  /** Takes what the board says of the picked ones now: the bar must offer what is allowed now. */
  refresh(board: Board): void {
    if (this.#jobs.size === 0) return
    for (const { jobs: cards } of board.columns) {
      for (const job of cards) if (this.#jobs.has(job.id)) this.#jobs.set(job.id, job)
    }
  }

  render({ act, copyIds }: BulkActions): TemplateResult | typeof nothing {
    const picked = [...this.#jobs.values()]
    if (picked.length === 0) return nothing
    const action = (name: 'retry' | 'cancel') => {
      const { ids, reason } = offer(picked, name)
      const none = ids.length === 0
      return html`<button
        type="button"
        class=${name === 'cancel' && none ? 'only-wide' : ''}
        aria-disabled=${none ? 'true' : nothing}
        @click=${() => !none && act(ids, name)}
      >
        ${name === 'retry' && !none ? icon('retry', 's') : nothing}
        <span
          >${jobs.ACTION_WORDS[name]} ${format.count(ids.length)}${reason ? html`, <span class="reason">${reason}</span>` : nothing}</span
        >
      </button>`
    }
    return html`<div class="bulk" role="toolbar" aria-label="${format.plural(picked.length, 'task')} selected">
      <span class="medium num">${format.count(picked.length)} selected</span><span class="rule"></span>
      ${action('retry')}
      <button type="button" class="only-wide" @click=${() => copyIds(picked.map((job) => job.id))}>
        ${icon('copy', 's')}Copy ids
      </button>
      ${action('cancel')}<span class="rule only-wide"></span>
      <button type="button" class="end" aria-label="Clear selection" @click=${this.clear}>${icon('close', 's')}</button>
    </div>`
  }

  #changed(): void {
    announce(this.size === 0 ? 'Nothing selected' : `${format.plural(this.size, 'task')} selected`)
    this.#host.requestUpdate()
  }
}
