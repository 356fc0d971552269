/**
 * One task, live: what it is, where it stands, why, and what can be done about it now. It shows itself wherever it
 * is put, down to 280 px, and says in words what a refused action was refused for.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import type { Job, JobAction } from '../../src/http/wire.ts'
import { LiveTopic, ProblemError } from '../client/index.ts'
import { announce, CapsuleElement, define, EverySecond, format, icon, jobs, statusIcon } from '../shared/index.ts'
import { styles } from './task-card.styles.ts'

/**
 * @element capsule-task-card
 * @attr src - base URL of the server; the page's own origin by default
 * @attr job-id - the job to follow
 * @attr message - what to call it, in place of its title
 * @prop job - the job as data, for one who follows it already; then nothing is subscribed
 * @fires capsule-task-open - details were asked for; `detail: { id }`. Preventing it keeps the own dialog shut
 * @fires capsule-task-action - an action was accepted by the server; `detail: { id, action }`
 * @csspart card - the card
 * @csspart action - each button
 */
export class CapsuleTaskCard extends CapsuleElement {
  static override styles = [...CapsuleElement.styles, styles]
  static override properties = {
    src: { type: String },
    jobId: { type: String, attribute: 'job-id' },
    message: { type: String },
    job: { attribute: false },
    asked: { state: true },
    refused: { state: true },
  }

  declare src: string | undefined
  declare jobId: string | undefined
  declare message: string | undefined
  declare job: Job | undefined
  /** The action that awaits its answer. */
  declare protected asked: JobAction | undefined
  /** Why the last action was refused. */
  declare protected refused: string | undefined

