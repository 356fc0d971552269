/**
 * <capsule-schedules>: what runs by itself, when next, and how the last thirty went. A row opens to its occurrences, each
 * with the reason it was skipped or a way to its task.
 */
import { css, html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import type { Occurrence, Schedule } from '../../src/http/wire.ts'
import { LiveTopic, ProblemError } from '../client/index.ts'
import {
  announce,
  CapsuleElement,
  connectionState,
  define,
  EverySecond,
  format,
  icon,
  statusIcon,
} from '../shared/index.ts'
import { openDetail } from '../task-card/index.ts'
import { MISSED_WORDS, nextWords, OVERLAP_WORDS, outcome, summary, whyOf, wordOf } from './words.ts'

/** Occurrences the strip has room for. */
const STRIP = 30
/** Occurrences an open row shows before one asks for the rest. */
const SHORT = 6

type Action = 'trigger' | 'pause' | 'resume'
const DONE: { readonly [action in Action]: string } = { trigger: 'triggered', pause: 'paused', resume: 'resumed' }

/**
 * The schedules of an app, live.
 *
 * @element capsule-schedules
 * @attr src - base URL of the server; the page's own origin by default
 * @attr heading - "Schedules" by default
 * @attr theme - `light`, `dark` or `auto`; the page's `color-scheme` by default
 * @fires capsule-schedule-action - an action was accepted. detail: `{name, action}`
 * @csspart header - heading, search and connection state
 * @csspart row - each schedule
 */
export class CapsuleSchedules extends CapsuleElement {
  static override properties = {
    src: {},
    heading: {},
    query: { state: true },
    open: { state: true },
    whole: { state: true },
    asked: { state: true },
    refused: { state: true },
  }

  declare src: string
  declare heading: string
  declare protected query: string
  /** Names of the schedules whose occurrences are shown. */
  declare protected open: ReadonlySet<string>
  /** Names of those of which all occurrences are shown. */
  declare protected whole: ReadonlySet<string>
  /** `<action> <name>` of what awaits its answer. */
  declare protected asked: ReadonlySet<string>
  /** Why the last action on a schedule was refused, by name. */
  declare protected refused: ReadonlyMap<string, string>

  readonly #live = new LiveTopic(this, { src: () => this.src, topic: 'schedules', params: () => ({}) })

  constructor() {
    super()
    this.src = ''
    this.heading = ''
    this.query = ''
    this.open = new Set()
    this.whole = new Set()
    this.asked = new Set()
    this.refused = new Map()
    new EverySecond(this, () => this.#shown().length > 0)
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has('src')) return
    this.open = new Set()
    this.refused = new Map()
  }

  /** Pause becomes Resume, and back: the focus stays on what its schedule offers now. */
  protected override update(changed: PropertyValues): void {
    const focused = this.shadowRoot?.activeElement
    const row = focused?.closest('li[part=row]')
    super.update(changed)
    if (focused && !focused.isConnected) row?.querySelector<HTMLElement>('.actions button')?.focus()
  }

  protected override render() {
    const all = this.#all()
    const shown = this.#shown()
    return html`
      <header part="header">
        <h2 class="truncate">${this.heading || 'Schedules'}</h2>
        ${this.#live.data ? html`<span class="muted num">${format.count(all.length)}</span>` : nothing}
        <span class="grow"></span>
        ${
          all.length > 5 || this.query !== ''
            ? html`<label class="field">
                ${icon('search')}
                <input
                  type="search"
                  placeholder="Search"
                  aria-label="Search schedules"
                  .value=${this.query}
                  @input=${this.#searched}
                />
              </label>`
            : nothing
        }
        ${connectionState(this.#live.state)}
      </header>
      ${shown.length > 0 ? this.#list(shown) : this.#nothingHere(all.length)}
    `
  }

  #all(): Schedule[] {
    return (this.#live.data ?? []).filter((schedule) => !schedule.removed)
  }

  #shown(): Schedule[] {
    const query = this.query.trim().toLowerCase()
    if (query === '') return this.#all()
    return this.#all().filter(({ name, description, cron, meaning }) =>
      [name, description, cron, meaning].some((text) => text?.toLowerCase().includes(query)),
    )
  }

  #list(schedules: Schedule[]): TemplateResult {
    const now = this.#live.now()
    return html`<div class="list">
      <div class="columns xs muted" aria-hidden="true">
        <span></span><span>Schedule</span><span>When</span><span>Next run</span><span>Last ${STRIP}, newest right</span>
      </div>
      <ul>
        ${repeat(
          schedules,
          (schedule) => schedule.name,
          (schedule) => this.#schedule(schedule, now),
        )}
      </ul>
    </div>`
  }

  #schedule(schedule: Schedule, now: number): TemplateResult {
    const { name, description, cron, meaning, timezone } = schedule
    const last = schedule.last.toSorted((a, b) => a.due.localeCompare(b.due)).slice(-STRIP)
    const open = this.open.has(name)
    const refused = this.refused.get(name)
    return html`<li class=${open ? 'open' : ''} part="row">
      <div class="columns one">
        <button
          class="button small square ghost"
          type="button"
          aria-expanded=${open}
          aria-label=${`Occurrences of ${name}`}
          @click=${() => this.#toggle(name)}
        >
          ${icon(open ? 'down' : 'right')}
        </button>
        <div class="name">
          <h3 class="medium">${name}</h3>
          ${description ? html`<div class="muted xs truncate" title=${description}>${description}</div>` : nothing}
        </div>
        <div class="when">
          <div class="mono">${cron}</div>
          <div class="muted xs">${meaning}, ${timezone}</div>
        </div>
        <div class="next num">${this.#next(schedule, now)}</div>
        <div class="past">
          <div class="strip" role="img" aria-label=${outcome(last)}>${this.#strip(last, now)}</div>
          <div class="muted xs truncate num" title=${summary(last)}>${summary(last)}</div>
        </div>
        <div class="actions">${this.#actions(schedule)}</div>
        ${refused === undefined ? nothing : html`<p class="refused" role="alert">${icon('info', 's')}${refused}</p>`}
      </div>
      ${open ? this.#details(schedule, last.toReversed(), now) : nothing}
    </li>`
  }

  #next(schedule: Schedule, now: number): TemplateResult {
    if (schedule.paused) return html`<div class="muted">Paused</div>`
    if (schedule.next_at === null) return html`<div class="muted">No next run</div>`
    const { lead, detail } = nextWords(schedule.next_at, now)
    return html`<div>${lead}</div>
      <time class="muted xs" datetime=${schedule.next_at}>${detail}</time>`
  }

  #strip(last: readonly Occurrence[], now: number): TemplateResult[] {
    const missing = Array.from({ length: STRIP - last.length }, () => html`<i class="none"></i>`)
    return [
      ...missing,
      ...last.map(
        (occurrence) =>
          html`<i
            data-status=${occurrence.status ?? nothing}
            class=${occurrence.decision === 'skipped' ? 'skipped' : (occurrence.status ?? 'due')}
            title=${`${format.instant(occurrence.due, now)}: ${wordOf(occurrence)}`}
          ></i>`,
      ),
    ]
  }

  #actions({ name, paused }: Schedule): TemplateResult {
    const button = (
      action: Action,
      label: string,
      asking: string,
      shape: TemplateResult | typeof nothing,
      square = false,
    ) => {
      const busy = this.asked.has(`${action} ${name}`)
      return html`<button
        class="button small ${square ? 'square ghost' : ''}"
        type="button"
        aria-label=${`${label} ${name}`}
        title=${square ? label : nothing}
        aria-disabled=${busy ? 'true' : nothing}
        @click=${() => this.#act(name, action)}
      >
        ${shape}${square ? nothing : busy ? asking : label}
      </button>`
    }
    return paused
      ? button('resume', 'Resume', 'Resuming', icon('play', 's'))
      : html`${button('trigger', 'Trigger', 'Triggering', nothing)}${button('pause', 'Pause', 'Pausing', icon('pause', 's'), true)}`
  }

  #details(schedule: Schedule, newestFirst: readonly Occurrence[], now: number): TemplateResult {
    const all = this.whole.has(schedule.name)
    const shown = all ? newestFirst : newestFirst.slice(0, SHORT)
    return html`<div class="details">
      <div>
        <h4 class="medium">Past occurrences</h4>
        ${
          newestFirst.length === 0
            ? html`<p class="muted">None yet. The first appears when it is due, or when you trigger it.</p>`
            : html`<ol>
                ${shown.map((occurrence) => this.#occurrence(occurrence, now))}
              </ol>
              ${
                shown.length < newestFirst.length
                  ? html`<button class="button small ghost" type="button" @click=${() => this.#showAll(schedule.name)}>
                      Show all ${newestFirst.length}
                    </button>`
                  : nothing
              }`
        }
      </div>
      <dl class="num">
        <dt>Overlap</dt>
        <dd>${OVERLAP_WORDS[schedule.overlap]}</dd>
        <dt>Missed</dt>
        <dd>${MISSED_WORDS[schedule.missed]}</dd>
        <dt>Time zone</dt>
        <dd>${schedule.timezone}</dd>
        <dt>Position</dt>
        <dd>${format.position(schedule.position)}</dd>
      </dl>
    </div>`
  }

  #occurrence(occurrence: Occurrence, now: number): TemplateResult {
    const { due, status, job_id } = occurrence
    return html`<li data-status=${status ?? nothing} class="num">
      ${status ? statusIcon(status) : html`<span class="muted">${icon(occurrence.decision === 'skipped' ? 'skip' : 'pending')}</span>`}
      <time datetime=${due}>${format.instant(due, now)}</time>
      <span class=${status ? 'status-word' : 'medium'}>${wordOf(occurrence)}</span>
      <span class="muted why">${whyOf(occurrence)}</span>
      ${
        job_id === null
          ? nothing
          : html`<button
              class="button small ghost"
              type="button"
              aria-label=${`Open the run of ${format.instant(due, now)}`}
              @click=${() => openDetail(this, this.src, job_id)}
            >
              Open
            </button>`
      }
    </li>`
  }

  #nothingHere(all: number): TemplateResult {
    const { status, problem } = this.#live.state
    const refused = this.#live.problem ?? (status === 'stopped' ? problem : undefined)
    if (refused) return html`<div class="blank"><h3>${refused.title}</h3><p>${refused.detail}</p></div>`
    if (this.#live.data === undefined) {
      const words =
        status === 'offline' ? 'The schedules appear when the server can be reached again.' : 'Loading the schedules'
      return html`<div class="blank"><p class="late">${words}</p></div>`
    }
    if (all > 0)
      return html`<div class="blank"><h3>No match</h3><p>No schedule has “${this.query}” in its name or cron.</p></div>`
    return html`<div class="blank">
      <h3>No schedules yet</h3>
      <p>A schedule runs a handler by itself. Declare one in the app, and it appears here with its next run.</p>
      <pre class="mono">app.schedule('nightly', '0 2 * * *', async () => { … })</pre>
    </div>`
  }

  readonly #searched = (event: Event): void => {
    if (event.target instanceof HTMLInputElement) this.query = event.target.value
  }

  #toggle(name: string): void {
    const open = new Set(this.open)
    if (!open.delete(name)) open.add(name)
    this.open = open
  }

  #showAll(name: string): void {
    this.whole = new Set([...this.whole, name])
  }

  async #act(name: string, action: Action): Promise<void> {
    const { connection } = this.#live
    const key = `${action} ${name}`
    if (!connection || this.asked.has(key)) return
    this.asked = new Set([...this.asked, key])
    this.refused = new Map([...this.refused].filter(([other]) => other !== name))
    try {
      await connection.command(`schedule.${action}`, { name })
      announce(`${name} ${DONE[action]}.`)
      this.emit('schedule-action', { name, action })
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      this.refused = new Map([...this.refused, [name, error.message]])
    } finally {
      this.asked = new Set([...this.asked].filter((other) => other !== key))
    }
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
        container: schedules / inline-size;
      }
      header {
        display: flex;
        align-items: center;
        gap: 12px;
        min-height: 56px;
        flex: none;
        padding: 0 20px;
      }
      h2 {
        font-size: var(--capsule-text-l);
        line-height: var(--capsule-line-l);
        letter-spacing: -0.012em;
      }
      header .field {
        width: 240px;
      }
      .list {
        flex: 1;
        min-height: 0;
        overflow-y: auto;
        padding: 4px 20px 24px;
        scrollbar-width: thin;
      }
      .columns {
        display: grid;
        grid-template-columns: 28px minmax(0, 1.25fr) minmax(0, 1.15fr) 156px minmax(0, 404px) 132px;
        gap: 0 14px;
        align-items: center;
        padding-inline: 8px 12px;
      }
      .columns:not(.one) {
        padding-block: 8px;
        border-block-end: 1px solid var(--capsule-border);
      }
      .list > ul > li {
        border-block-end: 1px solid var(--capsule-border);
      }
      .list > ul > li.open {
        background: var(--capsule-raised);
      }
      .one {
        padding-block: 10px;
      }
      .name,
      .when,
      .next,
      .past {
        min-width: 0;
      }
      h3 {
        font-weight: var(--capsule-weight-medium);
        overflow-wrap: anywhere;
      }
      .mono {
        line-height: var(--capsule-line-s);
      }
      .next time {
        display: block;
      }
      .strip {
        display: flex;
        gap: 3px;
        align-items: center;
        height: 24px;
      }
      .strip i {
        position: relative;
        flex: 0 1 10px;
        min-width: 3px;
        height: 20px;
        border-radius: 2px;
        background: var(--status);
      }
      .strip .completed {
        background: color-mix(in srgb, var(--status) 42%, transparent);
      }
      .strip .failed::after,
      .strip .timeout::after {
        content: '';
        position: absolute;
        inset: auto 0 -5px;
        height: 2px;
        border-radius: 1px;
        background: var(--status);
      }
      .strip :is(.running, .retry, .pending, .scheduled, .due) {
        background: var(--tint);
        border: 1.5px solid var(--status, var(--capsule-border-strong));
      }
      .strip .skipped {
        height: 12px;
        background: none;
        border: 1.5px dashed var(--capsule-border-strong);
      }
      .strip .none {
        height: 12px;
        background: var(--capsule-hover);
      }
      .actions {
        display: flex;
        align-items: center;
        justify-content: flex-end;
        gap: 6px;
      }
      .refused {
        grid-column: 2 / -1;
        display: flex;
        align-items: center;
        gap: 6px;
        padding-block-start: 6px;
      }
      .details {
        display: grid;
        grid-template-columns: minmax(0, 1fr) 280px;
        gap: 8px 32px;
        padding: 4px 12px 20px 50px;
      }
      .details h4 {
        padding-block-end: 4px;
      }
      .details li {
        display: grid;
        grid-template-columns: 16px 168px 128px minmax(0, 1fr) auto;
        gap: 0 12px;
        align-items: center;
        min-height: 36px;
        border-block-end: 1px solid var(--capsule-border);
      }
      .details li:last-child {
        border-block-end: 0;
      }
      dl {
        display: grid;
        grid-template-columns: 88px minmax(0, 1fr);
        gap: 8px 12px;
        align-content: start;
      }
      dt {
        color: var(--capsule-muted);
      }
      .blank {
        flex: 1;
        display: flex;
        flex-direction: column;
        justify-content: center;
        gap: 8px;
        width: 100%;
        max-width: 528px;
        margin: 0 auto;
        padding: 24px;
      }
      .blank h3 {
        font-size: var(--capsule-text-xl);
        line-height: var(--capsule-line-xl);
        font-weight: var(--capsule-weight-strong);
        letter-spacing: -0.02em;
      }
      .blank p {
        color: var(--capsule-muted);
        font-size: var(--capsule-text-m);
        line-height: var(--capsule-line-m);
      }
      .blank pre {
        margin-block-start: 12px;
        padding: 10px 14px;
        border: 1px solid var(--capsule-border);
        border-radius: var(--capsule-radius-l);
        background: var(--capsule-sunken);
        white-space: pre-wrap;
        overflow-wrap: anywhere;
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

      @container schedules (max-width: 1040px) {
        .columns {
          grid-template-columns: 28px minmax(0, 1.2fr) minmax(0, 1fr) 148px 132px;
        }
        .columns:not(.one) > :nth-child(5) {
          display: none;
        }
        .one .past {
          grid-column: 2 / 5;
          grid-row: 2;
        }
        .one .actions {
          grid-column: 5;
          grid-row: 1;
        }
        .details {
          grid-template-columns: minmax(0, 1fr);
        }
      }
      @container schedules (max-width: 640px) {
        header {
          padding: 0 16px;
        }
        header .field {
          flex: 1;
          width: auto;
          min-width: 0;
        }
        .list {
          padding: 0 0 16px;
        }
        .columns:not(.one) {
          display: none;
        }
        .one {
          grid-template-columns: 28px minmax(0, 1fr) auto;
          gap: 4px 8px;
          padding: 12px 16px 12px 8px;
        }
        .one .when {
          grid-column: 2 / -1;
          grid-row: 2;
        }
        .one .next {
          grid-column: 3;
          grid-row: 1;
          text-align: end;
        }
        .next time {
          display: none;
        }
        .one .past {
          grid-column: 2 / -1;
          grid-row: 3;
        }
        .one .actions {
          grid-column: 2 / -1;
          grid-row: 4;
          justify-content: flex-start;
          padding-block-start: 4px;
        }
        .strip {
          gap: 2px;
        }
        .details {
          padding: 0 16px 16px 44px;
        }
        .details li {
          grid-template-columns: 16px minmax(0, 1fr) auto auto;
          padding-block: 6px;
        }
        .details .why {
          grid-column: 2 / -1;
          grid-row: 2;
        }
        .details .why:empty {
          display: none;
        }
      }
      @media (pointer: coarse) {
        .button.small {
          min-width: 40px;
          height: 40px;
        }
        .columns {
          column-gap: 8px;
        }
      }
      @media (forced-colors: active) {
        .strip i {
          forced-color-adjust: none;
          border: 1px solid CanvasText;
        }
      }
    `,
  ]
}

define('capsule-schedules', CapsuleSchedules)

declare global {
  interface HTMLElementTagNameMap {
    'capsule-schedules': CapsuleSchedules
  }
}
