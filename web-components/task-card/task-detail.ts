/**
 * Everything about one job, over the page it was opened from: its states with the present one lit, facts,
 * input, result or error, and the history with who did what. Loaded when the first one is opened.
 */
import { html, nothing, type TemplateResult } from 'lit'
import type { HistoryEvent, Job, JobAction, Json } from '../../src/http/wire.ts'
import { LiveTopic, ProblemError } from '../client/index.ts'
import { announce, CapsuleElement, define, EverySecond, format, icon, jobs, statusIcon } from '../shared/index.ts'
import { entriesOf, tell } from './history.ts'
import { walk } from './path.ts'
import { statechart } from './statechart.ts'
import { CHART_INSET, NARROW, styles } from './task-detail.styles.ts'

type Tab = 'history' | 'values'
const TABS: readonly Tab[] = ['history', 'values']
const ACTIONS: readonly JobAction[] = ['refresh', 'cancel', 'retry']

/**
 * @element capsule-task-detail
 * @attr src - base URL of the server; the page's own origin by default
 * @attr job-id - the job shown
 * @fires capsule-task-close - the dialog was closed
 * @csspart dialog - the dialog
 */
export class CapsuleTaskDetail extends CapsuleElement {
  static override styles = [...CapsuleElement.styles, styles]
  static override properties = {
    src: { type: String },
    jobId: { type: String, attribute: 'job-id' },
    tab: { state: true },
    events: { state: true },
    problem: { state: true },
    refused: { state: true },
    asked: { state: true },
    width: { state: true },
  }

  declare src: string | undefined
  declare jobId: string | undefined
  declare protected tab: Tab
  declare protected events: HistoryEvent[] | undefined
  /** Why the history could not be had. */
  declare protected problem: string | undefined
  /** Why the last action was refused. */
  declare protected refused: string | undefined
  declare protected asked: JobAction | undefined
  /** Of the dialog, inside its border, in CSS pixels; 0 until it was measured. */
  declare protected width: number