  readonly #live = new LiveTopic(this, {
    src: () => this.src,
    topic: 'job',
    params: () => (this.job || !this.jobId ? undefined : { id: this.jobId }),
    onChange: (job) => this.#tell(job),
  })
  #said: Job['status'] | undefined

  constructor() {
    super()
    new EverySecond(this, () => this.#job !== undefined && jobs.isTicking(this.#job))
  }

  get #job(): Job | undefined {
    return this.job ?? this.#live.data
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('jobId')) {
      this.refused = undefined
      this.#said = undefined
    }
  }

  protected override refuge(): HTMLElement | null {
    return this.renderRoot.querySelector('button.name')
  }

  protected override render(): TemplateResult {
    const job = this.#job
    return job ? this.#card(job) : this.#blank()
  }

  #card(job: Job): TemplateResult {
    const now = this.#live.now()
    const { lit, rest } = jobs.headline(job, now)
    const title = this.#titleOf(job)
    const ended = jobs.isTerminal(job.status) && job.status !== 'completed'
    return html`<article
      class="card ${ended || job.status === 'retry' ? 'wordy' : ''}"
      part="card"
      data-status=${job.status}
      aria-label="${title}, ${jobs.STATUS_WORDS[job.status]}"
    >
      ${statusIcon(job.status)}
      <div class="title">
        <button class="name truncate" type="button" title=${title} aria-haspopup="dialog" @click=${() => this.#open(job)}>
          ${title}
        </button>
        ${title === job.task_name ? nothing : html`<span class="mono truncate secondary">${job.task_name}</span>`}
      </div>
      <div class="fact num">
        <span class="status-word">${lit}</span>${rest ? html`<span class="secondary"> ${rest}</span>` : nothing}
      </div>
      <div class="body num">${this.#body(job, title, now)}</div>
      <div class="actions">${this.#actions(job)}</div>
      ${
        this.refused
          ? html`<p class="refused" role="alert">${icon('info', 's')}<span>${this.refused}</span></p>`
          : nothing
      }
    </article>`
  }

  #titleOf(job: Job): string {
    return this.message || jobs.titleOf(job, this.#live.now())
  }

  #body(job: Job, title: string, now: number): TemplateResult | typeof nothing {
    const reason = jobs.why(job)
    const secondary = (text: string) => (text ? html`<span class="secondary">${text}</span>` : nothing)
    switch (job.status) {
      case 'pending':
        return html`${reason ?? 'Starts when its turn comes'}`
      case 'scheduled': {
        const lock = job.lock_key ? `, takes the lock ${job.lock_key} when due` : ''
        return html`${job.run_at ? format.instant(job.run_at, now) : reason}${secondary(lock)}`
      }
      case 'running':
        return html`${this.#bar(job, title)}${this.#runningFacts(job, now)}`
      case 'retry':
        return html`<p class="truncate" title=${reason ?? nothing}>${reason}</p>`
      case 'completed':
        return job.result === null
          ? html`${job.finished_at ? format.instant(job.finished_at, now) : nothing}`
          : html`<span class="mono result truncate">${format.oneLine(job.result)}</span>`
      case 'failed':
      case 'timeout':
        return html`<p class="why">${reason ?? 'No reason was recorded'}</p>`
      case 'cancelled': {
        const who = reason ?? 'Cancelled'
        return html`${who}${job.finished_at ? `, ${format.instantWithin(job.finished_at, now)}` : nothing}`
      }
    }
  }

  #bar(job: Job, title: string): TemplateResult | typeof nothing {
    const done = jobs.percent(job)
    if (done === undefined) return nothing
    return html`<div class="bar" role="progressbar" aria-label=${title} aria-valuenow=${done}>
      <b .style=${`--done: ${done / 100}`}></b>
    </div>`
  }

  #runningFacts(job: Job, now: number): TemplateResult {
    const attempt = job.attempt > 1 ? `, attempt ${job.attempt}` : ''
    const left = job.deadline ? format.millis(job.deadline) - now : undefined
    const deadline =
      left === undefined ? '' : left > 0 ? `, deadline in ${format.elapsed(left)}` : ', past its deadline'
    const elapsed = jobs.percent(job) === undefined ? '' : `${jobs.runningFor(job, now)} elapsed`
    const facts = `${attempt}${deadline}`
    const message = job.progress?.message
    const since = job.started_at ? `Since ${format.clockSeconds(job.started_at)}` : 'Started'
    const where = job.node ? ` on ${job.node}` : ''
    const [first, more] = message ? [message, elapsed && `, ${elapsed}`] : elapsed ? [elapsed, ''] : [since, where]
    return html`${first}<span class="secondary">${more}${facts}</span>`
  }

  #actions(job: Job): TemplateResult {
    const action = (name: JobAction) =>
      jobs.mayDo(job, name)
        ? html`<button
            class="button small ${this.asked === name ? 'busy' : ''}"
            part="action"
            type="button"
            aria-disabled=${this.asked ? 'true' : nothing}
            @click=${() => this.#act(job, name)}
          >
            ${name === 'retry' ? icon('retry', 's') : nothing}${
              this.asked === name ? (name === 'cancel' ? 'Cancelling' : 'Retrying') : jobs.ACTION_WORDS[name]
            }
          </button>`
        : nothing
    const details = html`<button
      class="button small square ghost"
      part="action"
      type="button"
      aria-label="Details of ${this.#titleOf(job)}"
      @click=${() => this.#open(job)}
    >
      ${icon('right', 's')}
    </button>`
    const ended = jobs.isTerminal(job.status)
    return html`${ended ? action('retry') : job.cancel_requested ? nothing : action('cancel')}${ended && job.status !== 'completed' ? details : nothing}`
  }

  #blank(): TemplateResult {
    const { problem, state } = this.#live
    const said = problem ?? state.problem
    const words = said
      ? said.detail
      : state.status === 'offline'
        ? 'Offline. The task goes on; it shows here once connected.'
        : this.jobId
          ? 'Loading the task'
          : 'No task given'
    return html`<article class="card blank" part="card" aria-busy=${said ? 'false' : 'true'}>
      <span class="status-icon">${icon(said ? 'info' : 'pending')}</span>
      <div class="title"><span class="name truncate">${this.message ?? (said ? 'Not available' : 'Task')}</span></div>
      <div class="fact"></div>
      <div class="body">${words}</div>
    </article>`
  }

  async #act(job: Job, action: JobAction): Promise<void> {
    const { connection } = this.#live
    if (this.asked || !connection || (action !== 'cancel' && action !== 'retry')) return
    this.asked = action
    this.refused = undefined
    try {
      await connection.command(`job.${action}`, { id: job.id })
      this.emit('task-action', { id: job.id, action })
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      this.refused = error.message
    } finally {
      this.asked = undefined
    }
  }

  #open(job: Job): void {
    if (this.emit('task-open', { id: job.id })) void openDetail(this, this.src, job.id)
  }

  /** A change of status is a sentence; progress is not. */
  #tell(job: Job): void {
    if (this.#said !== undefined && this.#said !== job.status) {
      const reason = jobs.why(job)
      announce(`${this.#titleOf(job)}: ${jobs.STATUS_WORDS[job.status]}.${reason ? ` ${reason}` : ''}`)
    }
    this.#said = job.status
  }
}

/** Opens the detail of a job over the page; its code is loaded the first time. Focus returns to where it was. */
export async function openDetail(near: HTMLElement, src: string | undefined, id: string): Promise<void> {
  const { CapsuleTaskDetail } = await import('./task-detail.ts')
  CapsuleTaskDetail.open(near, src, id)
}

define('capsule-task-card', CapsuleTaskCard)

declare global {
  interface HTMLElementTagNameMap {
    'capsule-task-card': CapsuleTaskCard
  }
}