  readonly #live = new LiveTopic(this, {
    src: () => this.src,
    topic: 'job',
    params: () => (this.jobId ? { id: this.jobId } : undefined),
    onChange: (job) => void this.#loadHistory(job),
  })
  /** The position of the job that the history on show was fetched for. */
  #loaded: string | undefined
  /** The job that `events` are of. */
  #historyOf: string | undefined
  #loading = false
  #returnFocus: HTMLElement | undefined
  /** The dialog has a size of its own: what is drawn for its width does not change it. */
  readonly #size = new ResizeObserver(([entry]) => {
    if (entry) this.width = entry.contentRect.width
  })

  constructor() {
    super()
    this.tab = 'history'
    this.width = 0
    new EverySecond(this, () => this.#live.data !== undefined)
  }

  /** Opens the detail of a job over the page; it lives in the shadow of `near`, has its theme, and removes itself. */
  static open(near: HTMLElement, src: string | undefined, id: string): CapsuleTaskDetail {
    const parent = near.shadowRoot ?? near
    // Asked for again before its code was there.
    const shown = [...parent.querySelectorAll<CapsuleTaskDetail>('capsule-task-detail')]
    const same = shown.find((each) => each.src === src && each.jobId === id)
    if (same) return same
    const detail = new CapsuleTaskDetail()
    detail.src = src
    detail.jobId = id
    detail.#returnFocus = focused()
    parent.append(detail)
    return detail
  }

  protected override firstUpdated(): void {
    const dialog = this.renderRoot.querySelector('dialog')
    dialog?.showModal()
    if (dialog) this.#size.observe(dialog)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.#size.disconnect()
  }

  protected override render(): TemplateResult {
    const job = this.#live.data
    return html`<dialog part="dialog" aria-labelledby="title" @close=${this.#closed} @click=${this.#clickOutside}>
      ${job ? this.#content(job, this.#live.now()) : this.#blank()}
    </dialog>`
  }

  #content(job: Job, now: number): TemplateResult {
    const done = jobs.percent(job)
    const tab = (name: Tab, words: TemplateResult | string) =>
      html`<button
        role="tab"
        type="button"
        id="tab-${name}"
        aria-selected=${this.tab === name}
        aria-controls="panel"
        tabindex=${this.tab === name ? 0 : -1}
        @click=${() => {
          this.tab = name
        }}
      >
        ${words}
      </button>`
    const title = jobs.titleOf(job, now)
    return html`<header data-status=${job.status}>
        <div class="names">
          <div class="row">
            <h2 id="title" class="truncate" title=${title}>${title}</h2>
            <span class="badge num"
              >${icon(job.status)}${jobs.STATUS_WORDS[job.status]}${done === undefined ? nothing : `, ${done}%`}</span
            >
          </div>
          <div class="row ids">
            <span class="mono">${job.task_name}</span><span class="mono truncate" title=${job.id}>${job.id}</span>
            <button class="button small square ghost" type="button" aria-label="Copy id" @click=${() => this.#copy(job.id)}>
              ${icon('copy', 's')}
            </button>
          </div>
        </div>
        <div class="row actions">
          ${ACTIONS.map((action) => this.#action(job, action))}${this.#shut()}
        </div>
        ${this.#refusals(job)}
      </header>
      <div class="body">
        ${this.#states(job, now)}
        <div class="tabs" role="tablist" aria-label="Parts" @keydown=${this.#switchTab}>
          ${tab('history', html`History <span class="muted num">${this.events?.length ?? nothing}</span>`)}
          ${tab('values', 'Input and result')}
        </div>
        <div class="content">
          <div class="panel" id="panel" role="tabpanel" aria-labelledby="tab-${this.tab}" tabindex="0">
            ${this.tab === 'history' ? this.#history(now) : this.#values(job)}
          </div>
          ${this.#facts(job, now)}
        </div>
      </div>`
  }

  #states(job: Job, now: number): TemplateResult | typeof nothing {
    if (this.width === 0) return nothing
    const room = this.width - (this.width > NARROW ? CHART_INSET.wide : CHART_INSET.narrow)
    const scale = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 16
    const family = getComputedStyle(this).fontFamily
    return html`<div class="chart">
      ${statechart(job.status, walk(this.events ?? []), now, { room, scale, family })}
    </div>`
  }

  #action(job: Job, action: JobAction): TemplateResult | typeof nothing {
    const allowed = jobs.mayDo(job, action)
    // A deadline that is not there is no action refused.
    if (action === 'refresh' && !allowed) return nothing
    return html`<button
      class="button ${this.asked === action ? 'busy' : ''}"
      type="button"
      aria-disabled=${allowed && !this.asked ? nothing : 'true'}
      aria-describedby=${allowed ? nothing : 'refusals'}
      @click=${() => allowed && this.#act(job, action)}
    >
      ${action === 'cancel' ? nothing : icon(action === 'retry' ? 'retry' : 'extend', 's')}${jobs.ACTION_WORDS[action]}
    </button>`
  }

  #refusals(job: Job): TemplateResult | typeof nothing {
    const refused = ACTIONS.filter((action) => action !== 'refresh' && !jobs.mayDo(job, action))
    const reasons = refused.map(
      (action) => `No ${jobs.ACTION_WORDS[action].toLowerCase()}: ${lowerFirst(jobs.refusal(job, action))}`,
    )
    const words = this.refused ?? reasons.join(' ')
    if (!words) return nothing
    return html`<p class="row refused xs" id="refusals">${icon('info', 's')}<span>${words}</span></p>`
  }

  #history(now: number): TemplateResult {
    if (!this.events) {
      return html`<p class="note">${this.problem ? `The history is not available. ${this.problem}` : 'Loading the history'}</p>`
    }
    return html`<ol aria-label="History, newest first">
      ${entriesOf(this.events).map(({ event, reports }) => {
        const { what, who, status, icon: kind } = tell(event, now)
        return html`<li class="event" data-status=${status ?? nothing}>
          ${status ? statusIcon(status) : html`<span class="kind">${icon(kind)}</span>`}
          <div>
            <span class="medium">${what}</span>
            <div class="who">${who}${reports > 1 ? `, the last of ${format.count(reports)} reports` : nothing}</div>
          </div>
          <span class="when num" title="${format.instant(event.at, now)}, position ${format.position(event.position)}">
            <time datetime=${event.at}>${format.ago(event.at, now)}</time>
          </span>
        </li>`
      })}
    </ol>`
  }

  #values(job: Job): TemplateResult {
    const value = (title: string, json: Json) =>
      html`<section><h3>${title}</h3><pre>${typeof json === 'string' ? json : JSON.stringify(json, undefined, 2)}</pre></section>`
    return html`<div class="values">
      ${value('Input', job.params)}
      ${job.result === null && job.status !== 'completed' ? nothing : value('Result', job.result)}
      ${
        job.error
          ? html`<section>
              <h3>Error</h3>
              <p class="why">${jobs.errorLine(job)}</p>
              ${job.error_traceback ? html`<pre>${job.error_traceback}</pre>` : nothing}
            </section>`
          : nothing
      }
    </div>`
  }

  #facts(job: Job, now: number): TemplateResult {
    const row = (name: string, value: string | null | undefined, mono = false) =>
      value ? html`<dt>${name}</dt><dd class=${mono ? 'mono' : ''}>${value}</dd>` : nothing
    const at = (value: string | null) => value && format.instant(value, now)
    const untilDeadline = job.deadline && job.status === 'running' ? format.millis(job.deadline) - now : undefined
    const left = Math.max(0, job.retries - job.failures)
    return html`<div class="facts num">
      <dl>
        ${row('Attempt', job.attempt === 0 ? 'not started' : `${job.attempt}, ${format.plural(left, 'retry', 'retries')} left`)}
        ${row('Elapsed', job.status === 'running' ? jobs.runningFor(job, now) : jobs.took(job))}
        ${row('Deadline', untilDeadline === undefined ? undefined : untilDeadline > 0 ? `in ${format.elapsed(untilDeadline)}` : 'passed')}
        ${row('Waits for', job.waiting_for)}${row('Node', job.node)}${row('Lock', job.lock_key, true)}
      </dl>
      <dl>
        ${row('Owner', job.owner_id)}${row('Session', job.session_id, true)}${row('Priority', String(job.priority))}
        ${row('Tags', job.tags.join(', '))}
      </dl>
      <dl>
        ${row('Submitted', at(job.submitted_at))}${row('Due', at(job.run_at))}${row('Started', at(job.started_at))}
        ${row('Ended', at(job.finished_at))}${row('Position', format.position(job.position))}
      </dl>
    </div>`
  }

  #blank(): TemplateResult {
    const problem = this.#live.problem ?? this.#live.state.problem
    return html`<header>
      <div class="names"><h2 id="title">${problem ? problem.title : 'Loading the task'}</h2>
      ${problem ? html`<p class="muted">${problem.detail}</p>` : nothing}</div>
      <div class="row actions">${this.#shut()}</div>
    </header>`
  }

  #shut(): TemplateResult {
    return html`<button class="button square ghost shut" type="button" aria-label="Close" @click=${this.close}>
      ${icon('close')}
    </button>`
  }

  close(): void {
    this.renderRoot.querySelector('dialog')?.close()
  }

  #closed(): void {
    const root = this.getRootNode()
    this.emit('task-close', { id: this.jobId })
    this.remove()
    if (this.#returnFocus?.isConnected) this.#returnFocus.focus()
    else if (root instanceof ShadowRoot) this.#cardIn(root)?.focus()
  }

  /** The card of a board that shows the task by now, else the one that Tab reaches there. */
  #cardIn(board: ShadowRoot): HTMLElement | null {
    const id = CSS.escape(this.jobId ?? '')
    return board.querySelector<HTMLElement>(`[data-id="${id}"] .open`) ?? board.querySelector('.open[tabindex="0"]')
  }

  #clickOutside(event: MouseEvent): void {
    // The second click of two is that of somebody who opens with a double click.
    if (event.target === event.currentTarget && event.detail < 2) this.close()
  }

  #switchTab(event: KeyboardEvent): void {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return
    this.tab = TABS[(TABS.indexOf(this.tab) + 1) % TABS.length] ?? 'history'
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>('[aria-selected="true"]')?.focus())
  }

  async #act(job: Job, action: JobAction): Promise<void> {
    const { connection } = this.#live
    if (!connection || this.asked) return
    this.asked = action
    this.refused = undefined
    try {
      if (action === 'cancel' || action === 'retry') await connection.command(`job.${action}`, { id: job.id })
      else await connection.rest(`/api/v1/jobs/${encodeURIComponent(job.id)}/$refresh`, { method: 'POST' })
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      this.refused = error.message
      announce(error.message)
    } finally {
      this.asked = undefined
    }
  }

  async #copy(id: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(id)
      announce('Id copied')
    } catch {
      this.refused = 'The browser did not allow copying.'
      announce(this.refused)
    }
  }

  /** Follows the job: a fetch per change that arrives, never two at a time, the last change always included. */
  async #loadHistory(job: Job): Promise<void> {
    const { connection } = this.#live
    if (this.#loading || this.#loaded === job.position || !connection) return
    this.#loading = true
    try {
      // A history may be long, and changes with every word of progress: only what is new of it is fetched.
      const known = this.#historyOf === job.id ? (this.events ?? []) : []
      const after = known.at(-1)
      const path = `/api/v1/jobs/${encodeURIComponent(job.id)}/$events${after ? `?after=${after.revision}` : ''}`
      this.events = [...known, ...(await connection.rest<HistoryEvent[]>(path))]
      this.#historyOf = job.id
      this.problem = undefined
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      this.problem = error.message
    } finally {
      this.#loading = false
      this.#loaded = job.position
    }
    const latest = this.#live.data
    if (latest && latest.id === job.id) void this.#loadHistory(latest)
  }
}

function lowerFirst(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1)
}

/** What has the focus, through shadow roots. */
function focused(): HTMLElement | undefined {
  let element = document.activeElement
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
  return element instanceof HTMLElement ? element : undefined
}

define('capsule-task-detail', CapsuleTaskDetail)

declare global {
  interface HTMLElementTagNameMap {
    'capsule-task-detail': CapsuleTaskDetail
  }
}
